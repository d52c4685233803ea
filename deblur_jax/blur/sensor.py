"""What a sensor adds to the picture that the lens throws on it: noise, clipping, rounding.

`noise` and `quantize` are pure and run under `jit` and `vmap`; `jpeg` is the camera's file, made
on the host by Pillow, and deterministic for one version of its library.
"""

import io

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from deblur_jax.blur.light import Light, to_light, to_stored
from deblur_jax.errors import UsageError

Array = jax.Array
JPEG_QUALITIES = (1, 100)


def noise(
    key: Array,
    picture: Array,
    *,
    read: Array | float,
    shot: Array | float,
    light: Light = "stored",
) -> Array:
    """Adds read and shot noise: independent normal numbers of variance read^2 + shot^2 x.

    Args:
      key: decides the noise.
      picture: float32[..., H, W, C], stored values in [0, 1].
      read: standard deviation in grey levels (of 255), the same everywhere.
      shot: standard deviation in grey levels at white (x = 1); it grows with the root of x.
      light: where x is measured and the noise added. `stored` does so on the stored values, so
        that the figures are grey levels of the file. The other curves do so on the light, as a
        sensor does; the file's dark tones then get more noise than the figures say.

    Returns:
      float32 of the same shape, stored values, neither clipped nor rounded (but by `gamma` and
      `srgb` not below zero).
    """
    x = to_light(picture, light)
    deviation = jnp.sqrt(read**2 + shot**2 * jnp.clip(x, 0.0, 1.0)) / 255.0
    return to_stored(x + deviation * jax.random.normal(key, picture.shape), light)


def quantize(picture: Array) -> Array:
    """uint8 of stored values in [0, 1]: clipped, and rounded half to even."""
    return jnp.rint(jnp.clip(picture, 0.0, 1.0) * 255.0).astype(jnp.uint8)


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """uint8[H, W, 3] after one way through a JPEG file, colour at half the resolution.

    Raises:
      UsageError: the quality is not from 1 to 100.
    """
    low, high = JPEG_QUALITIES
    if not low <= quality <= high:
        raise UsageError(f"JPEG quality must be from {low} to {high}, not {quality}")
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return np.array(Image.open(stream).convert("RGB"))
