"""The wavelet similarity of pyssim, by which the DeblurGAN papers report their "SSIM".

Not the complex-wavelet SSIM of the literature: the picture's luminance is laid out row after row
as one signal, so that vertical neighbours are a whole width apart, and the wavelet is the real
"Mexican hat". It stands here so that .958 can be compared with something measured.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.evaluation.metrics.luminance import luminance

WIDTHS = 30  # wavelet widths 1..30 and K are pyssim's defaults
K = 0.01
TAPS_PER_WIDTH = 10  # a wavelet of width a is sampled at 10 a points, as scipy's `cwt` did
BLOCK = 4096  # samples per transform: blocks stay in cache, one long transform would not


def cw_ssim_1d(picture: np.ndarray, reference: np.ndarray) -> float:
    """Similarity of two pictures' wavelet coefficients along the rows laid end to end.

    With c and d the coefficients of width 1..30 at one pixel, the value there is
    (2 S|cd| + K) / (S c^2 + S d^2 + K) * (2 |S cd| + K) / (2 S|cd| + K), S the sum over widths;
    the result is the mean over the pixels.

    Args:
      picture: uint8[H, W, 3], RGB.
      reference: uint8[H, W, 3], RGB.

    Returns:
      Between 0 and 1, 1 for identical pictures.
    """
    if picture.shape != reference.shape or picture.dtype != np.uint8 or reference.dtype != np.uint8:
        raise ValueError("expected two uint8[H, W, 3] of one shape")
    length = picture.shape[0] * picture.shape[1]
    blocks = np.asarray(_block_sums(picture, reference, _kernel_spectra(length)), np.float64)
    return float(blocks.sum() / length)


def mexican_hat(points: int, width: float) -> np.ndarray:
    """float64[points]: the negative second derivative of a Gaussian, of unit energy, centred."""
    x = np.arange(points) - (points - 1) / 2
    square = (x / width) ** 2
    return 2 / (np.sqrt(3 * width) * np.pi**0.25) * (1 - square) * np.exp(-square / 2)


def _kernel_spectra(length: int) -> np.ndarray:
    """complex64[30, BLOCK]: every wavelet's transform, all aligned as mode 'same' aligns them."""
    kernels = np.zeros((WIDTHS, BLOCK))
    for row, width in enumerate(range(1, WIDTHS + 1)):
        points = min(TAPS_PER_WIDTH * width, length)
        # 'same' keeps the middle of the full convolution, from its sample (points - 1) // 2 on.
        start = HALF - (points - 1) // 2
        kernels[row, start : start + points] = mexican_hat(points, width)
    return np.fft.fft(kernels).astype(np.complex64)


SUPPORT = TAPS_PER_WIDTH * WIDTHS  # the longest wavelet
HALF = (SUPPORT - 1) // 2
STEP = BLOCK - SUPPORT + 1  # samples of each block that no circular wrap-around has touched


@jax.jit
def _block_sums(a: jax.Array, b: jax.Array, spectra: jax.Array) -> jax.Array:
    """Sums of the similarity map over blocks of the signal: float32[blocks]."""
    # The wavelets are real, so one complex signal carries both pictures through each transform.
    signal = (luminance(a) + 1j * luminance(b)).ravel().astype(jnp.complex64)
    length = signal.size
    count = -(-length // STEP)
    # Output i needs the samples i + HALF - SUPPORT + 1 to i + HALF; zeros lie outside the picture.
    lead = SUPPORT - 1 - HALF
    padded = jnp.pad(signal, (lead, count * STEP + SUPPORT - 1 - lead - length))
    starts = jnp.arange(count)[:, None] * STEP
    blocks = jnp.fft.fft(padded[starts + jnp.arange(BLOCK)])

    def add_width(sums, spectrum):
        products, energies, cross = sums
        both = jnp.fft.ifft(blocks * spectrum)[:, SUPPORT - 1 :]
        c, d = both.real, both.imag
        return (products + jnp.abs(c * d), energies + c * c + d * d, cross + c * d), None

    zeros = jnp.zeros((count, STEP), jnp.float32)
    (products, energies, cross), _ = jax.lax.scan(add_width, (zeros, zeros, zeros), spectra)
    magnitude = (2 * products + K) / (energies + K)
    phase = (2 * jnp.abs(cross) + K) / (2 * products + K)
    inside = starts + jnp.arange(STEP) < length
    return jnp.sum(jnp.where(inside, magnitude * phase, 0.0), axis=1)
