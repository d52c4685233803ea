"""Pictures of a report: sharp, blurred and restored with enlarged parts, and sliders.

Which pictures stand for a set is decided by the gain in PSNR: the best, the median, the worst. The
report can show those whose pictures the evaluation kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.report.documents import Source
from deblur_jax.report.scores import gain_of
from deblur_jax.web.elements import Compared, Gallery, Triple, change
from deblur_jax.web.page import embedded, lines

Entry = dict[str, Any]

CROP_SHARE = 6  # of a frame's width that is enlarged: about as much as one looks at at a time
SMALLEST_CROP = 48  # pixels
FRAME_WIDTH = 720  # pixels that an embedded frame of a triple has at most
MOST_SLIDERS = 8
SIDES = ("sharp", "blurred", "restored")  # from left to right, as in the report's Fig. 4


@dataclass(frozen=True)
class Example:
    """A picture of an evaluation and what it stands for: `best`, `median`, `worst` by gain."""

    rank: str
    entry: Entry


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


def kept(source: Source, entry: Entry) -> dict[str, Path]:
    """The files of a picture that an evaluation kept, by side; {} unless both sides are there."""
    files = entry.get("pictures")
    if not isinstance(files, dict):
        return {}
    folder = source.path.parent
    paths = {s: folder / files[s] for s in SIDES if isinstance(files.get(s), str)}
    there = {side: path for side, path in paths.items() if path.is_file()}
    return there if {"blurred", "restored"} <= there.keys() else {}


def triple(source: Source, example: Example) -> Triple | None:
    """Sharp, blurred and restored, and the part where blurred and sharp differ most, enlarged.

    None where the evaluation did not keep the picture. Raises UserError for an unreadable file.
    """
    files = kept(source, example.entry)
    if not files:
        return None
    frames = {side: images.read_rgb(files[side]) for side in SIDES if side in files}
    if len({frame.shape for frame in frames.values()}) > 1:
        raise UserError(f"{files['restored']}: its twins are of another size")
    height, width = frames["blurred"].shape[:2]
    top, left, rows, columns = where_blur_shows(frames["blurred"], frames.get("sharp"))
    crops = {side: f[top : top + rows, left : left + columns] for side, f in frames.items()}
    name = example.entry["name"]
    return Triple(
        title=f"{example.rank}: {name}",
        name=name,
        width=width,
        height=height,
        frames={side: embedded(frame, longest=FRAME_WIDTH) for side, frame in frames.items()},
        crops={side: embedded(crop, exact=True) for side, crop in crops.items()},
        box=(
            100 * left / width, 100 * top / height, 100 * columns / width, 100 * rows / height,
        ),
        scores=score_lines(example.entry),
    )  # fmt: skip


def where_blur_shows(blurred: np.ndarray, sharp: np.ndarray | None) -> tuple[int, int, int, int]:
    """Top, left, height and width of the window in which blurred and sharp differ most.

    Of the frame's own aspect. Without a sharp twin it is the window of most contrast.

    Args:
      blurred: uint8[H, W, 3].
      sharp: uint8[H, W, 3] or None.
    """
    height, width = blurred.shape[:2]
    columns = min(width, max(SMALLEST_CROP, width // CROP_SHARE))
    rows = min(height, max(1, round(columns * height / width)))
    values = blurred.astype(np.float32).mean(2)
    if sharp is None:
        change_ = np.abs(np.gradient(values)[0]) + np.abs(np.gradient(values)[1])
    else:
        change_ = np.abs(values - sharp.astype(np.float32).mean(2))
    sums = np.pad(change_.cumsum(0, dtype=np.float64).cumsum(1), ((1, 0), (1, 0)))
    window = (
        sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns]
        + sums[:-rows, :-columns]
    )  # fmt: skip
    top, left = np.unravel_index(np.argmax(window), window.shape)
    return int(top), int(left), rows, columns


def gallery(sources: Sequence[Source], name: str) -> Gallery | None:
    """Sliders for the pictures that all the files kept, with each model as a layer.

    Evenly over the set where there are more than `MOST_SLIDERS`. None where no picture is at hand.
    """
    entries = [{e["name"]: e for e in source.document["per_image"]} for source in sources]
    shared = [
        each
        for each in entries[0]
        if all(
            each in own and kept(source, own[each])
            for source, own in zip(sources, entries, strict=True)
        )
    ]
    if not shared:
        return None
    places = np.linspace(0, len(shared) - 1, min(len(shared), MOST_SLIDERS))
    chosen = list(dict.fromkeys(shared[round(place)] for place in places))
    return Gallery(name, [_compared(sources, entries, each) for each in chosen])


def _compared(
    sources: Sequence[Source], entries: Sequence[dict[str, Entry]], name: str
) -> Compared:
    first = kept(sources[0], entries[0][name])
    blurred = images.read_rgb(first["blurred"])
    layers, scores = {"blurred": embedded(blurred)}, []
    alone = len(sources) == 1
    for source, own in zip(sources, entries, strict=True):
        restored = images.read_rgb(kept(source, own[name])["restored"])
        if restored.shape != blurred.shape:
            raise UserError(f"{kept(source, own[name])['restored']}: its twin has another size")
        layers["restored" if alone else source.label] = embedded(restored)
        scores += score_lines(own[name], "" if alone else f"{source.label}: ")
    if "sharp" in first:
        layers["sharp"] = embedded(images.read_rgb(first["sharp"]))
    names = list(layers)
    height, width = blurred.shape[:2]
    return Compared(name, width, height, layers, left=names[0], right=names[1], scores=scores)


def score_lines(entry: Entry, prefix: str = "") -> list[str]:
    """PSNR and SSIM before and after, as lines; what a picture without a twin has, is said."""
    before, after = entry["blurred"], entry["restored"]
    if before.get("psnr") is None and before.get("ssim") is None:
        return [f"{prefix}no sharp twin, so no score"]
    return lines(
        [
            (f"{prefix}PSNR", change(before.get("psnr"), after.get("psnr"), 2, " dB")),
            (f"{prefix}SSIM", change(before.get("ssim"), after.get("ssim"), 4)),
        ]
    )


def thumbnail(path: Path, longest: int = 1600) -> str:
    """A picture's file, shrunk to `longest` pixels, as an address that holds it."""
    picture = Image.fromarray(images.read_rgb(path))
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return embedded(np.array(picture))
