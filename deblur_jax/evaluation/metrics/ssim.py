"""Structural similarity in the three ways that deblurring papers take it, of 8-bit RGB pictures."""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.evaluation.metrics.luminance import luminance
from deblur_jax.evaluation.metrics.window import (
    WINDOW,
    check_pair,
    factors,
    gaussian,
    raw_moments,
    windowed,
)

Kind = Literal["channels", "volume", "luminance"]


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
    return _mean_similarity(picture, reference, "channels")


def ssim_luminance(picture: np.ndarray, reference: np.ndarray) -> float | None:
    """Structural similarity of the gray pictures, rounded to 8 bits as in `luminance.py`.

    Equal to scikit-image's on what Pillow's `convert("L")` gives, and to Wang's own MATLAB script
    but for the third digit of the weights. pyssim's `ssim_value` takes the same gray pictures, but
    its window also counts where the picture is mirrored outwards, and lies half a pixel off its
    centre in some versions: up to .003 away on six GoPro and REDS pairs. BasicSR's Y, of studio
    range and not rounded, gives .011 to .028 more on these.

    Args:
      picture: uint8[H, W, 3].
      reference: uint8[H, W, 3].

    Returns:
      At most 1; None where no window fits (a side below 11 pixels).
    """
    return _mean_similarity(picture, reference, "luminance")


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
    similarity = _mean_similarity(picture, reference, "volume")
    assert similarity is not None
    return similarity


def _mean_similarity(a: np.ndarray, b: np.ndarray, kind: Kind) -> float | None:
    check_pair(a, b)
    if kind != "volume" and min(a.shape[:2]) < WINDOW:
        return None
    with jax.enable_x64(True):
        return float(_mean_of_map(a, b, kind=kind))


@functools.partial(jax.jit, static_argnames="kind")
def _mean_of_map(a: jax.Array, b: jax.Array, *, kind: Kind) -> jax.Array:
    """The mean of SSIM's map over all channels: float64[], to be traced with 64 bits on."""
    if kind == "luminance":
        x, y = (luminance(picture).astype(jnp.float64) for picture in (a, b))
    else:
        x, y = (jnp.moveaxis(picture, -1, 0).astype(jnp.float64) for picture in (a, b))
    moments = raw_moments(x, y)
    if kind == "volume":
        half = WINDOW // 2
        moments = jnp.pad(moments, ((0, 0), (0, 0), (half, half), (half, half)), mode="edge")
        moments = _window_over_channels(moments)
    level, structure = factors(windowed(moments))
    return jnp.mean(level * structure)


def _window_over_channels(maps: jax.Array) -> jax.Array:
    """The window along axis 1, of 3 channels that repeat outwards: again 3 channels."""
    mixing = np.zeros((3, 3))
    for channel in range(3):
        for offset, weight in enumerate(gaussian()):
            mixing[channel, np.clip(channel + offset - WINDOW // 2, 0, 2)] += weight
    mixed = [row[0] * maps[:, 0] + row[1] * maps[:, 1] + row[2] * maps[:, 2] for row in mixing]
    return jnp.stack(mixed, axis=1)
