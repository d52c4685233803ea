"""The two plain filters of the kernel study: Gaussian and median, by odd window sizes."""

import functools

import jax
import jax.numpy as jnp

from deblur_jax.errors import UsageError

Array = jax.Array


def gaussian_sigma(size: int) -> float:
    """Standard deviation in pixels that OpenCV gives a window of `size` when sigma is left out."""
    return 0.3 * ((size - 1) * 0.5 - 1) + 0.8


def gaussian(image: Array, size: int) -> Array:
    """Gaussian blur with a window of `size` x `size` pixels.

    The kernel is sampled with `gaussian_sigma` and sums to one; borders are mirrored about the
    edge pixel (OpenCV's BORDER_DEFAULT). For sizes up to 7 OpenCV itself replaces the samples by
    rounded tables, which this does not.

    Args:
      image: float[..., H, W, C], or uint8, which is rounded back to uint8.
      size: odd, at least 1; 1 changes nothing.

    Returns:
      The same shape and type.

    Raises:
      UsageError: `size` is even or below 1.
    """
    _check(size)
    return _gaussian(jnp.asarray(image), size)


def median(image: Array, size: int) -> Array:
    """Median of each channel over a window of `size` x `size` pixels, borders mirrored.

    Args:
      image: [..., H, W, C] of any real type.
      size: odd, at least 1; 1 changes nothing.

    Returns:
      The same shape and type.

    Raises:
      UsageError: `size` is even or below 1.
    """
    _check(size)
    return _median(jnp.asarray(image), size)


@functools.partial(jax.jit, static_argnums=1)
def _gaussian(image: Array, size: int) -> Array:
    offset = jnp.arange(size) - size // 2
    weights = jnp.exp(-(offset**2) / (2.0 * gaussian_sigma(size) ** 2))
    weights = weights / jnp.sum(weights)
    light = image.astype(jnp.float32)
    for axis in (-3, -2):
        light = _weighted_sum(light, weights, axis)
    if image.dtype == jnp.uint8:
        return jnp.clip(jnp.rint(light), 0, 255).astype(jnp.uint8)
    return light.astype(image.dtype)


@functools.partial(jax.jit, static_argnums=1)
def _median(image: Array, size: int) -> Array:
    *lead, height, width, channels = image.shape
    half = size // 2
    pictures = image.reshape(-1, height, width, channels)
    padded = jnp.pad(pictures, [(0, 0), (half, half), (half, half), (0, 0)], mode="reflect")

    def row(index: Array) -> Array:
        # One row at a time: a whole picture's windows would need size^2 times its memory.
        picture, top = index // height, index % height
        strip = jax.lax.dynamic_slice(
            padded, (picture, top, 0, 0), (1, size, width + 2 * half, channels)
        )[0]
        windows = jnp.stack([strip[:, i : i + width] for i in range(size)], axis=-1)
        values = jnp.moveaxis(windows, 0, -1).reshape(width, channels, size * size)
        return jnp.sort(values, axis=-1)[..., size * size // 2]

    rows = jax.lax.map(row, jnp.arange(pictures.shape[0] * height))
    return rows.reshape(*lead, height, width, channels)


def _weighted_sum(image: Array, weights: Array, axis: int) -> Array:
    """Correlates along one axis with mirrored borders."""
    half, extent = weights.shape[0] // 2, image.shape[axis]
    pads = [(0, 0)] * image.ndim
    pads[axis] = (half, half)
    padded = jnp.pad(image, pads, mode="reflect")
    shifted = (
        jax.lax.slice_in_dim(padded, i, i + extent, axis=axis % image.ndim)
        for i in range(weights.shape[0])
    )
    return sum((w * part for w, part in zip(weights, shifted, strict=True)), jnp.zeros_like(image))


def _check(size: int) -> None:
    if size < 1 or size % 2 == 0:
        raise UsageError(f"a filter's size must be odd and at least 1, not {size}")
