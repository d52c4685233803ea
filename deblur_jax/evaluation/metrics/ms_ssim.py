"""Multi-scale SSIM as Wang, Simoncelli and Bovik published it (Asilomar 2003), of 8-bit pictures.

    MS-SSIM = m_5^w5 * cs_1^w1 * cs_2^w2 * cs_3^w3 * cs_4^w4

with cs_j the mean of the contrast-structure factor at scale j and m_5 the mean of the whole SSIM at
the coarsest. Each scale is the one before it averaged over 2x2 pixels. The picture is gray.
Köhler's benchmark prints something else under this name, see `kohler_ssim.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.evaluation.metrics.luminance import luminance
from deblur_jax.evaluation.metrics.window import WINDOW, check_pair, factors, raw_moments, windowed

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # the paper's, from its viewers; sum 1.0001
SMALLEST = WINDOW * 2 ** (len(WEIGHTS) - 1)  # pixels; the authors' script refuses less


def ms_ssim(picture: np.ndarray, reference: np.ndarray) -> float | None:
    """Multi-scale structural similarity of the gray pictures, five scales.

    The gray pictures are rounded, as in `luminance.py`. A side of odd length repeats its last
    pixel before the averaging. Where the mean of a factor is negative (pictures that are each
    other's negatives), a fractional power of it is no real number, and the result is 0.

    Equal to `tf.image.ssim_multiscale` on one gray channel but for that one's float32; given RGB,
    TensorFlow takes the three channels one by one and averages the three products, which came out
    up to .002 higher on GoPro and REDS pairs.

    Args:
      picture: uint8[H, W, 3].
      reference: uint8[H, W, 3].

    Returns:
      0 to 1; None where a side is below 176 pixels.
    """
    check_pair(picture, reference)
    if min(picture.shape[:2]) < SMALLEST:
        return None
    with jax.enable_x64(True):
        return float(_product_over_scales(picture, reference))


@jax.jit
def _product_over_scales(a: jax.Array, b: jax.Array) -> jax.Array:
    """float64[], to be traced with 64 bits on."""
    x, y = (luminance(picture).astype(jnp.float64) for picture in (a, b))
    product = jnp.ones((), jnp.float64)
    for scale, weight in enumerate(WEIGHTS, start=1):
        level, structure = factors(windowed(raw_moments(x, y)))
        mean = jnp.mean(structure if scale < len(WEIGHTS) else level * structure)
        product = product * jnp.maximum(mean, 0) ** weight
        x, y = _halved(x), _halved(y)
    return product


def _halved(picture: jax.Array) -> jax.Array:
    """Means of 2x2 pixels: float64[H, W] -> float64[ceil(H / 2), ceil(W / 2)]."""
    height, width = picture.shape
    even = jnp.pad(picture, ((0, height % 2), (0, width % 2)), mode="edge")
    rows = even[::2] + even[1::2]
    return (rows[:, ::2] + rows[:, 1::2]) / 4
