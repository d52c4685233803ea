"""What sets of pairs look like in numbers, and whether synthetic sets look like real ones.

A picture's gradient is the length of its forward differences (down and right, so a picture of
H x W has (H - 1) x (W - 1) of them), in grey levels, on the mean of the three channels.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deblur_jax.data.pairs import find_pairs, read_pair
from deblur_jax.errors import UsageError

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Gradients above this many grey levels are edges or strong texture.
EDGE = 16.0
# PSNR of pairs that are equal, in dB: beyond 8-bit rounding (58.9 dB), and finite for quantiles.
PSNR_MAX = 60.0
BINS = 16
# Names of the statistics and their units.
UNITS = {
    "psnr": "dB",
    "gradient_sharp": "levels",
    "gradient_blurred": "levels",
    "edges_sharp": "fraction",
    "edges_blurred": "fraction",
    "log_ratio": "ln",
    "brightening": "levels",
}


class Verdict(NamedTuple):
    """Whether what synthetic sets span holds the medians of the real ones.

    statistic: a name of UNITS.
    real: (lowest, highest) median of the real sets.
    synthetic: (lowest 5 %, highest 95 %) quantile of the synthetic sets.
    gap: by how much the worst real median lies outside, zero if none does.
    """

    statistic: str
    real: tuple[float, float]
    synthetic: tuple[float, float]
    gap: float


def gradients(picture: np.ndarray) -> np.ndarray:
    """float64[H - 1, W - 1] gradient lengths in grey levels of uint8[H, W, 3]."""
    gray = picture.astype(np.float64).mean(axis=-1)
    return np.hypot(np.diff(gray, axis=0)[:, :-1], np.diff(gray, axis=1)[:-1])


def bin_edges() -> np.ndarray:
    """float64[17]: the histogram's bins, zero to one level and then equal in the logarithm."""
    return np.concatenate([[0.0], np.geomspace(1.0, 255.0 * np.sqrt(2.0), BINS)])


def measure(blurred: np.ndarray, sharp: np.ndarray) -> dict[str, float]:
    """The statistics of UNITS of one pair uint8[H, W, 3].

    `psnr` of the blurred twin against the sharp one, at most 60 dB; mean gradients and the
    fraction of gradients above 16 levels of both; ln(mean gradient blurred / sharp), each with
    0.01 levels added so that flat pictures have one; and by how much the blurred twin is brighter.
    """
    difference = blurred.astype(np.float64) - sharp
    error = max(float(np.mean(difference**2)), 255.0**2 / 10 ** (PSNR_MAX / 10))
    of_blurred, of_sharp = gradients(blurred), gradients(sharp)
    return {
        "psnr": float(10 * np.log10(255.0**2 / error)),
        "gradient_sharp": float(of_sharp.mean()),
        "gradient_blurred": float(of_blurred.mean()),
        "edges_sharp": float(np.mean(of_sharp > EDGE)),
        "edges_blurred": float(np.mean(of_blurred > EDGE)),
        "log_ratio": float(np.log((of_blurred.mean() + 0.01) / (of_sharp.mean() + 0.01))),
        "brightening": float(difference.mean()),
    }


def summarize(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Quantiles over a set of pairs (blurred, sharp), uint8[H, W, 3] each, of any sizes.

    Returns:
      `pairs`: their number; for every name of UNITS the five QUANTILES; `histogram_sharp` and
      `histogram_blurred`: fractions of all gradients in the 16 bins of `bin_edges`.

    Raises:
      UsageError: there are no pairs.
    """
    rows: list[dict[str, float]] = []
    counts = np.zeros((2, BINS))
    for blurred, sharp in pairs:
        rows.append(measure(blurred, sharp))
        for side, picture in enumerate((sharp, blurred)):
            counts[side] += np.histogram(gradients(picture), bins=bin_edges())[0]
    if not rows:
        raise UsageError("there are no pairs to summarize")
    summary: dict[str, Any] = {"pairs": len(rows)}
    for name in UNITS:
        values = np.quantile([row[name] for row in rows], QUANTILES)
        summary[name] = [float(value) for value in values]
    for side, name in enumerate(("sharp", "blurred")):
        share = counts[side] / counts[side].sum()
        summary[f"histogram_{name}"] = [float(value) for value in share]
    return summary


def verdicts(
    real: Mapping[str, Mapping[str, Any]], synthetic: Mapping[str, Mapping[str, Any]]
) -> list[Verdict]:
    """A verdict on each statistic; both are set name -> `summarize` of that set, none empty."""
    found = []
    for name in UNITS:
        medians = [stats[name][QUANTILES.index(0.5)] for stats in real.values()]
        low = min(stats[name][0] for stats in synthetic.values())
        high = max(stats[name][-1] for stats in synthetic.values())
        gap = max(0.0, low - min(medians), max(medians) - high)
        found.append(Verdict(name, (min(medians), max(medians)), (low, high), gap))
    return found


def compare(
    real: Mapping[str, Mapping[str, Any]], synthetic: Mapping[str, Mapping[str, Any]]
) -> str:
    """A table of all quantiles, set by set, and under each statistic its verdict."""
    if not real or not synthetic:
        raise UsageError("a comparison needs at least one real and one synthetic set")
    width = max(map(len, [*real, *synthetic])) + 11
    head = " ".join(f"{f'{q:.0%}':>8}" for q in QUANTILES)
    lines = []
    for verdict in verdicts(real, synthetic):
        name = verdict.statistic
        lines.append(f"{f'{name} ({UNITS[name]})':<{width}} {'pairs':>6} {head}")
        for kind, sets in (("real", real), ("synthetic", synthetic)):
            for label, stats in sets.items():
                values = " ".join(f"{value:8.3f}" for value in stats[name])
                lines.append(f"{f'{kind} {label}':<{width}} {stats['pairs']:6d} {values}")
        lines += [_sentence(verdict), ""]
    return "\n".join(lines[:-1])


def folder_crops(directory: str | Path, size: int = 256) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the pairs of a folder in tiles of size x size, left to right, top to bottom.

    What is left over at the right and at the bottom is not used. Raises as `find_pairs` does.
    """
    for pair in find_pairs(directory):
        blurred, sharp = read_pair(pair)
        height, width = sharp.shape[:2]
        for top in range(0, height - size + 1, size):
            for left in range(0, width - size + 1, size):
                part = np.s_[top : top + size, left : left + size]
                yield blurred[part], sharp[part]


def _sentence(verdict: Verdict) -> str:
    held = "covers" if verdict.gap == 0 else f"misses by {verdict.gap:.3f}"
    return (
        f"  synthetic 5 to 95 % ({verdict.synthetic[0]:.3f} to {verdict.synthetic[1]:.3f}) {held} "
        f"the real medians ({verdict.real[0]:.3f} to {verdict.real[1]:.3f})"
    )
