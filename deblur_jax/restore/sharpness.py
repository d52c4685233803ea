"""How sharp a picture is, told from itself alone, and whether it needs no restoring.

The blur effect of Crété, Dolmiere, Ladret and Nicolas (Proc. SPIE 6492, 2007): a picture is
blurred once more along an axis. Edges that were sharp lose most of their steepness, blurred ones
had little to lose. The share that is lost, 0 to 1, is the sharpness along that axis, and of a
picture it is that of the worse axis: motion blurs one and may leave the other as it was.

Three things are added so that grain does not pass for sharpness: the picture is smoothed a little
first, edges count by how far they stand out of the noise, and where few do, in a sky or a night
full of grain, sharpness is taken down, for such a picture says nothing.

Of 196 blurred pictures of real pairs (GoPro, REDS, street scenes) none is called sharp; the highest
has 0.45. JPEG at quality 50 and noise of 6 grey levels change nothing about that, with 12 it is one
of them. Of Kodak's 24 photographs 17 are called sharp, of 215 others 61 %. Frames of videos seldom
are, however sharp: 12 % of the 196 twins. (`pytest tests/restore/test_sharpness.py -s` with the
development data, 2026-11-27.)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deblur_jax.images.picture import LUMA, PEAKS

Array = NDArray[Any]

SHARP = 0.46  # from here on a picture seems sharp: just above the sharpest blurred one
LENGTH = 5  # pixels that it is blurred along; the authors' 9 tells soft from sharp less well
# Edges: a gradient, in full scale a pixel, above this, which JPEG may make of a grainy sky, ...
LEAST_EDGE = 6 / 255
GRAIN = 5  # ... and this many standard deviations of noise's own gradients
SMOOTHED = np.sqrt(10 * 6) / 32  # of noise's deviation, 1, in a gradient of the smoothed picture
FEWEST_EDGES = 0.005  # share of the pixels
LARGEST = 2**20  # pixels of a picture that is looked at as a whole
CROPS, SIDE = 4, 256  # pixels; of a larger one so many crops along each axis
SMALLEST = 16  # pixels; with a shorter side a picture says nothing
MAD = 0.6745  # median of |x| for a normal x of deviation 1


def measure(rgb: Array) -> float:
    """How sharp a picture is; takes some 20 to 50 ms, whatever its size.

    Args:
      rgb: uint8, uint16 or float32 (nominally 0 to 1) [H, W, 3]; of more than a megapixel 16 crops,
        evenly spread, are looked at.

    Returns:
      From 0, no edges or soft ones only, towards 1; photographs have 0.3 to 0.6, blurred ones
      less. It compares pictures of one scene; from one scene to another it is a rough measure.
    """
    if min(rgb.shape[:2]) < SMALLEST:
        return 0.0
    weights = np.array(LUMA, np.float32) / np.float32(PEAKS[rgb.dtype.name])
    gray = np.stack([crop.astype(np.float32) @ weights for crop in _crops(rgb)])
    edge = LEAST_EDGE + GRAIN * SMOOTHED * _noise(gray)
    smooth = _smooth(_smooth(gray, 1), 2)
    return min(_share_lost(smooth, axis, edge) for axis in (1, 2))


def seems_sharp(sharpness: float) -> bool:
    """Whether a picture of such a `measure` needs no restoring; in doubt it does."""
    return sharpness >= SHARP


def compare(before: Array, after: Array) -> str:
    """What `describe` says of two pictures, each as `measure` takes it."""
    return describe(measure(before), measure(after))


def describe(before: float, after: float) -> str:
    """What two measures say, for a user: 'sharpness 0.15 -> 0.20', higher being sharper."""
    change = f"sharpness {before:.2f} -> {after:.2f}"
    return f"{change} (it seems sharp already)" if seems_sharp(before) else change


def _crops(rgb: Array) -> list[Array]:
    """The picture, or pieces of one size, evenly spread over a large one."""
    if rgb.shape[0] * rgb.shape[1] <= LARGEST:
        return [rgb]
    rows, columns = (
        sorted({round(i * max(n - SIDE, 0) / (CROPS - 1)) for i in range(CROPS)})
        for n in rgb.shape[:2]
    )
    return [rgb[i : i + SIDE, j : j + SIDE] for i in rows for j in columns]


def _noise(gray: Array) -> float:
    """Standard deviation of the noise in [N, H, W], from differences of diagonal differences.

    Straight edges along an axis vanish in them, and half of the pixels may be texture.
    """
    rows = gray[:, 1:] - gray[:, :-1]
    return float(np.median(np.abs(rows[..., 1:] - rows[..., :-1]))) / (2 * MAD)


def _share_lost(smooth: Array, axis: int, edge: float) -> float:
    """The share of its steepness along `axis` that the picture loses by one more blur."""
    blurred = np.mean([_window(smooth, i, LENGTH, axis) for i in range(LENGTH)], axis=0)
    before = _gradient(_window(smooth, LENGTH // 2, LENGTH, axis), axis)
    lost = np.maximum(before - _gradient(blurred, axis), 0)
    weights = np.maximum(before - edge, 0)
    # As much as so few edges would have, twice as steep as they need to be.
    least = FEWEST_EDGES * before.size * 2 * edge**2
    total = max(float((weights * before).sum()), least)
    return float((weights * lost).sum()) / total


def _gradient(x: Array, axis: int) -> Array:
    """Steepness along an axis, full scale a pixel; two pixels shorter there."""
    return np.abs(_window(x, 2, 3, axis) - _window(x, 0, 3, axis)) / 2


def _smooth(x: Array, axis: int) -> Array:
    """Weights of 1/4, 1/2, 1/4 along an axis; two pixels shorter there."""
    outer = _window(x, 0, 3, axis) + _window(x, 2, 3, axis)
    return outer / 4 + _window(x, 1, 3, axis) / 2


def _window(x: Array, start: int, length: int, axis: int) -> Array:
    """What the place `start` of a window of `length` sees while it slides along an axis."""
    stop = x.shape[axis] - length + 1 + start
    return x[(slice(None),) * axis + (slice(start, stop),)]
