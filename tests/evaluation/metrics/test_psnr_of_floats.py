"""PSNR of a network's floats under the three roundings, against numpy and scikit-image."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from deblur_jax.evaluation import metrics


def expected(restored: np.ndarray, reference: np.ndarray, rounding: str) -> float:
    levels = (restored + np.float32(1)) / np.float32(2) * np.float32(255)
    if rounding == "none":
        levels = (restored.astype(np.float64) + 1) / 2 * 255
    elif rounding == "round":
        levels = np.rint(levels.clip(0, 255)).astype(np.uint8)
    else:
        levels = levels.clip(0, 255).astype(np.uint8)
    return peak_signal_noise_ratio(reference.astype(float), levels.astype(float), data_range=255)


@pytest.mark.parametrize("rounding", ["round", "truncate", "none"])
@pytest.mark.parametrize("shape", [(31, 45, 3), (11, 11, 3)])
def test_each_rounding(rng: np.random.Generator, rounding, shape) -> None:
    reference = rng.integers(0, 256, shape, np.uint8)
    noise = rng.normal(scale=0.1, size=shape)
    restored = (reference / 127.5 - 1 + noise).astype(np.float32)
    assert (abs(restored) > 1).any(), "some beyond black and white"
    found = metrics.psnr_of_floats(restored, reference, rounding=rounding)
    assert found == pytest.approx(expected(restored, reference, rounding), abs=1e-6)


def test_the_three_differ_as_computed_by_hand() -> None:
    """Everywhere 0.7 of a grey level too bright on 100, and 10 levels beyond white on 255."""
    reference = np.full((12, 12, 3), 100, np.uint8)
    reference[6:] = 255
    restored = np.full(reference.shape, 100.7 / 127.5 - 1)
    restored[6:] = 265 / 127.5 - 1

    def level(squared_error: float) -> float:
        return 10 * np.log10(255**2 / squared_error)

    def found(rounding) -> float:
        return metrics.psnr_of_floats(restored, reference, rounding=rounding)

    assert found("round") == pytest.approx(level(1 / 2), abs=1e-9)
    assert found("truncate") == float("inf")
    assert found("none") == pytest.approx(level((0.49 + 100) / 2), abs=1e-9)
    assert metrics.psnr_of_floats(restored, reference) == found("round")


def test_rounded_floats_score_as_the_saved_picture_does(rng: np.random.Generator) -> None:
    picture, reference = rng.integers(0, 256, (2, 20, 30, 3), np.uint8)
    floats = (picture / 127.5 - 1).astype(np.float32)
    assert metrics.psnr_of_floats(floats, reference) == pytest.approx(
        metrics.psnr(picture, reference), abs=1e-9
    )
    assert metrics.psnr_of_floats(floats, picture) == float("inf")


def test_truncation_costs_little_below_33_dB(rng: np.random.Generator) -> None:
    reference = rng.integers(40, 216, (64, 64, 3), np.uint8)
    noise = rng.normal(scale=6, size=reference.shape)
    restored = (reference + 6 * (noise - noise.mean()) / noise.std()) / 127.5 - 1
    loss = metrics.psnr_of_floats(restored, reference) - metrics.psnr_of_floats(
        restored, reference, rounding="truncate"
    )
    # Variance 1/12 of either, and half a level of bias: (36 + 1/12 + 1/4) over (36 + 1/12).
    assert loss == pytest.approx(10 * np.log10((36 + 1 / 3) / (36 + 1 / 12)), abs=0.004)
    assert 0 < loss < 0.05


def test_what_is_no_float_picture_is_refused() -> None:
    reference = np.zeros((4, 5, 3), np.uint8)
    good = np.zeros((4, 5, 3), np.float32)
    bad = good.copy()
    bad[1, 2, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        metrics.psnr_of_floats(bad, reference, rounding="none")
    with pytest.raises(ValueError, match="no rounding 'floor'"):
        metrics.psnr_of_floats(good, reference, rounding="floor")  # type: ignore[arg-type]
    for wrong in (reference, good[:-1]):
        with pytest.raises(ValueError, match="expected floating"):
            metrics.psnr_of_floats(wrong, reference)
