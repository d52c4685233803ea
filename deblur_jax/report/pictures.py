"""Pictures of a report: under sliders, and beside each other with enlarged parts.

Which pictures stand for a set is decided by the gain in PSNR: the best, the median, the worst. The
report can show those whose pictures the evaluation kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.evaluation.examples import Example, chosen
from deblur_jax.report.documents import Source
from deblur_jax.report.scores import psnr_of
from deblur_jax.web.elements import Closeup, Compared, Gallery, Strip, change
from deblur_jax.web.page import embedded, in_one_line, lines

Entry = dict[str, Any]

CROP_SHARE = 6  # of a frame's width that is enlarged: about as much as one looks at at a time
SMALLEST_CROP = 48  # pixels
FRAME_WIDTH = 640  # pixels that an embedded frame of a close-up has at most
MOST_SLIDERS = 12
MOST_EMBEDDED = 40  # pictures of one gallery, all layers counted; one of GoPro takes 160 KB
FEW = 3  # pictures that all models kept, below which those that one kept are shown too
SIDES = ("blurred", "restored", "sharp")


def kept(source: Source, entry: Entry) -> dict[str, Path]:
    """The files of a picture that an evaluation kept, by side; {} unless both sides are there."""
    files = entry.get("pictures")
    if not isinstance(files, dict):
        return {}
    folder = source.path.parent
    paths = {s: folder / files[s] for s in SIDES if isinstance(files.get(s), str)}
    there = {side: path for side, path in paths.items() if path.is_file()}
    return there if {"blurred", "restored"} <= there.keys() else {}


def layers(sources: Sequence[Source], name: str) -> dict[str, np.ndarray]:
    """A picture in all its versions: blurred, each model's (or `restored`), sharp.

    Args:
      sources: evaluations of the same pictures.
      name: of the picture.

    Returns:
      uint8[H, W, 3] by name of the version; {} where no file kept the picture. A model whose
      evaluation did not keep it is left out.

    Raises:
      UserError: a file that cannot be read, or twins of different size.
    """
    files: dict[str, Path] = {}
    for source in sources:
        entry = next((e for e in source.document["per_image"] if e["name"] == name), None)
        for side, path in kept(source, entry or {}).items():
            model = "restored" if len(sources) == 1 else source.label
            files.setdefault(model if side == "restored" else side, path)
    if "sharp" in files:
        files["sharp"] = files.pop("sharp")  # to the end
    frames = {layer: images.read_rgb(path) for layer, path in files.items()}
    for layer, frame in frames.items():
        if frame.shape != frames["blurred"].shape:
            raise UserError(f"{files[layer]}: its twin {files['blurred']} has another size")
    return frames


def closeup(sources: Sequence[Source], example: Example) -> Closeup | None:
    """All versions of a picture, and the part where blurred and sharp differ most, enlarged.

    None where no evaluation kept the picture; raises as `layers`.
    """
    name = example.entry["name"]
    frames = layers(sources, name)
    if not frames:
        return None
    if "sharp" in frames:
        frames = {"sharp": frames.pop("sharp")} | frames  # as in the report's Fig. 4
    height, width = frames["blurred"].shape[:2]
    top, left, rows, columns = where_blur_shows(frames["blurred"], frames.get("sharp"))
    crops = {side: f[top : top + rows, left : left + columns] for side, f in frames.items()}
    return Closeup(
        title=f"{example.rank}: {name}",
        name=name,
        width=width,
        height=height,
        frames={side: embedded(frame, longest=FRAME_WIDTH) for side, frame in frames.items()},
        crops={side: embedded(crop, exact=True) for side, crop in crops.items()},
        box=(
            100 * left / width, 100 * top / height, 100 * columns / width, 100 * rows / height,
        ),
        scores=score_lines(sources, name),
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
        # Not `np.gradient`, which a picture of one row or column does not have.
        down = np.abs(np.diff(values, axis=0, prepend=values[:1]))
        change_ = down + np.abs(np.diff(values, axis=1, prepend=values[:, :1]))
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
    """Sliders with each model as a layer, for the pictures that all the files kept.

    Where these are fewer than `FEW`, for those that any of them kept. Of more than a page should
    hold, the best, the median and the worst, and others evenly over the set. None where no picture
    is at hand.
    """
    by_name = [{e["name"]: e for e in source.document["per_image"]} for source in sources]

    def counted(entry: Entry) -> int:
        own = zip(sources, by_name, strict=True)
        return sum(entry["name"] in es and bool(kept(s, es[entry["name"]])) for s, es in own)

    counts = [(entry, counted(entry)) for entry in sources[0].document["per_image"]]
    by_all = [entry for entry, count in counts if count == len(sources)]
    at_hand = by_all if len(by_all) >= FEW else [entry for entry, count in counts if count]
    most = min(MOST_SLIDERS, max(1, MOST_EMBEDDED // (len(sources) + 2)))
    shown = [_compared(sources, entry) for entry in chosen(at_hand, most)]
    return Gallery(name, shown) if shown else None


def _compared(sources: Sequence[Source], entry: Entry) -> Compared:
    name, scene = entry["name"], entry.get("scene") or ""
    frames = layers(sources, name)
    height, width = frames["blurred"].shape[:2]
    left, right = list(frames)[:2]
    kind = [scene] if scene and not name.startswith(scene) else []
    return Compared(
        name,
        width,
        height,
        {layer: embedded(frame) for layer, frame in frames.items()},
        left=left,
        right=right,
        scores=[*kind, *score_lines(sources, name)],
    )


def score_lines(sources: Sequence[Source], name: str) -> list[str]:
    """A picture's PSNR and SSIM before and after, a line for each model where there are several."""
    found: list[str] = []
    for source in sources:
        entry = next((e for e in source.document["per_image"] if e["name"] == name), None)
        if entry is not None:
            own = _own_lines(entry)
            found += own if len(sources) == 1 else [in_one_line(source.label, own)]
    return found


def _own_lines(entry: Entry) -> list[str]:
    before, after = entry["blurred"], entry["restored"]
    if all(value is None for value in (*before.values(), *after.values())):
        return ["no sharp twin, so no score"]
    return lines(
        [
            ("PSNR", change(psnr_of(before), psnr_of(after), 2, " dB")),
            ("SSIM", change(before.get("ssim"), after.get("ssim"), 4)),
        ]
    )


def thumbnail(path: Path, caption: str, longest: int = 1280) -> Strip:
    """A picture's file, shrunk to `longest` pixels, as a strip of its own."""
    picture = images.read_rgb(path)
    height, width = picture.shape[:2]
    return Strip(embedded(picture, longest=longest), caption, width, height)
