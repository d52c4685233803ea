"""Blurring a picture with a point spread function: the right way, and the authors' way."""

import jax
import jax.numpy as jnp

from deblur_jax.blur import psf as kernels
from deblur_jax.blur import trajectory
from deblur_jax.blur.light import Light, to_light, to_stored
from deblur_jax.errors import UsageError

Array = jax.Array


def trajectory_blur(
    key: Array,
    sharp: Array,
    *,
    constants: trajectory.Constants = "code",
    length: Array | float = 60.0,
    exposure: Array | float = 1.0,
    canvas: int = 64,
    expl: Array | float | None = None,
    iterations: int = 2000,
    light: Light = "stored",
    margin: int = 0,
    normalize: bool = True,
    scatter: bool = True,
) -> Array:
    """Blurs a picture with a kernel of Algorithm 1; pure, for `jit` and `vmap` over keys.

    Args:
      key: decides the trajectory.
      sharp: float32[..., H, W, 3] in [0, 1]; all leading pictures get the same kernel.
      constants, length, expl, iterations: as in `trajectory.sample_trajectory`.
      exposure: fraction in (0, 1] of the trajectory during which the shutter is open. Shorter is
        less blurred and as bright; with `normalize` False it is darker, as in the authors' code.
      canvas: side of the kernel in pixels; what leaves it is moved to its border.
      light, margin: as in `convolve`.
      normalize, scatter: as in `psf.rasterize`.

    Returns:
      float32[..., H - 2 margin, W - 2 margin, 3]; the kernel's centroid is at its origin, so the
      picture does not move against its sharp twin.
    """
    path = trajectory.sample_trajectory(
        key, length=length, iterations=iterations, constants=constants, expl=expl
    )
    weights = kernels.time_weights(iterations, exposure)
    psf = kernels.rasterize(
        trajectory.centre(path, canvas=canvas, weights=weights),
        canvas=canvas,
        exposure=exposure,
        normalize=normalize,
        scatter=scatter,
    )
    return convolve(sharp, psf, light=light, margin=margin)


def convolve(image: Array, psf: Array, *, light: Light = "stored", margin: int = 0) -> Array:
    """Convolves each channel with a kernel; borders are mirrored about the edge pixel.

    By FFT: for 256x256 pixels in three channels and kernels of 31, 47 and 64 pixels it took 1.3,
    2.6 and 2.6 ms on two cores of an AMD EPYC, and XLA's direct convolution 72, 120 and 117. Sizes
    are filled up to products of 2, 3 and 5 (302, which is 2 x 151, took 7.9 ms as it is).

    Args:
      image: float32[..., H, W, 3] (any range, in [0, 1] if `light` is a curve).
      psf: float32[h, w], its origin at pixel (h // 2, w // 2); of sum 1 to keep the brightness.
      light: where values are averaged, on the stored ones or on the light, see `light`.
      margin: pixels cut off on every side; they stand in for as much of the mirrored border.

    Returns:
      float32[..., H - 2 margin, W - 2 margin, 3], exact to about 1e-6 of the brightest value.

    Raises:
      UsageError: the kernel is not two-dimensional, or the margin leaves nothing.
    """
    if psf.ndim != 2:
        raise UsageError(f"a kernel has two dimensions, this one has {psf.ndim}")
    if min(image.shape[-3:-1]) <= 2 * margin:
        raise UsageError(
            f"a margin of {margin} leaves nothing of {image.shape[-2]}x{image.shape[-3]} pixels"
        )
    rows, columns = psf.shape
    needed = ((rows - 1 - rows // 2, rows // 2), (columns - 1 - columns // 2, columns // 2))
    pads = [(0, 0)] * (image.ndim - 3)
    cuts: list[slice] = []
    for (before, after), extent in zip(needed, image.shape[-3:-1], strict=True):
        pads.append((max(before - margin, 0), max(after - margin, 0)))
        cuts.append(slice(max(margin - before, 0), extent - max(margin - after, 0)))
    inner = to_light(image, light)[..., cuts[0], cuts[1], :]
    padded = jnp.pad(inner, [*pads, (0, 0)], mode="reflect")
    return to_stored(_valid(padded, psf), light)


def _valid(padded: Array, psf: Array) -> Array:
    """The part of the convolution that needs no pixel from outside."""
    rows, columns = psf.shape
    height, width = padded.shape[-3], padded.shape[-2]
    sides = _smooth(height), _smooth(width)
    spectrum = jnp.fft.rfft2(jnp.moveaxis(padded, -1, -3), sides)
    full = jnp.fft.irfft2(spectrum * jnp.fft.rfft2(psf, sides), sides)
    # Circular wrap-around reaches the first h - 1 rows and w - 1 columns only.
    return jnp.moveaxis(full[..., rows - 1 : height, columns - 1 : width], -3, -1)


def _smooth(size: int) -> int:
    """The smallest number from `size` on that is a product of twos, threes and fives."""
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1


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
