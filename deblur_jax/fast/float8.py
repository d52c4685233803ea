"""Convolutions of 8-bit floats, for accelerators that multiply these twice as fast as bfloat16.

XLA:GPU hands a convolution whose two sides were just converted from float8_e4m3fn to cuDNN as one
of 8 bits, on Hopper and later; elsewhere this is the same rounding, emulated. It is for restoring:
a derivative would be rounded alike. What it costs the pictures, `benchmarks.rounding` tells.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

TYPE = jnp.float8_e4m3fn  # four bits of precision, 0.002 to 448
LARGEST = 448.0
# Pictures are divided by so much, which leaves room up to 3584. Behind an instance norm a value can
# be the square root of the pixels' number, 240 at a quarter of 1280x720, and trained networks do
# have such a pixel; what nine blocks read and add may have ten times that. In pictures of more than
# two megapixels it may be too large and is cut. The others are about 1, where the type is fine.
RANGE = 8.0
# Fewer channels are memory's matter, and the last layer is seen directly.
_CHANNELS = 128


def convolution(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    **layout: Any,
) -> jax.Array:
    """Computes what `lax.conv_general_dilated` does, of wide layers with both sides in 8 bits.

    Wide are those with 128 channels in and out at least, and of stride 1 both ways, as the residual
    blocks are; others are left alone. A kernel's values are scaled so that each result's largest is
    448; pictures are all scaled alike, so that nothing has to be measured before.

    Args:
      lhs: `[B, H, W, I]`.
      rhs: `[h, w, I, O]`, the kernel.
      window_strides, padding, lhs_dilation, layout: as of `lax.conv_general_dilated`.

    Returns:
      `[B, H', W', O]` in the dtype of `lhs`.
    """
    plain = set(window_strides) == {1} and set(lhs_dilation or (1,)) == {1}
    if not plain or min(rhs.shape[2:]) < _CHANNELS:
        return lax.conv_general_dilated(
            lhs, rhs, window_strides, padding, lhs_dilation=lhs_dilation, **layout
        )
    kernel, scale = rounded_kernel(rhs)
    y = lax.conv_general_dilated(
        rounded(lhs / RANGE).astype(jnp.float32),
        kernel.astype(jnp.float32),
        window_strides,
        padding,
        **layout,
    )
    return (y * (scale * RANGE)).astype(lhs.dtype)


def rounded(x: jax.Array) -> jax.Array:
    """In 8 bits; what is too large, infinite even, becomes the largest: converted it were a NaN."""
    return jnp.clip(x, -LARGEST, LARGEST).astype(TYPE)


def rounded_kernel(kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A kernel `[h, w, I, O]` in 8 bits, and float32[O] to multiply the results with."""
    wide = kernel.astype(jnp.float32)
    largest = jnp.abs(wide).max((0, 1, 2))
    scale = jnp.where(largest > 0, largest / LARGEST, 1.0)
    return rounded(wide / scale), scale
