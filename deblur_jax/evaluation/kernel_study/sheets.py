"""Picture sheets of the kernel study: sharp | blurred | restored, a row for each size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from deblur_jax.images.side_by_side import GAP, side_by_side

SIDE = 288  # pixels; a detail at its own size, as shrinking would hide a blur of five pixels


@dataclass(frozen=True)
class Restoration:
    """A blurred picture and what became of it: uint8[H, W, 3] each, and its row of measures."""

    blurred: np.ndarray
    restored: np.ndarray
    row: dict[str, Any]


def sheet(sharp: np.ndarray, restorations: Sequence[Restoration]) -> np.ndarray:
    """The most detailed part of a picture under one kernel; the decibels are the whole picture's.

    Args:
      sharp: uint8[H, W, 3].
      restorations: at least one, of the same picture, a row of the sheet each.

    Returns:
      uint8 picture: panels of at most 288 x 288 pixels, unscaled, with captions above them.
    """
    part = detail(sharp)
    strips = []
    for one in restorations:
        row = one.row
        kind = f"{row['kernel']} {row['size']}"
        gain = "" if row["gain_psnr"] is None else f" ({row['gain_psnr']:+.2f})"
        panels = {
            "sharp (a detail; dB of the whole)": sharp[part],
            f"blurred, {kind}: {_decibels(row['blurred_psnr'])}": one.blurred[part],
            f"restored: {_decibels(row['restored_psnr'])}{gain}": one.restored[part],
        }
        strips.append(side_by_side(panels))
        strips.append(np.full((GAP, strips[0].shape[1], 3), 255, np.uint8))
    return np.concatenate(strips[:-1])


def detail(sharp: np.ndarray, side: int = SIDE) -> tuple[slice, slice]:
    """Where the square of `side` pixels with the steepest sum of gradients lies.

    Args:
      sharp: uint8[H, W, 3]; where it is narrower than `side`, all of it counts.
    """
    height, width = (min(length, side) for length in sharp.shape[:2])
    gray = sharp.mean(axis=2, dtype=np.float32)
    down, across = (np.abs(np.diff(gray, axis=axis)) for axis in (0, 1))
    inside = _window_sums(down, height - 1, width) + _window_sums(across, height, width - 1)
    top, left = (int(i) for i in np.unravel_index(inside.argmax(), inside.shape))
    return slice(top, top + height), slice(left, left + width)


def sheet_names(pictures: Sequence[str]) -> dict[str, str]:
    """Each picture's place below `sheets/`: its name without extension, where that is unique."""
    short = {name: str(PurePosixPath(name).with_suffix("")) for name in pictures}
    used = list(short.values())
    return {name: stem if used.count(stem) == 1 else name for name, stem in short.items()}


def _decibels(value: float | None) -> str:
    # The font of Pillow has neither a minus sign nor one for infinity.
    return "no error" if value is None else f"{value:.2f} dB"


def _window_sums(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """float64[H - height + 1, W - width + 1]: the sum of each window of float[H, W]."""
    total = np.pad(values.cumsum(0, np.float64).cumsum(1), ((1, 0), (1, 0)))
    rows = total[height:] - total[: total.shape[0] - height]
    return rows[:, width:] - rows[:, : rows.shape[1] - width]
