"""Pairs of pictures, uint8[H, W, 3], on which every metric is held against its oracle."""

from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage import data

from deblur_jax.data.pairs import find_pairs, read_pair

Twins = tuple[np.ndarray, np.ndarray]

MADE = ("noise", "flat", "step", "black and white", "white and black")
REAL = ("astronaut", "coffee", "chelsea", "rocket")
KINDS = (*MADE, *REAL)
# Kinds and sizes, 11 being the window's. A signal of 5x7 is shorter than most wavelets.
CASES = [
    *((kind, (48, 64)) for kind in MADE),
    *((kind, (96, 131)) for kind in REAL),
    *((kind, (11, 11)) for kind in KINDS),
    *((kind, (5, 7)) for kind in ("noise", "flat", "astronaut")),
    ("noise", (1, 1)),
]
LARGE = (176, 181)  # enough for five scales; 181, 91 and 23 are odd


def twins(kind: str, size: tuple[int, int]) -> Twins:
    """A picture and its reference, the same ones in every call."""
    shape = (*size, 3)
    if kind == "noise":
        first, second = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
        return first, second
    if kind == "flat":
        return np.full(shape, (250, 3, 128), np.uint8), np.full(shape, (253, 1, 128), np.uint8)
    if kind == "step":
        reference = np.full(shape, 60, np.uint8)
        picture = reference.copy()
        picture[:, size[1] // 2 :] = 63
        picture[size[0] // 3, size[1] // 4] = 255
        return picture, reference
    if kind in ("black and white", "white and black"):
        black, white = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
        return (black, white) if kind == "black and white" else (white, black)
    photograph = getattr(data, kind)()[..., :3]
    top, left = ((side - part) // 2 for side, part in zip(photograph.shape, size, strict=False))
    sharp = photograph[top : top + size[0], left : left + size[1]]
    return moved(sharp), sharp


def moved(sharp: np.ndarray) -> np.ndarray:
    """As a camera blurs it that moves 9 pixels to the right and 3 down."""
    path = np.linspace(-0.5, 0.5, 25)[:, None] * (3, 9)
    floats = sharp.astype(np.float64)
    shots = [ndimage.shift(floats, (y, x, 0), order=1, mode="nearest") for y, x in path]
    return np.rint(np.mean(shots, axis=0)).astype(np.uint8)


def gopro(shared_data: Path) -> Twins:
    """The middle quarter, 360x640, of a real GoPro pair."""
    pair = find_pairs(shared_data / "gopro_dev" / "test")[0]
    blurred, sharp = (picture[180:540, 320:960] for picture in read_pair(pair))
    return blurred, sharp
