"""The metrics against scikit-image, scipy's direct correlation, numpy loops and closed forms."""

import importlib

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from deblur_jax.evaluation import metrics
from deblur_jax.evaluation.metrics.cw_ssim import BLOCK, mexican_hat
from deblur_jax.evaluation.metrics.luminance import luminance

SHAPES = [(48, 64), (33, 47), (11, 11)]


def twins(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A structured picture with saturated parts, and a smoothed, noisy copy of it."""
    base = ndimage.gaussian_filter(rng.normal(size=(height, width, 3)), (2, 2, 0)) * 500 + 128
    picture = np.clip(base, 0, 255)
    copy = ndimage.gaussian_filter(picture, (1, 1, 0)) + rng.normal(scale=6, size=base.shape)
    return picture.astype(np.uint8), np.clip(np.rint(copy), 0, 255).astype(np.uint8)


def skimage_ssim(a: np.ndarray, b: np.ndarray) -> float:
    return structural_similarity(
        a, b, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        data_range=255,
    )  # fmt: skip


def volume_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of two volumes by a dense 11x11x11 kernel and scipy's replicated borders, float64."""
    x = np.arange(11) - 5
    g = np.exp(-(x**2) / (2 * 1.5**2))
    kernel = g[:, None, None] * g[None, :, None] * g[None, None, :]
    kernel /= kernel.sum()

    def mean(volume: np.ndarray) -> np.ndarray:
        return ndimage.correlate(volume, kernel, mode="nearest")

    a, b = a.astype(np.float64), b.astype(np.float64)
    ma, mb = mean(a), mean(b)
    va, vb, cab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(
        np.mean((2 * ma * mb + c1) * (2 * cab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    )


def direct_cw_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """The measure by full convolutions, one width at a time, in float64."""

    def coefficients(picture: np.ndarray) -> np.ndarray:
        signal = np.asarray(Image.fromarray(picture).convert("L"), np.float64).ravel()
        rows = []
        for width in range(1, 31):
            points = min(10 * width, signal.size)
            t = np.arange(points) - (points - 1) / 2
            hat = 2 / (np.sqrt(3 * width) * np.pi**0.25)
            hat = hat * (1 - t**2 / width**2) * np.exp(-(t**2) / (2 * width**2))
            first = (points - 1) // 2
            rows.append(np.convolve(signal, hat, "full")[first : first + signal.size])
        return np.stack(rows)

    c, d = coefficients(a), coefficients(b)
    total = 0.0
    for x, y in zip(c.T, d.T, strict=True):
        first = (2 * np.sum(abs(x) * abs(y)) + 0.01) / (np.sum(x**2) + np.sum(y**2) + 0.01)
        second = (2 * abs(np.sum(x * y)) + 0.01) / (2 * np.sum(abs(x * y)) + 0.01)
        total += first * second
    return total / c.shape[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_psnr_is_scikit_images(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    a, b = twins(rng, *shape)
    expected = peak_signal_noise_ratio(b, a, data_range=255)
    assert metrics.psnr(a, b) == pytest.approx(expected, abs=1e-9)


def test_psnr_of_a_constant_shift_in_closed_form() -> None:
    dark = np.full((20, 30, 3), 100, np.uint8)
    assert metrics.psnr(dark + 5, dark) == pytest.approx(20 * np.log10(255 / 5), abs=1e-12)
    assert metrics.psnr(dark, dark + 5) == metrics.psnr(dark + 5, dark)


def test_psnr_does_not_overflow_on_a_wide_picture() -> None:
    white, black = np.full((3, 40_000, 3), 255, np.uint8), np.zeros((3, 40_000, 3), np.uint8)
    assert metrics.psnr(white, black) == 0.0


def test_psnr_of_identical_pictures_is_infinite(rng: np.random.Generator) -> None:
    a, _ = twins(rng, 16, 16)
    assert metrics.psnr(a, a.copy()) == float("inf")


@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_is_scikit_images(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    a, b = twins(rng, *shape)
    value = metrics.ssim(a, b)
    assert value == pytest.approx(skimage_ssim(a, b), abs=1e-9)
    assert value is not None
    assert 0.1 < value < 0.99


def test_ssim_holds_on_flat_and_saturated_pictures() -> None:
    a = np.full((40, 40, 3), 255, np.uint8)
    b = a.copy()
    b[:, 20:] = 250
    b[5, 5] = 0
    assert metrics.ssim(a, b) == pytest.approx(skimage_ssim(a, b), abs=1e-9)
    assert metrics.ssim(a, a) == pytest.approx(1.0, abs=1e-12)


def test_ssim_is_none_where_no_window_fits() -> None:
    small = np.zeros((10, 40, 3), np.uint8)
    assert metrics.ssim(small, small) is None
    assert metrics.ssim(small.swapaxes(0, 1), small.swapaxes(0, 1)) is None


@pytest.mark.parametrize("shape", [(24, 31), (7, 13)])
def test_ssim_matlab3d_is_a_dense_volume_filter(
    rng: np.random.Generator, shape: tuple[int, int]
) -> None:
    a, b = twins(rng, *shape)
    assert metrics.ssim_matlab3d(a, b) == pytest.approx(volume_ssim(a, b), abs=1e-9)


def test_ssim_matlab3d_mixes_the_channels(rng: np.random.Generator) -> None:
    """Errors that cancel between channels cost it less than the per-channel measure."""
    a, _ = twins(rng, 32, 32)
    noise = rng.normal(scale=8, size=a.shape)
    noise -= noise.mean(axis=2, keepdims=True)
    b = np.clip(a + noise, 0, 255).astype(np.uint8)
    per_channel = metrics.ssim(a, b)
    assert per_channel is not None
    assert metrics.ssim_matlab3d(a, b) > per_channel + 0.01


@pytest.mark.parametrize("shape", [(12, 17), (20, 30)])
def test_cw_ssim_is_the_direct_convolution(
    rng: np.random.Generator, shape: tuple[int, int]
) -> None:
    """A signal shorter than the longest wavelet (204 < 300 samples), and a longer one."""
    a, b = twins(rng, *shape)
    assert metrics.cw_ssim_1d(a, b) == pytest.approx(direct_cw_ssim(a, b), abs=1e-5)


def test_cw_ssim_joins_its_blocks_without_a_seam(rng: np.random.Generator) -> None:
    a, b = twins(rng, 70, 131)
    assert a.shape[0] * a.shape[1] > 2 * BLOCK
    assert metrics.cw_ssim_1d(a, b) == pytest.approx(direct_cw_ssim(a, b), abs=1e-5)


def test_cw_ssim_reads_rows_and_so_depends_on_the_orientation(rng: np.random.Generator) -> None:
    a, _ = twins(rng, 40, 40)
    smeared = np.clip(ndimage.uniform_filter1d(a.astype(float), 9, axis=1), 0, 255).astype(np.uint8)
    along = metrics.cw_ssim_1d(smeared, a)
    across = metrics.cw_ssim_1d(smeared.swapaxes(0, 1), a.swapaxes(0, 1))
    assert abs(along - across) > 0.01
    assert metrics.cw_ssim_1d(a, a) == pytest.approx(1.0, abs=1e-6)


def test_luminance_is_pillows(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (64, 64, 3), np.uint8)
    expected = np.asarray(Image.fromarray(picture).convert("L"))
    np.testing.assert_array_equal(np.asarray(luminance(picture)), expected)


def test_mexican_hat_has_unit_energy_and_no_mean() -> None:
    hat = mexican_hat(200, 10)
    assert np.sum(hat**2) == pytest.approx(1.0, abs=1e-6)
    assert np.sum(hat) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "measure", [metrics.psnr, metrics.ssim, metrics.ssim_matlab3d, metrics.cw_ssim_1d]
)
def test_pictures_of_another_shape_or_type_are_refused(measure) -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(ValueError):
        measure(picture, np.zeros((16, 15, 3), np.uint8))
    with pytest.raises(ValueError):
        measure(picture, picture.astype(np.float32))


def test_one_shape_compiles_once(rng: np.random.Generator) -> None:
    a, b = twins(rng, 19, 23)
    metrics.ssim(a, b)
    # The function hides its file of the same name.
    ssim_file = importlib.import_module("deblur_jax.evaluation.metrics.ssim")
    before = ssim_file._mean_of_map._cache_size()
    metrics.ssim(b, a)
    assert ssim_file._mean_of_map._cache_size() == before
