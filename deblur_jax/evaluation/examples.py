"""Which pictures stand for a set: by their gain, the best, the median and the worst."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Entry = dict[str, Any]  # of `per_image`


@dataclass(frozen=True)
class Example:
    """A picture of an evaluation and what it stands for: `best`, `median`, `worst` by gain."""

    rank: str
    entry: Entry


def gain_of(entry: Entry) -> float | None:
    """A picture's gain in dB; None where one of its PSNRs is infinite or not there."""
    before, after = entry["blurred"].get("psnr"), entry["restored"].get("psnr")
    return None if before is None or after is None else after - before


def examples(entries: Sequence[Entry]) -> list[Example]:
    """The best, the median and the worst picture by gain; fewer where there are fewer.

    A picture without a gain (no sharp twin, or an infinite PSNR) stands for nothing.
    """
    gains = {entry["name"]: gain_of(entry) for entry in entries}
    known = [(gain, name) for name, gain in gains.items() if gain is not None]
    ordered = [name for _, name in sorted(known, key=lambda each: (-each[0], each[1]))]
    if not ordered:
        return []
    by_name = {entry["name"]: entry for entry in entries}
    places = {"best": 0, "median": (len(ordered) - 1) // 2, "worst": len(ordered) - 1}
    found, used = [], set()
    for rank, place in places.items():
        if place not in used:
            used.add(place)
            found.append(Example(rank, by_name[ordered[place]]))
    return found


def chosen(entries: Sequence[Entry], most: int) -> list[Entry]:
    """At most so many entries: the examples, and others evenly over the set; in its order."""
    wanted = [example.entry["name"] for example in examples(entries)][:most]
    others = [entry["name"] for entry in entries if entry["name"] not in wanted]
    left = min(most - len(wanted), len(others))
    places = np.linspace(0, len(others) - 1, max(left, 0))
    names = {*wanted, *(others[round(place)] for place in places)}
    return [entry for entry in entries if entry["name"] in names]
