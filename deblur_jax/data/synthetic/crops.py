"""Choosing crops of photographs that are worth learning from: sharp and not flat."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from deblur_jax.errors import UserError

# Photographs are shrunk by 1 to this before cropping: many are soft at their native size.
SHRINK_MAX = 1.5
# Longer sides are reduced to this first (a 24-megapixel photograph shows little per 256 pixels).
LONG_SIDE_MAX = 2048
_CANDIDATES = 12
# Mean gradients in grey levels, as `_gradient` takes them: above the first, a crop is no more
# interesting than others; above the second, it has more fine texture than frames of GoPro and REDS.
_GRADIENT_ENOUGH = 10.0
_GRADIENT_MUCH = 18.0


def usable(photographs: Sequence[Path], size: int) -> list[Path]:
    """The photographs whose shorter side is at least `size`, in an order of their names."""
    ordered = sorted(set(photographs), key=lambda path: (path.name, str(path)))
    large = [path for path in ordered if shorter_side(path) >= size]
    if not large:
        raise UserError(
            f"none of {len(photographs)} photographs has {size} pixels on its shorter side"
        )
    return large


def shorter_side(path: Path) -> int:
    """Pixels, from a photograph's header. UserError where that cannot be read."""
    try:
        with Image.open(path) as picture:
            return min(picture.size)
    except Exception as error:  # a broken header can make a decoder fail in any way
        raise UserError(f"{path} cannot be read as a picture") from error


def fit(photograph: np.ndarray, side: int) -> np.ndarray:
    """Shrinks a huge photograph, mirrors the borders of one smaller than `side`."""
    height, width = photograph.shape[:2]
    factor = max(height, width) / LONG_SIDE_MAX
    if factor > 1 and min(height, width) / factor >= side:
        smaller = (round(width / factor), round(height / factor))
        picture = Image.fromarray(photograph).resize(smaller, Image.Resampling.LANCZOS)
        return np.asarray(picture)
    down, right = max(side - height, 0), max(side - width, 0)
    pads = [(down // 2, down - down // 2), (right // 2, right - right // 2), (0, 0)]
    return np.pad(photograph, pads, mode="reflect") if down or right else photograph


def draw_crop(
    rng: np.random.Generator,
    photograph: np.ndarray,
    side: int,
    margin: int,
    *,
    picture: Image.Image | None = None,
) -> np.ndarray:
    """A crop uint8[side, side, 3], shrunk by 1 to 1.5, mirrored half of the time.

    Of several random places one is drawn with a probability that grows with the square of the
    mean gradient of what will be the pair (not of the margin), so flat places are rare, and falls
    again where there is more texture than in frames of a camera that moves. `picture` is the
    photograph as Pillow has it, for those who draw often of one: it is a copy otherwise.
    """
    height, width = photograph.shape[:2]
    factor = rng.uniform(1.0, max(1.0, min(SHRINK_MAX, min(height, width) / side)))
    region = min(side * factor, height, width)
    lefts = rng.uniform(0, width - region, _CANDIDATES)
    tops = rng.uniform(0, height - region, _CANDIDATES)
    scores = _gradients(photograph[..., 1], lefts, tops, region, margin / side)
    weights = np.minimum(scores, _GRADIENT_ENOUGH) ** 2 / (1 + (scores / _GRADIENT_MUCH) ** 3)
    weights = weights + 1e-3
    pick = rng.choice(_CANDIDATES, p=weights / weights.sum())
    left, top = float(lefts[pick]), float(tops[pick])
    whole = Image.fromarray(photograph) if picture is None else picture
    crop = np.asarray(
        whole.resize(
            (side, side), Image.Resampling.LANCZOS, box=(left, top, left + region, top + region)
        )
    )
    return np.ascontiguousarray(crop[:, ::-1]) if rng.uniform() < 0.5 else crop


def _gradients(
    green: np.ndarray, lefts: np.ndarray, tops: np.ndarray, region: float, margin: float
) -> np.ndarray:
    """float64[N] mean absolute gradients, in grey levels, of N square regions of a channel.

    Their margin, a fraction of them, does not count. All at once: threads take turns at Python.
    """
    border = int(region * margin)
    last = int(region) - border
    corners = [(int(x), int(y)) for x, y in zip(lefts, tops, strict=True)]
    views = [green[y + border : y + last : 2, x + border : x + last : 2] for x, y in corners]
    parts = np.stack(views).astype(np.int16)
    down, right = parts[:, 1:] - parts[:, :-1], parts[:, :, 1:] - parts[:, :, :-1]
    found: np.ndarray = sum(np.abs(step).mean(axis=(1, 2)) for step in (down, right))
    return found
