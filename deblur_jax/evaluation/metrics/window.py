"""What every SSIM here is made of: the 11x11 Gaussian window and the two factors under it.

All in float64: the second moments minus the squared means leave four digits of a float32, and the
measures would be wrong in the fifth digit where a picture is flat.
"""

import jax
import jax.numpy as jnp
import numpy as np

# Wang, Bovik, Sheikh, Simoncelli, Image Quality Assessment, IEEE Trans. Image Processing 2004.
PEAK = 255.0
SIGMA = 1.5
WINDOW = 11
C1 = (0.01 * PEAK) ** 2
C2 = (0.03 * PEAK) ** 2


def check_pair(picture: np.ndarray, reference: np.ndarray) -> None:
    """ValueError unless both are uint8[H, W, 3] of one shape."""
    for array in (picture, reference):
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3:
            raise ValueError(f"expected uint8[H, W, 3], got {array.dtype}{list(array.shape)}")
    if picture.shape != reference.shape:
        raise ValueError(f"the pictures differ in shape: {picture.shape}, {reference.shape}")


def gaussian() -> np.ndarray:
    """float64[11], sum 1."""
    x = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (x / SIGMA) ** 2)
    return weights / weights.sum()


def raw_moments(x: jax.Array, y: jax.Array) -> jax.Array:
    """x, y, x^2 + y^2 and xy in front: two float64[..., H, W] -> float64[4, ..., H, W]."""
    return jnp.stack([x, y, x * x + y * y, x * y])


def windowed(maps: jax.Array) -> jax.Array:
    """Means under the window, where it fits: float64[..., H, W] -> float64[..., H - 10, W - 10]."""
    # Without the barriers XLA fuses one pass into the next and computes it 11 times.
    maps = jax.lax.optimization_barrier(maps)
    return _along(_along(maps, maps.ndim - 2), maps.ndim - 1)


def factors(means: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The luminance factor l and the product of contrast and structure, cs; SSIM's map is l cs.

    Args:
      means: float64[4, ...], of the four `raw_moments` under the window.

    Returns:
      Two float64[...], both at most 1; cs may be negative.
    """
    mean_x, mean_y, energies, product = means
    squares, cross = mean_x**2 + mean_y**2, mean_x * mean_y
    level = (2 * cross + C1) / (squares + C1)
    return level, (2 * (product - cross) + C2) / (energies - squares + C2)


def _along(maps: jax.Array, axis: int) -> jax.Array:
    """The window's weighted sums along one axis, which gets 10 shorter.

    Shifted sums, because convolutions round to lower precision on some accelerators.
    """
    length = maps.shape[axis] - WINDOW + 1
    total = jnp.zeros((), maps.dtype)
    for offset, weight in enumerate(gaussian()):
        total = total + weight * jax.lax.slice_in_dim(maps, offset, offset + length, axis=axis)
    return jax.lax.optimization_barrier(total)
