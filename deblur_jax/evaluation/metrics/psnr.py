"""Peak signal-to-noise ratio, of 8-bit pictures and of a network's floats as others take it.

Papers differ in what becomes of the floats first, and it shows: `round` is what a saved PNG has
and what this project quotes; `truncate` is a cast to uint8, as in the code of the DeblurGAN authors
and of the Columbia report; `none` leaves them as they are, beyond black and white too, as MAXIM
does.
"""

import functools
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.evaluation.metrics.window import PEAK, check_pair

Rounding = Literal["round", "truncate", "none"]
ROUNDINGS: tuple[str, ...] = get_args(Rounding)


def psnr(picture: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio over all channels, 10 log10(255^2 / MSE).

    Args:
      picture: uint8[H, W, 3].
      reference: uint8[H, W, 3].

    Returns:
      Decibels, exact to float64; `inf` for identical pictures.
    """
    check_pair(picture, reference)
    lines = np.asarray(_squared_error_by_line(picture, reference))
    return _decibels(float(lines.sum(dtype=np.uint64)) / picture.size)


def psnr_of_floats(
    restored: np.ndarray, reference: np.ndarray, *, rounding: Rounding = "round"
) -> float:
    """The same for a network's output, brought to grey levels as (x + 1) 127.5.

    Args:
      restored: floating[H, W, 3]; -1 is black and 1 is white. Half precision counts as float32.
      reference: uint8[H, W, 3].
      rounding: `round` clips and takes the nearest of the 256 levels (halves to the even one);
        `truncate` clips and cuts the fraction off, after arithmetic in the floats' own type, as a
        cast does: a level that float32 puts a hair too low loses one; `none` neither clips nor
        rounds.

    Returns:
      Decibels; `inf` where all levels are equal.

    Raises:
      ValueError: another shape or type, an unknown rounding, or a value that is not finite.
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"no rounding {rounding!r}: choose one of {', '.join(ROUNDINGS)}")
    if not jnp.issubdtype(restored.dtype, jnp.floating) or restored.shape != reference.shape:
        raise ValueError(
            f"expected floating{list(reference.shape)}, got {restored.dtype}{list(restored.shape)}"
        )
    check_pair(reference, reference)
    if restored.dtype not in (np.float32, np.float64):
        restored = np.asarray(restored, np.float32)
    if not np.isfinite(restored).all():
        raise ValueError("the restored picture has values that are not finite")
    with jax.enable_x64(True):
        return _decibels(float(_mean_squared_error(restored, reference, rounding=rounding)))


def _decibels(error: float) -> float:
    return float(10.0 * np.log10(PEAK**2 / error)) if error else float("inf")


@jax.jit
def _squared_error_by_line(a: jax.Array, b: jax.Array) -> jax.Array:
    """uint32[H, 3] or uint32[W, 3]: over the shorter side, as 66,052 pixels would overflow."""
    difference = a.astype(jnp.int32) - b.astype(jnp.int32)
    shorter = 1 if a.shape[1] <= a.shape[0] else 0
    return jnp.sum((difference * difference).astype(jnp.uint32), axis=shorter)


@functools.partial(jax.jit, static_argnames="rounding")
def _mean_squared_error(restored: jax.Array, reference: jax.Array, *, rounding: str) -> jax.Array:
    """float64[], to be traced with 64 bits on."""
    if rounding == "none":
        restored = restored.astype(jnp.float64)
    levels = (restored + 1) * (PEAK / 2)
    if rounding != "none":
        levels = jnp.clip(levels, 0, PEAK)
        levels = jnp.round(levels) if rounding == "round" else jnp.floor(levels)
    return jnp.mean((levels.astype(jnp.float64) - reference) ** 2)
