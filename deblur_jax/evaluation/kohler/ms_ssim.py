"""The "MSSIM" of Köhler's benchmark, which is a multi-scale SSIM of its own kind.

Köhler's script calls the MeTriX MuX package for it, and that one differs from the published
definition in `ms_ssim.py`:

- between the scales stands the 9-tap low-pass of the biorthogonal 9/7 wavelet, over a picture that
  is mirrored outwards (edge pixel repeated), of which every second row and column is kept;
- contrast and structure are separate factors, each with its own mean over the picture, so that
  their product is not the mean of the product;
- the pictures are not rounded.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.evaluation.metrics.ms_ssim import WEIGHTS
from deblur_jax.evaluation.metrics.window import C1, C2, WINDOW, raw_moments, windowed

# Analysis low-pass of Cohen, Daubechies and Feauveau's 9/7 wavelet, from its middle outwards.
HALF_OF_9_7 = (
    0.852698679008890,
    0.377402855612830,
    -0.110624404418440,
    -0.023849465019560,
    0.037828455507260,
)
SMALLEST = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1  # the coarsest scale then has 11 pixels


def kohler_ms_ssim(x: jax.Array, y: jax.Array) -> jax.Array:
    """Multi-scale similarity of two gray pictures, to be traced with 64 bits on.

    Args:
      x, y: float64[H, W] in grey levels of 0 to 255, both sides at least `SMALLEST` (161).

    Returns:
      float64[]. A negative mean, of which the script would take a complex power, counts as 0.
    """
    product = jnp.ones((), jnp.float64)
    for scale, weight in enumerate(WEIGHTS, start=1):
        level, contrast, structure = _components(x, y)
        product = product * contrast**weight * jnp.maximum(structure, 0) ** weight
        if scale < len(WEIGHTS):
            x, y = _coarser(x), _coarser(y)
    return product * level ** WEIGHTS[-1]


def _components(x: jax.Array, y: jax.Array) -> list[jax.Array]:
    """Means over the picture of the luminance, contrast and structure factors."""
    # Squares apart: the contrast needs each picture's own deviation.
    mean_x, mean_y, _, product = windowed(raw_moments(x, y))
    square_x, square_y = windowed(jnp.stack([x * x, y * y]))
    # Rounding leaves small negative variances in flat parts.
    variance_x = jnp.maximum(square_x - mean_x**2, 0)
    variance_y = jnp.maximum(square_y - mean_y**2, 0)
    deviations = jnp.sqrt(variance_x) * jnp.sqrt(variance_y)
    level = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    contrast = (2 * deviations + C2) / (variance_x + variance_y + C2)
    structure = (product - mean_x * mean_y + C2 / 2) / (deviations + C2 / 2)
    return [jnp.mean(factor) for factor in (level, contrast, structure)]


def _coarser(picture: jax.Array) -> jax.Array:
    """float64[H, W] -> float64[ceil(H / 2), ceil(W / 2)]: low-passed, every second one kept."""
    taps = np.array([*HALF_OF_9_7[:0:-1], *HALF_OF_9_7])
    taps /= taps.sum()
    for axis in range(2):
        margin = [(0, 0), (0, 0)]
        margin[axis] = (4, 4)
        length = picture.shape[axis]
        mirrored = jnp.pad(picture, margin, mode="symmetric")
        shifted = [
            tap * jax.lax.slice_in_dim(mirrored, k, k + length, 2, axis)
            for k, tap in enumerate(taps)
        ]
        picture = jax.lax.optimization_barrier(sum(shifted))
    return picture
