"""Optional changes of a crop inside the jitted step: turning, zooming, colours.

They run on the accelerator after either placement has cut the same 8-bit windows, and what they
draw depends on the seed and the sample's global number alone, so both placements see the same.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deblur_jax.data import sampling
from deblur_jax.errors import UsageError
from deblur_jax.images.picture import LUMA

Array = jax.Array

# Streams of a sample's draws; `sampling` has those below 16.
_ANGLE, _ZOOM, _BRIGHTNESS, _CONTRAST, _SATURATION = range(16, 21)
_TAPS = range(-1, 3)  # of a cubic interpolation, relative to the pixel at or before the place


class Augmentation(NamedTuple):
    """How far a crop may be changed; the default changes nothing.

    Attributes:
      rotation: degrees; angles are uniform in [-rotation, rotation]. 0 to 45.
      scale: at least 1; zooms are log-uniform in [1 / scale, scale]. Up to 4.
      colour: strength of brightness, contrast and saturation, whose factors are uniform in
        [1 - colour, 1 + colour]. 0 to below 1.
    """

    rotation: float = 0.0
    scale: float = 1.0
    colour: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether pixels change their places."""
        return bool(self.rotation) or self.scale != 1

    def window(self, crop: int) -> int:
        """Side in pixels of the square that a crop of `crop` pixels is made from."""
        if not self.moves:
            return crop
        angle = math.radians(self.rotation)
        reach = self.scale * (math.cos(angle) + math.sin(angle)) * (crop - 1) / 2 + 2
        # As even or odd as the crop, so that both have their middle at the same place of a pixel.
        return crop + 2 * math.ceil(reach - (crop - 1) / 2)


def check(augmentation: Augmentation) -> None:
    """Raises UsageError where a strength is out of its range."""
    for field, value, low, high in (
        ("rotation", augmentation.rotation, 0, 45),
        ("scale", augmentation.scale, 1, 4),
        ("colour_jitter", augmentation.colour, 0, 0.99),
    ):
        if not low <= value <= high:
            raise UsageError(f"data.{field} is {value}; it can be {low} to {high}")


def apply(
    pixels: dict[str, Array], index: Array, *, crop: int, seed: int, augmentation: Augmentation
) -> dict[str, Array]:
    """Makes crops of windows.

    Args:
      pixels: any number of uint8[..., W, W, 3] with W = augmentation.window(crop); all are changed
        alike, sample by sample.
      index: uint32[...], global sample numbers.
      crop: side of the crops in pixels.
      seed: of the run.
      augmentation: what may happen.

    Returns:
      float32[..., crop, crop, 3] in [-1, 1] under the same names.
    """
    crops = jax.tree.map(lambda x: x.astype(jnp.float32), pixels)
    if augmentation.moves:
        angle = math.radians(augmentation.rotation) * _even(seed, _ANGLE, index)
        zoom = jnp.exp(math.log(augmentation.scale) * _even(seed, _ZOOM, index))
        crops = jax.tree.map(lambda x: _each(_turn, crop)(x, angle, zoom), crops)
    if augmentation.colour:
        factors = [
            1 + augmentation.colour * _even(seed, stream, index)
            for stream in (_BRIGHTNESS, _CONTRAST, _SATURATION)
        ]
        crops = jax.tree.map(lambda x: _tint(x, *factors), crops)
    return jax.tree.map(lambda x: x / 127.5 - 1.0, crops)


def _even(seed: int, stream: int, index: Array) -> Array:
    """float32 uniform in [-1, 1], of the shape of `index`."""
    drawn = sampling.bits(seed, stream, index, jnp) >> 8
    return drawn.astype(jnp.float32) * (2.0 / 2**24) - 1.0


def _each(function: Any, crop: int) -> Any:
    """Maps a function of one window over all leading axes of windows, angles and zooms."""

    def mapped(windows: Array, *values: Array) -> Array:
        flat = windows.reshape(-1, *windows.shape[-3:])
        done = jax.vmap(lambda w, *v: function(w, *v, crop=crop))(
            flat, *(value.reshape(-1) for value in values)
        )
        return done.reshape(*windows.shape[:-3], crop, crop, 3)

    return mapped


def _turn(window: Array, angle: Array, zoom: Array, *, crop: int) -> Array:
    """float32[crop, crop, 3]: the middle of a window, turned by `angle`, `zoom` pixels per pixel.

    Catmull-Rom's cubic (Keys, 1981, a = -1/2): linear interpolation would soften the sharp twin,
    and a network would learn to give back what is a little soft.
    """
    side = window.shape[0]
    offset = (jnp.arange(crop) - (crop - 1) / 2) * zoom
    x = (side - 1) / 2 + jnp.cos(angle) * offset[None, :] - jnp.sin(angle) * offset[:, None]
    y = (side - 1) / 2 + jnp.sin(angle) * offset[None, :] + jnp.cos(angle) * offset[:, None]
    # `Augmentation.window` leaves room for all taps; the clip is for rounding alone.
    column = jnp.clip(jnp.floor(x).astype(jnp.int32), 1, side - 3)
    row = jnp.clip(jnp.floor(y).astype(jnp.int32), 1, side - 3)
    across, down = _cubic(x - column), _cubic(y - row)
    flat, corner = window.reshape(-1, 3), row * side + column
    total = jnp.zeros((crop, crop, 3), jnp.float32)
    for dy, weight in zip(_TAPS, down, strict=True):
        line = sum(
            across[i][..., None] * flat[corner + dy * side + dx] for i, dx in enumerate(_TAPS)
        )
        total = total + weight[..., None] * line
    return jnp.clip(total, 0.0, 255.0)


def _cubic(t: Array) -> tuple[Array, Array, Array, Array]:
    """Weights of the four taps for a place t in [0, 1) after the second."""
    return (
        ((2.0 - t) * t - 1.0) * t / 2.0,
        ((3.0 * t - 5.0) * t * t + 2.0) / 2.0,
        ((4.0 - 3.0 * t) * t + 1.0) * t / 2.0,
        (t - 1.0) * t * t / 2.0,
    )


def _tint(crops: Array, brightness: Array, contrast: Array, saturation: Array) -> Array:
    """Brightness, then contrast about mid-gray, then saturation, in [0, 255].

    All three are linear and the same for twins: but for clipping, the tinted blurred crop is the
    blur of the tinted sharp one.
    """
    spread = lambda factor: factor[..., None, None, None]  # noqa: E731
    crops = (crops * spread(brightness) - 127.5) * spread(contrast) + 127.5
    gray = jnp.sum(crops * jnp.asarray(LUMA), axis=-1, keepdims=True)
    return jnp.clip(gray + (crops - gray) * spread(saturation), 0.0, 255.0)
