"""What moved between two frames: nothing, too much for an average, or the whole scene (a cut).

Frames are uint8[H, W, 3] of one size. The thresholds were set on what the comments name: the
sharp frames of REDS (120 frames a second, of which every fifth is kept), a REDS frame shifted by
known distances under white noise, and Kodak's photographs as scenes that have nothing in common.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

TILE = 64  # pixels; tiles are judged one by one, so that a small thing that moves is seen
CELL = 4  # pixels; the means of 4x4 pixels keep a quarter of white noise's deviation

# Noise alone (white, demosaicked or smoothed by a Gaussian of 1 pixel; of 1 to 15 levels) and x264
# at CRF 23 and 30 never explain a tenth of a tile's difference by a shift, at either scale. A true
# shift explains more in 80 to 100 % of the tiles (0.5 to 4 pixels) and 60 % (16), under noise of 8
# levels, too.
SHIFT_SHARE = 0.1
SHIFT_LEAST = 0.25  # pixels over a window, less than which no blur can be seen
# Where things moved further, the means of cells keep more than the rest: over 1.5 times its
# deviation in half of all tiles at 16 pixels. White noise keeps 0.25, demosaicked noise up to
# 0.53, smoothed noise 0.91.
UNLIKE_RATIO = 1.0
# Grey levels in the means of cells: x264 leaves up to 0.85 between the frames of a tripod shot.
UNLIKE_LEVELS = 1.5
# Three tiles of the 220 at 1280x720 make a moving picture; MPEG-4 at low rates can disturb two
# of a tripod shot (and more next to a key frame, which is then taken for motion).
MOVED_TILES = 0.01

THUMB = 32  # pixels to one of a thumbnail, of which every 4th is taken: 2 ms at 1280x720
_STRIDE = 4
# Grey levels between neighbouring frames' thumbnails. Unrelated photographs: 27.9 and more (276
# pairs). REDS at 24 frames a second: up to 21.5, so that at 60 and above motion stays below this.
CUT_LEVELS = 12.0
# And how far a cut stands above its neighbours' median; in REDS at 24 frames a second, motion
# alone reaches 2.44.
CUT_RATIO = 2.5

# Pixels between neighbouring frames. An edge blurred by a Gaussian of deviation s, averaged over
# copies a step d apart, is a ramp whose slope ripples by 2 exp(-2 (pi s / d)^2) of its mean. For a
# crisp frame (s = 0.8) that is 9 % at 2 pixels, 49 % at 3 and 91 % at 4: separate copies.
GHOST_STEP = 4.0
BLOCK = 128  # pixels; steps of up to half of it can be measured
_FLAT = 2.0  # grey levels of deviation, below which a block has nothing to follow


def nothing_moved(first: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two frames differ by no more than noise and compression.

    A tile has moved when a shift explains part of the frames' difference, in pixels or in cells,
    or when most of the difference survives in the means of cells: noise is uncorrelated from pixel
    to pixel, what has moved far is not. The noise's own level cancels in both, and so does a
    change of brightness common to a tile. A picture smaller than a tile is one tile.
    """
    height, width = (side // CELL * CELL for side in first.shape[:2])
    if not height or not width:
        return bool((first == other).all())
    one, two = _grey(first)[:height, :width], _grey(other)[:height, :width]
    moved = _shifted(one, two, 1) | _shifted(_cells(one), _cells(two), CELL) | _unlike(two - one)
    return bool(moved.mean() < MOVED_TILES)


def _shifted(one: Array, two: Array, scale: int) -> NDArray[np.bool_]:
    """Tiles whose difference is -(shift . gradient), by least squares (Lucas and Kanade, 1981).

    scale: of the pictures' pixels, in the frame's.
    """
    difference = two - one
    if min(difference.shape) < 2:
        return np.zeros(1, bool)
    # Of both: their noise is then as likely to agree with the difference as not.
    down, across = (np.asarray(gradient) for gradient in np.gradient((one + two) / 2))
    yy, xx, xy, yd, xd, dd = (
        _tile_mean(product, TILE // scale)
        for product in (
            down * down,
            across * across,
            down * across,
            down * difference,
            across * difference,
            difference * difference,
        )
    )
    yy, xx = yy + 1e-3, xx + 1e-3  # tiles with one direction or none have no unique shift
    determinant = yy * xx - xy * xy
    y, x = (xx * yd - xy * xd) / determinant, (yy * xd - xy * yd) / determinant
    explained = y * yd + x * xd
    return (scale * np.hypot(y, x) > SHIFT_LEAST) & (explained > SHIFT_SHARE * np.maximum(dd, 1e-6))


def _unlike(difference: Array) -> NDArray[np.bool_]:
    """Tiles of whose difference the means of cells keep more than noise does."""
    cells = _cells(difference)
    whole = _tile_mean(difference**2, TILE) - _tile_mean(difference, TILE) ** 2
    coarse = _tile_mean(cells**2, TILE // CELL) - _tile_mean(cells, TILE // CELL) ** 2
    # What the means have lost, as the deviation that the difference had were it white noise.
    fine = np.sqrt(np.maximum(whole - coarse, 0) * CELL**2 / (CELL**2 - 1))
    coarse = np.sqrt(np.maximum(coarse, 0))
    return (coarse > UNLIKE_RATIO * fine) & (coarse > UNLIKE_LEVELS)


def thumbnail(frame: NDArray[np.uint8]) -> Array:
    """float32[h, w, 3] in grey levels, a 32nd of each side but one pixel at least."""
    return _tile_mean(frame[::_STRIDE, ::_STRIDE], THUMB // _STRIDE)


def cuts(differences: Sequence[float], before: Sequence[float] = ()) -> bool:
    """Whether a cut lies among neighbouring frames.

    Args:
      differences: mean absolute differences of the thumbnails of neighbours, in grey levels.
      before: those that came before them, which count as neighbours but are not judged.
    """
    for index, value in enumerate(differences):
        others = [*before, *differences[:index], *differences[index + 1 :]]
        usual = float(np.median(others)) if others else 0.0
        if value > CUT_LEVELS and value > CUT_RATIO * usual:
            return True
    return False


def step(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """How far the picture moved between two frames, in pixels: the median over its blocks.

    Each block's shift is the peak of its phase correlation (Kuglin and Hines, 1975), to a whole
    pixel. 0.0 where there is nothing to follow.
    """
    height, width = first.shape[:2]
    side = min(BLOCK, height, width)
    rows, columns = range(0, height - side + 1, side), range(0, width - side + 1, side)

    def blocks(frame: NDArray[np.uint8]) -> Array:
        green = [frame[y : y + side, x : x + side, 1] for y in rows for x in columns]
        return np.stack(green).astype(np.float32)

    one, two = blocks(first), blocks(second)
    textured = one.std((1, 2)) > _FLAT
    if not textured.any():
        return 0.0
    hann = np.hanning(side + 2)[1:-1].astype(np.float32)
    window = hann[:, None] * hann
    spectra = [
        np.fft.rfft2((b - b.mean((1, 2), keepdims=True)) * window)
        for b in (one[textured], two[textured])
    ]
    cross = spectra[1] * np.conj(spectra[0])
    surface = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-6), s=(side, side))
    peaks = surface.reshape(len(surface), -1).argmax(1)
    shifts = np.stack(np.unravel_index(peaks, (side, side)), axis=1)
    shifts = np.where(shifts > side // 2, shifts - side, shifts)
    return float(np.median(np.hypot(shifts[:, 0], shifts[:, 1])))


def _cells(picture: Array) -> Array:
    return _tile_mean(picture, CELL)


def _grey(frame: NDArray[np.uint8]) -> Array:
    red, green, blue = (frame[..., channel].astype(np.float32) for channel in range(3))
    return (red + 2 * green + blue) / 4


def _tile_mean(values: NDArray[Any], tile: int) -> Array:
    """Means of the whole tiles of array[H, W, ...]; a side without a whole one is one tile."""
    height, width, *rest = values.shape
    tall, wide = min(tile, height), min(tile, width)
    down, across = height // tall, width // wide
    part = values[: down * tall, : across * wide].reshape(down, tall, across, wide, *rest)
    means: Array = part.mean((1, 3), dtype=np.float32)
    return means
