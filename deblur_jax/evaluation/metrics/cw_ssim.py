"""The wavelet similarity of pyssim, by which the DeblurGAN papers report their "SSIM".

Not the complex-wavelet SSIM of the literature: the picture's luminance is laid out row after row
as one signal, so that vertical neighbours are a whole width apart, and the wavelet is the real
"Mexican hat". It stands here so that .958 can be compared with something measured.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.evaluation.metrics.luminance import luminance
from deblur_jax.evaluation.metrics.window import check_pair

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
    check_pair(picture, reference)
    length = picture.shape[0] * picture.shape[1]
    with jax.enable_x64(True):
        blocks = np.asarray(_block_sums(picture, reference, _kernel_spectra(length)))
    return float(blocks.sum() / length)


def mexican_hat(points: int, width: float) -> np.ndarray:
    """float64[points]: the negative second derivative of a Gaussian, of unit energy, centred."""
    x = np.arange(points) - (points - 1) / 2
    square = (x / width) ** 2
    return 2 / (np.sqrt(3 * width) * np.pi**0.25) * (1 - square) * np.exp(-square / 2)


def _kernel_spectra(length: int) -> np.ndarray:
    """complex128[30, BLOCK]: every wavelet's transform, all aligned as mode 'same' aligns them."""
    kernels = np.zeros((WIDTHS, BLOCK))
    for row, width in enumerate(range(1, WIDTHS + 1)):
        points = min(TAPS_PER_WIDTH * width, length)
        # 'same' keeps the middle of the full convolution, from its sample (points - 1) // 2 on.
        start = HALF - (points - 1) // 2
        kernels[row, start : start + points] = mexican_hat(points, width)
    return np.fft.fft(kernels)


SUPPORT = TAPS_PER_WIDTH * WIDTHS  # the longest wavelet
HALF = (SUPPORT - 1) // 2
STEP = BLOCK - SUPPORT + 1  # samples of each block that no circular wrap-around has touched


@jax.jit
def _block_sums(a: jax.Array, b: jax.Array, spectra: jax.Array) -> jax.Array:
    """Sums of the similarity map over blocks of the signal: float64[blocks].

    To be traced with 64 bits on: the wavelets let next to nothing of a picture's brightness
    through, and K is small, so that 32 bits leave enough of a white picture in a black one to be
    wrong by 1e-4.
    """
    # The wavelets are real, so one complex signal carries both pictures through each transform.
    signal = jax.lax.complex(
        *(luminance(picture).ravel().astype(jnp.float64) for picture in (a, b))
    )
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

    zeros = jnp.zeros((count, STEP), jnp.float64)
    (products, energies, cross), _ = jax.lax.scan(add_width, (zeros, zeros, zeros), spectra)
    magnitude = (2 * products + K) / (energies + K)
    phase = (2 * jnp.abs(cross) + K) / (2 * products + K)
    inside = starts + jnp.arange(STEP) < length
    return jnp.sum(jnp.where(inside, magnitude * phase, 0.0), axis=1)
