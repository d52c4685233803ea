"""Between the values that a picture file stores and the light that they stand for.

A shutter adds up light, not stored values. Three curves, each from [0, 1] onto [0, 1]:

    stored  light = stored               as if files held light (GoPro's `blur` was averaged so)
    gamma   light = stored ** 2.2        (GoPro's `blur_gamma`)
    srgb    light = stored / 12.92       where stored <= 0.04045
            light = ((stored + 0.055) / 1.055) ** 2.4       above (IEC 61966-2-1)
"""

from typing import Literal, get_args

import jax
import jax.numpy as jnp

from deblur_jax.errors import UsageError

Array = jax.Array
Light = Literal["stored", "gamma", "srgb"]
LIGHTS: tuple[Light, ...] = get_args(Light)

_GAMMA = 2.2
# IEC 61966-2-1: where the straight part ends, in stored values, and its slope.
_SRGB_KNEE = 0.04045
_SRGB_SLOPE = 12.92


def to_light(stored: Array, curve: Light) -> Array:
    """Light of stored values float32[...] in [0, 1]; negative values count as zero."""
    _check(curve)
    if curve == "stored":
        return stored
    stored = jnp.maximum(stored, 0.0)
    if curve == "gamma":
        return stored**_GAMMA
    return jnp.where(stored <= _SRGB_KNEE, stored / _SRGB_SLOPE, ((stored + 0.055) / 1.055) ** 2.4)


def to_stored(light: Array, curve: Light) -> Array:
    """Stored values of light float32[...] in [0, 1], the inverse of `to_light`."""
    _check(curve)
    if curve == "stored":
        return light
    light = jnp.maximum(light, 0.0)
    if curve == "gamma":
        return light ** (1 / _GAMMA)
    straight = light <= _SRGB_KNEE / _SRGB_SLOPE
    return jnp.where(straight, light * _SRGB_SLOPE, 1.055 * light ** (1 / 2.4) - 0.055)


def _check(curve: str) -> None:
    if curve not in LIGHTS:
        raise UsageError(f"light must be one of {', '.join(LIGHTS)}, not {curve!r}")
