"""PSNR and three of the SSIMs that deblurring papers print, on 8-bit RGB pictures.

"SSIM" names incompatible numbers in this field, and a table that mixes them is worthless:

- `ssim`: 11x11 Gaussian window, each channel on its own, mean over the window's interior. What
  scikit-image gives with `gaussian_weights=True`, and the one to compare with.
- `ssim_matlab3d`: the window is an 11x11x11 Gaussian that also runs over the three channels, as
  MATLAB's `ssim` treats any array of three dimensions and as MPRNet, Restormer and NAFNet report
  it. Usually higher than `ssim`.
- `cw_ssim_1d` (in `cw_ssim.py`): the wavelet measure behind the .958 of the DeblurGAN paper.

Pictures of one shape compile once. All three are computed in integers or float64: float32 moments
are wrong in the fifth digit where a picture is flat.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.evaluation.cw_ssim import cw_ssim_1d

__all__ = ["WINDOW", "cw_ssim_1d", "psnr", "ssim", "ssim_matlab3d"]

PEAK = 255.0
SIGMA = 1.5  # as the 11 taps and the constants: Wang et al. 2004
WINDOW = 11
C1 = (0.01 * PEAK) ** 2
C2 = (0.03 * PEAK) ** 2


def psnr(picture: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio over all channels, 10 log10(255^2 / MSE).

    Args:
      picture: uint8[H, W, 3].
      reference: uint8[H, W, 3].

    Returns:
      Decibels, exact to float64; `inf` for identical pictures.
    """
    _check(picture, reference)
    total = int(np.asarray(_squared_error_by_row(picture, reference)).sum(dtype=np.uint64))
    if total == 0:
        return float("inf")
    return float(10.0 * np.log10(PEAK**2 * picture.size / total))


def ssim(picture: np.ndarray, reference: np.ndarray) -> float | None:
    """Structural similarity of each channel, 11x11 Gaussian window of sigma 1.5.

    Equal to scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=255, channel_axis=2)`: only windows that lie wholly
    inside the picture count.

    Args:
      picture: uint8[H, W, 3].
      reference: uint8[H, W, 3].

    Returns:
      At most 1; None where no window fits (a side below 11 pixels).
    """
    _check(picture, reference)
    if min(picture.shape[:2]) < WINDOW:
        return None
    return _mean_similarity(picture, reference, volume=False)


def ssim_matlab3d(picture: np.ndarray, reference: np.ndarray) -> float:
    """Structural similarity with one 11x11x11 Gaussian window over height, width and channels.

    The picture is a volume of H x W x 3 samples whose border samples repeat outwards in all three
    directions, and every sample counts. Over the channels five of the eleven taps on either side
    fall on repeated ones, so the window mixes the three colours.

    Args:
      picture: uint8[H, W, 3].
      reference: uint8[H, W, 3].

    Returns:
      At most 1, for any size.
    """
    _check(picture, reference)
    return _mean_similarity(picture, reference, volume=True)


def _check(picture: np.ndarray, reference: np.ndarray) -> None:
    for array in (picture, reference):
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3:
            raise ValueError(f"expected uint8[H, W, 3], got {array.dtype}{list(array.shape)}")
    if picture.shape != reference.shape:
        raise ValueError(f"the pictures differ in shape: {picture.shape}, {reference.shape}")


@jax.jit
def _squared_error_by_row(a: jax.Array, b: jax.Array) -> jax.Array:
    """uint32[H, 3]; a row overflows only beyond 66,000 pixels of width."""
    difference = a.astype(jnp.int32) - b.astype(jnp.int32)
    return jnp.sum((difference * difference).astype(jnp.uint32), axis=1)


def _gaussian() -> np.ndarray:
    """float64[11], sum 1."""
    x = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (x / SIGMA) ** 2)
    return weights / weights.sum()


def _window_along(maps: jax.Array, axis: int) -> jax.Array:
    """The window's weighted sums along one axis, where it fits: the axis gets 10 shorter.

    Shifted sums, because convolutions round to lower precision on some accelerators.
    """
    length = maps.shape[axis] - WINDOW + 1
    total = jnp.zeros((), maps.dtype)
    for offset, weight in enumerate(_gaussian()):
        total = total + weight * jax.lax.slice_in_dim(maps, offset, offset + length, axis=axis)
    # Otherwise XLA fuses this pass into the next and computes it 11 times.
    return jax.lax.optimization_barrier(total)


def _window_over_channels(maps: jax.Array) -> jax.Array:
    """The window along axis 1, of 3 channels that repeat outwards: again 3 channels."""
    mixing = np.zeros((3, 3))
    for channel in range(3):
        for offset, weight in enumerate(_gaussian()):
            mixing[channel, np.clip(channel + offset - WINDOW // 2, 0, 2)] += weight
    mixed = [row[0] * maps[:, 0] + row[1] * maps[:, 1] + row[2] * maps[:, 2] for row in mixing]
    return jnp.stack(mixed, axis=1)


def _mean_similarity(a: np.ndarray, b: np.ndarray, *, volume: bool) -> float:
    # float64, as the second moments minus the squared means leave four digits of a float32.
    with jax.enable_x64(True):
        return float(_mean_of_map(a, b, volume=volume))


@functools.partial(jax.jit, static_argnames="volume")
def _mean_of_map(a: jax.Array, b: jax.Array, *, volume: bool) -> jax.Array:
    """The mean of SSIM's map over [H, W, 3]: float64[], to be traced with 64 bits on."""
    x, y = (jnp.moveaxis(picture, -1, 0).astype(jnp.float64) for picture in (a, b))
    moments = jnp.stack([x, y, x * x + y * y, x * y])
    if volume:
        half = WINDOW // 2
        moments = jnp.pad(moments, ((0, 0), (0, 0), (half, half), (half, half)), mode="edge")
        moments = _window_over_channels(moments)
    moments = jax.lax.optimization_barrier(moments)
    mean_x, mean_y, energies, product = _window_along(_window_along(moments, 2), 3)
    squares, means = mean_x**2 + mean_y**2, mean_x * mean_y
    similarity = (2 * means + C1) * (2 * (product - means) + C2)
    return jnp.mean(similarity / ((squares + C1) * (energies - squares + C2)))
