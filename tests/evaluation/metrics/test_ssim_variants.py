"""Luminance SSIM against scikit-image on Pillow's gray picture, and how far others' lie from it."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import data
from skimage.metrics import structural_similarity

from deblur_jax.data.pairs import find_pairs, read_pair
from deblur_jax.evaluation import metrics

OPTIONS = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
}


def gray(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).convert("L"))


def real(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    sharp = data.astronaut()[:height, :width]
    return np.rint(ndimage.gaussian_filter(sharp.astype(float), (2, 1, 0))).astype(np.uint8), sharp


def twins(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if kind == "noise":
        a, b = rng.integers(0, 256, (2, 40, 53, 3), np.uint8)
        return a, b
    if kind == "flat":
        a = np.full((30, 30, 3), (250, 3, 128), np.uint8)
        b = a.copy()
        b[4, 7] = 0
        b[:, 15:] += 2
        return a, b
    return real(11, 11) if kind == "tiny" else real(150, 211)


@pytest.mark.parametrize("kind", ["noise", "flat", "tiny", "real"])
def test_luminance_is_scikit_images_on_pillows_gray(kind: str, rng: np.random.Generator) -> None:
    a, b = twins(kind, rng)
    expected = structural_similarity(gray(a), gray(b), **OPTIONS)
    assert metrics.ssim_luminance(a, b) == pytest.approx(expected, abs=1e-9)
    per_channel = structural_similarity(a, b, channel_axis=2, **OPTIONS)
    assert metrics.ssim(a, b) == pytest.approx(per_channel, abs=1e-9)
    assert metrics.psnr(a, b) == pytest.approx(
        10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)), abs=1e-9
    )


def test_it_is_blind_to_a_colour_that_leaves_the_luminance() -> None:
    """And so it is another number than the per-channel one."""
    a = np.full((20, 20, 3), 100, np.uint8)
    b = a + np.array([50, 0, 0], np.uint8) - np.array([0, 26, 0], np.uint8)
    b[..., 2] += 3
    assert metrics.ssim_luminance(a, b) == pytest.approx(1.0, abs=1e-3)
    per_channel = metrics.ssim(a, b)
    assert per_channel is not None
    assert per_channel < 0.97


def test_none_where_no_window_fits_and_other_shapes_refused() -> None:
    small = np.zeros((10, 40, 3), np.uint8)
    assert metrics.ssim_luminance(small, small) is None
    with pytest.raises(ValueError):
        metrics.ssim_luminance(small, small[:, :-1])


def test_what_others_call_luminance_is_another_number() -> None:
    """pyssim mirrors the picture outwards; BasicSR's Y has studio range and is not rounded."""
    a, b = real(150, 211)
    ours = metrics.ssim_luminance(a, b)
    _, full = structural_similarity(gray(a), gray(b), full=True, **OPTIONS)
    studio = [picture @ np.array([65.481, 128.553, 24.966]) / 255 + 16 for picture in (a, b)]
    others = [full.mean(), structural_similarity(*studio, **OPTIONS)]
    for other in others:
        assert 1e-5 < abs(other - ours) < 0.02


def test_the_batch_of_all_scores_is_the_single_ones(rng: np.random.Generator) -> None:
    a, b = twins("tiny", rng)
    found = metrics.scores(a, b)
    assert list(found) == [
        "psnr", "ssim", "ssim_matlab3d", "cw_ssim_1d", "ssim_luminance", "ms_ssim",
    ]  # fmt: skip
    for name, value in found.items():
        assert value == getattr(metrics, name)(a, b)
    assert found["ms_ssim"] is None


def test_real_pairs(shared_data) -> None:
    pair = find_pairs(shared_data / "gopro_dev" / "test")[0]
    a, b = (picture[:200, :300] for picture in read_pair(pair))
    expected = structural_similarity(gray(a), gray(b), **OPTIONS)
    assert metrics.ssim_luminance(a, b) == pytest.approx(expected, abs=1e-9)
