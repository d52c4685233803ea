"""How much of a grid of 2 or 4 pixels there is in what a network changed, by frequency.

Two upsamplings of stride 2 leave patterns of periods 2 and 4 (Odena et al., Deconvolution and
Checkerboard Artifacts, Distill 2016). Training watches them (`training.guards`), evaluation
measures them (`evaluation.metrics.artefacts`), and a loss can hold them down (`losses`).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

GREY_LEVELS = 127.5  # 8-bit grey levels in one unit of a picture in [-1, 1]
_BLOCK, _SMALLEST = 64, 16  # pixels, side of the blocks whose spectra are averaged
_NEIGHBOURS = np.array([-3, -2, 2, 3])  # of a frequency, in 1 / block; a Hann window blurs it by 1
_ROUNDING = 1 / 12  # squared grey levels: the noise of rounding to 8 bits, in any picture


def peaks(restored: jax.Array, blurred: jax.Array) -> jax.Array:
    """How far each frequency of a grid stands out of restored minus blurred.

    Args and errors as of `powers`.

    Returns:
      float32[B, 11] in dB.
    """
    peak, around = powers(restored, blurred)
    return 10 * jnp.log10(peak / around)


def powers(restored: jax.Array, blurred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The power of restored minus blurred at each frequency of a grid, and around it.

    The energy of patterns of 2 and 4 pixels sits at multiples of a quarter of the sampling
    frequency in height and width. At each of them but zero the power of the difference is to be set
    against the mean power a few frequencies away along the height, and along the width; the larger
    of these counts, as pictures have ridges of power along both axes that are no peaks.

    Powers are averages over the channels and over half-overlapping blocks of 64x64 pixels (of half
    the picture's side where it has fewer than 128) under a Hann window, so that the number does not
    grow with the picture, one edge does not make it, and a grid whose sign changes over the
    picture is found. Only the few frequencies needed are computed. Their ratio does not change with
    the difference's scale, but for the noise of rounding to 8 bits, which is added to both powers:
    what is invisible is no grid.

    Args:
      restored, blurred: float32[B, H, W, 3] in [-1, 1], H and W at least 16.

    Returns:
      Two float32[B, 11] in squared grey levels.

    Raises:
      ValueError: a picture has fewer than 16 rows or columns.
    """
    difference = GREY_LEVELS * (restored - blurred)
    height, width = difference.shape[1:3]
    if min(height, width) < _SMALLEST:
        raise ValueError(f"a grid is measured from 16x16 pixels on, not in {height}x{width}")
    rows, columns = _waves(height, 3), _waves(width, 4)
    # Real and imaginary part of the waves along the height (p), then along the width (q).
    project = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    parts = project("byxc,mpfy->bxcmpf", difference, rows)
    parts = project("bxcmpf,nqgx->bcmpfnqg", parts, columns)
    real = parts[:, :, :, 0, :, :, 0] - parts[:, :, :, 1, :, :, 1]
    imaginary = parts[:, :, :, 0, :, :, 1] + parts[:, :, :, 1, :, :, 0]
    power = (jnp.square(real) + jnp.square(imaginary)).mean((1, 2, 4)) + _ROUNDING
    # [B, quarters along the height, each with its neighbours, the same along the width]
    power = power.reshape(-1, 3, 5, 4, 5)
    peak = power[:, :, 0, :, 0]
    around = jnp.maximum(power[:, :, 1:, :, 0].mean(2), power[:, :, 0, :, 1:].mean(3))
    peak, around = (p.reshape(-1, 12)[:, 1:] for p in (peak, around))  # 0: the mean colour's
    return peak, around


def _waves(length: int, quarters: int) -> np.ndarray:
    """Windowed waves over each block of a side; of white noise their power is its variance.

    Args:
      length: of the side in pixels.
      quarters: how many multiples of 1/4 of the sampling frequency, from 0 on. Those that are left
        out are the others' conjugates.

    Returns:
      float32[blocks, 2, 5 * quarters, length]: cosine and sine, each frequency followed by its
      four neighbours, 0 outside the block. All but frequency 0 are blind to a constant.
    """
    size = min(_BLOCK, max(_SMALLEST, length // 2))
    count = 1 + -(-(length - size) // (size // 2))
    place = np.arange(size)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (place + 0.5) / size)
    offsets = np.concatenate([[0], _NEIGHBOURS]) / size
    frequencies = (np.arange(quarters)[:, None] / 4 + offsets).reshape(-1, 1)
    phase = 2 * np.pi * frequencies * place
    block = window * np.stack([np.cos(phase), np.sin(phase)]) / np.sqrt(np.square(window).sum())
    block[:, 1:] -= block[:, 1:].sum(-1, keepdims=True) * window / window.sum()
    waves = np.zeros((count, *block.shape[:2], length), np.float32)
    for i, start in enumerate(np.round(np.linspace(0, length - size, count)).astype(int)):
        waves[i, :, :, start : start + size] = block
    return waves
