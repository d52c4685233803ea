"""The gray picture on which pyssim's wavelet measure, luminance SSIM and multi-scale SSIM work.

There are several: this is Pillow's mode "L", full range and rounded, which pyssim takes too.
MATLAB's `rgb2gray` rounds nearly the same weights; BasicSR's Y is ITU-R BT.601 of studio range,
16 to 235, and stays a float; Köhler's script takes the weights without rounding (`kohler.py`).
"""

import jax
import jax.numpy as jnp


def luminance(picture: jax.Array) -> jax.Array:
    """uint8[H, W, 3] -> int32[H, W]: ITU-R 601-2 luma in Pillow's integers (mode "L")."""
    red, green, blue = (picture[..., c].astype(jnp.int32) for c in range(3))
    # 0.299, 0.587, 0.114 in units of 2^-16, half a unit to round
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
