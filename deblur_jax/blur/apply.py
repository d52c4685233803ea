"""Blurring a picture with a point spread function: the right way, and the authors' way."""

import jax
import jax.numpy as jnp

from deblur_jax.errors import UsageError

Array = jax.Array


def convolve(image: Array, psf: Array, *, gamma: float | None = None) -> Array:
    """Convolves each channel with a kernel; borders are mirrored about the edge pixel.

    Args:
      image: float32[..., H, W, 3] (any range, [0, 1] if `gamma` is given).
      psf: float32[h, w], its origin at pixel (h // 2, w // 2); of sum 1 to keep the brightness.
      gamma: None works on stored values; 2.2 on linear light.

    Returns:
      float32[..., H, W, 3], by FFT: exact to about 1e-6 of the brightest value.

    Raises:
      UsageError: the kernel is not two-dimensional.
    """
    if psf.ndim != 2:
        raise UsageError(f"a kernel has two dimensions, this one has {psf.ndim}")
    light = image if gamma is None else image**gamma
    rows, columns = psf.shape
    top, left = rows - 1 - rows // 2, columns - 1 - columns // 2
    pads = [(0, 0)] * (image.ndim - 3) + [(top, rows // 2), (left, columns // 2), (0, 0)]
    padded = jnp.pad(light, pads, mode="reflect")
    blurred = _valid(padded, psf)
    return blurred if gamma is None else jnp.maximum(blurred, 0.0) ** (1.0 / gamma)


def _valid(padded: Array, psf: Array) -> Array:
    """The part of the convolution that needs no pixel from outside."""
    rows, columns = psf.shape
    height, width = padded.shape[-3], padded.shape[-2]
    spectrum = jnp.fft.rfft2(jnp.moveaxis(padded, -1, -3))
    kernel = jnp.fft.rfft2(psf, (height, width))
    full = jnp.fft.irfft2(spectrum * kernel, (height, width))
    # Circular wrap-around reaches the first h - 1 rows and w - 1 columns only.
    return jnp.moveaxis(full[..., rows - 1 :, columns - 1 :], -3, -1)


def official_blur(image: Array, psf: Array) -> Array:
    """What motion_blur/blur_image.py of the authors does, colour shift and dark frame included.

    Kernel and image are each stretched to [0, 1] by their smallest and largest value (the kernel
    does not sum to one), borders are black, and the result is stretched to [0, 1] over all
    channels together. Any size is accepted; theirs must be square.

    Args:
      image: [H, W, 3], any range.
      psf: [h, w], not larger than the image.

    Returns:
      float32[H, W, 3] in [0, 1].
    """
    rows, columns = psf.shape
    height, width = image.shape[0], image.shape[1]
    if rows > height or columns > width:
        raise UsageError(
            f"the official blur needs a picture of at least {columns}x{rows} pixels, "
            f"not {width}x{height}"
        )
    # The crop that scipy's fftconvolve(mode="same") makes starts at (size - 1) // 2 of the full
    # result, with the kernel padded to the picture's size as the authors do.
    kernel = _stretch(psf.astype(jnp.float32))
    above, before = (height - rows) // 2, (width - columns) // 2
    top, left = (rows + 2 * above - 1) // 2 - above, (columns + 2 * before - 1) // 2 - before
    padded = jnp.pad(
        _stretch(image.astype(jnp.float32)),
        [(rows - 1 - top, top), (columns - 1 - left, left), (0, 0)],
    )
    return _stretch(_valid(padded, kernel))


def _stretch(values: Array) -> Array:
    """Smallest to 0, largest to 1; a constant array becomes zero."""
    low, high = jnp.min(values), jnp.max(values)
    return jnp.where(high > low, (values - low) / jnp.where(high > low, high - low, 1.0), 0.0)
