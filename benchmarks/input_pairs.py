"""The pairs that the paths of the input are timed with: some of a folder's, or made ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deblur_jax import images
from deblur_jax.data import sources
from deblur_jax.data.sources import Source
from deblur_jax.data.training_set import photograph_paths
from deblur_jax.errors import UserError

MOST = 64  # of a folder's pairs: 0.35 GB of GoPro's frames, once decoded
MADE = 8
MADE_SIZE = (720, 1280)  # height and width in pixels, GoPro's
_STREAK = 7  # pixels, of the made pairs' blur


def find(folder: Path, least: int) -> tuple[list[Source], int]:
    """At most MOST pairs of a folder, evenly spread over all, and how many there are in all.

    Raises:
      UsageError: there are no pairs.
      UserError: one cannot be read, or its height or width is below `least` pixels.
    """
    found = sources.find(folder)
    kept = min(len(found), MOST)
    taken = [found[number * len(found) // kept] for number in range(kept)]
    _check_sizes(taken, least)
    return taken, len(found)


def _check_sizes(taken: Sequence[Source], least: int) -> None:
    for source in taken:
        height, width = source.size()
        if min(height, width) < least:
            raise UserError(
                f"{source.name} is {width}x{height} pixels, "
                f"smaller than the crop of {least}x{least}"
            )


def make(folder: Path) -> Path:
    """Writes MADE pairs of PNG files to `blur/` and `sharp/` in a new folder, and returns it.

    They are photographs in scikit-image's wheel, blurred sideways. Those are smaller than GoPro's
    frames and are continued by mirroring: enlarged, they would be smoother than frames are, and be
    decoded faster.
    """
    for name in ("blur", "sharp"):
        (folder / name).mkdir(parents=True)
    paths = photograph_paths("scikit-image")
    for number in range(MADE):
        turn, which = divmod(number, len(paths))
        photograph = images.read_rgb(paths[which])[:: -1 if turn % 2 else 1]
        sharp = _frame(photograph)
        images.write(folder / "sharp" / f"{number:06d}.png", sharp)
        images.write(folder / "blur" / f"{number:06d}.png", _streaked(sharp))
    return folder


def _frame(photograph: np.ndarray) -> np.ndarray:
    """The middle of a photograph, or all of it in the middle, uint8[*MADE_SIZE, 3]."""
    missing = [max(0, w - got) for w, got in zip(MADE_SIZE, photograph.shape, strict=False)]
    sides = [(n // 2, n - n // 2) for n in missing]
    wide = np.pad(photograph, [*sides, (0, 0)], mode="reflect")
    top, left = ((got - w) // 2 for w, got in zip(MADE_SIZE, wide.shape, strict=False))
    return wide[top : top + MADE_SIZE[0], left : left + MADE_SIZE[1]]


def _streaked(sharp: np.ndarray) -> np.ndarray:
    total = np.zeros(sharp.shape, np.uint16)
    for shift in range(_STREAK):
        total += np.roll(sharp, shift, axis=1)
    return (total // _STREAK).astype(np.uint8)
