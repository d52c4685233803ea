"""What the scores do beside agreeing with their oracles: extremes, refusals, one compilation."""

import importlib

import numpy as np
import oracles
import pytest
from pictures import twins
from PIL import Image
from scipy import ndimage

from deblur_jax.evaluation import metrics
from deblur_jax.evaluation.metrics.cw_ssim import BLOCK, mexican_hat
from deblur_jax.evaluation.metrics.luminance import luminance


def test_psnr_of_a_constant_shift_in_closed_form() -> None:
    dark = np.full((20, 30, 3), 100, np.uint8)
    assert metrics.psnr(dark + 5, dark) == pytest.approx(20 * np.log10(255 / 5), abs=1e-12)
    assert metrics.psnr(dark, dark + 5) == metrics.psnr(dark + 5, dark)


@pytest.mark.parametrize("shape", [(3, 70_000, 3), (70_000, 3, 3)])
def test_psnr_does_not_overflow_on_a_long_picture(shape: tuple[int, ...]) -> None:
    assert 70_000 * 255**2 > 2**32
    assert metrics.psnr(np.full(shape, 255, np.uint8), np.zeros(shape, np.uint8)) == 0.0


def test_ssim_is_none_where_no_window_fits() -> None:
    small = np.zeros((10, 40, 3), np.uint8)
    for measure in (metrics.ssim, metrics.ssim_luminance):
        assert measure(small, small) is None
        assert measure(small.swapaxes(0, 1), small.swapaxes(0, 1)) is None


@pytest.mark.parametrize("shape", [(24, 31), (7, 13)])
def test_ssim_matlab3d_is_a_dense_volume_filter(shape: tuple[int, int]) -> None:
    a, b = twins("astronaut", shape)
    expected = oracles.ssim_matlab3d_dense(a, b)
    assert metrics.ssim_matlab3d(a, b) == pytest.approx(expected, abs=1e-9)


def test_ssim_matlab3d_mixes_the_channels(rng: np.random.Generator) -> None:
    """Errors that cancel between channels cost it less than the per-channel measure."""
    _, a = twins("coffee", (32, 32))
    noise = rng.normal(scale=8, size=a.shape)
    noise -= noise.mean(axis=2, keepdims=True)
    b = np.clip(a + noise, 0, 255).astype(np.uint8)
    per_channel = metrics.ssim(a, b)
    assert per_channel is not None
    assert metrics.ssim_matlab3d(a, b) > per_channel + 0.01


def test_cw_ssim_joins_its_blocks_without_a_seam() -> None:
    a, b = twins("rocket", (70, 131))
    assert a.shape[0] * a.shape[1] > 2 * BLOCK
    assert metrics.cw_ssim_1d(a, b) == pytest.approx(oracles.cw_ssim_1d(a, b), abs=1e-9)


def test_cw_ssim_reads_rows_and_so_depends_on_the_orientation() -> None:
    _, a = twins("rocket", (40, 40))
    smeared = np.clip(ndimage.uniform_filter1d(a.astype(float), 9, axis=1), 0, 255).astype(np.uint8)
    along = metrics.cw_ssim_1d(smeared, a)
    across = metrics.cw_ssim_1d(smeared.swapaxes(0, 1), a.swapaxes(0, 1))
    assert abs(along - across) > 0.01


def test_luminance_is_pillows(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (64, 64, 3), np.uint8)
    expected = np.asarray(Image.fromarray(picture).convert("L"))
    np.testing.assert_array_equal(np.asarray(luminance(picture)), expected)


def test_mexican_hat_has_unit_energy_and_no_mean() -> None:
    hat = mexican_hat(200, 10)
    assert np.sum(hat**2) == pytest.approx(1.0, abs=1e-6)
    assert np.sum(hat) == pytest.approx(0.0, abs=1e-6)


def test_the_batch_of_all_scores_is_the_single_ones() -> None:
    a, b = twins("astronaut", (11, 11))
    found = metrics.scores(a, b)
    assert list(found) == [
        "psnr", "ssim", "ssim_matlab3d", "cw_ssim_1d", "ssim_luminance", "ms_ssim",
    ]  # fmt: skip
    for name, value in found.items():
        assert value == getattr(metrics, name)(a, b)
    assert found["ms_ssim"] is None


@pytest.mark.parametrize(
    "measure",
    [
        metrics.psnr,
        metrics.ssim,
        metrics.ssim_matlab3d,
        metrics.cw_ssim_1d,
        metrics.ssim_luminance,
        metrics.ms_ssim,
    ],
)
def test_pictures_of_another_shape_or_type_are_refused(measure) -> None:
    picture = np.zeros((180, 180, 3), np.uint8)
    for other in (picture[:, :-1], picture.astype(np.float32)):
        with pytest.raises(ValueError):
            measure(picture, other)
    gray = picture[..., 0]
    with pytest.raises(ValueError):
        measure(gray, gray)


def test_one_shape_compiles_once() -> None:
    a, b = twins("noise", (19, 23))
    metrics.ssim(a, b)
    # The function hides its file of the same name.
    ssim_file = importlib.import_module("deblur_jax.evaluation.metrics.ssim")
    before = ssim_file._mean_of_map._cache_size()
    metrics.ssim(b, a)
    assert ssim_file._mean_of_map._cache_size() == before
