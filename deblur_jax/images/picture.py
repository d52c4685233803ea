"""A picture in memory, with what travels beside its colours."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deblur_jax.images.stored import Stored

Array = NDArray[Any]
PEAKS = {"uint8": 255, "uint16": 65535, "float32": 1}
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's convert("L")
BLOCK = 64  # rows that are worked on at once where whole pictures would take much memory


@dataclass(frozen=True)
class Picture:
    """A picture and what travels with it.

    rgb: uint8, uint16 (0..peak) or float32 (nominally 0..1) [H, W, 3].
    alpha: the same type [H, W], or None. gray: whether it is written as gray.
    icc, exif: the profile and the EXIF block as bytes, or None.
    stored: how the file kept it that it was read from, or None.
    """

    rgb: Array
    alpha: Array | None = None
    gray: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    stored: Stored | None = None

    def with_rgb(self, rgb: Array) -> "Picture":
        """The same picture with other colours of the same size and type; ValueError otherwise."""
        if rgb.shape != self.rgb.shape or rgb.dtype != self.rgb.dtype:
            raise ValueError(
                f"expected {self.rgb.dtype}{list(self.rgb.shape)}, got {rgb.dtype}{list(rgb.shape)}"
            )
        return replace(self, rgb=rgb)

    def at_depth(self, dtype: str) -> "Picture":
        """The same picture as 'uint8', 'uint16' or 'float32'."""
        alpha = None if self.alpha is None else convert_depth(self.alpha, dtype)
        return replace(self, rgb=convert_depth(self.rgb, dtype), alpha=alpha)


def convert_depth(array: Array, dtype: str) -> Array:
    """Values of one type (uint8, uint16, float32 in 0..1) as another: scaled, rounded, clipped."""
    if array.dtype == dtype:
        return array
    if array.dtype == np.uint8 and dtype == "uint16":
        return array.astype(np.uint16) * np.uint16(257)
    unit = array.astype(np.float32) / np.float32(PEAKS[array.dtype.name])
    if dtype == "float32":
        return unit
    return np.rint(unit.clip(0, 1) * np.float32(PEAKS[dtype])).astype(dtype)


def luma(rgb: Array) -> Array:
    """The gray [H, W] of an RGB picture [H, W, 3], of the same type."""
    gray = np.empty(rgb.shape[:2], rgb.dtype)
    for start in range(0, len(rgb), BLOCK):  # in double precision, but not of all at once
        block = rgb[start : start + BLOCK].astype(np.float64) @ np.array(LUMA)
        gray[start : start + BLOCK] = np.rint(block) if rgb.dtype.kind == "u" else block
    return gray
