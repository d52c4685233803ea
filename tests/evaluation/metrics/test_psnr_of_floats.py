"""PSNR of a network's floats: worked values, refusals, what rounding costs."""

import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax.evaluation import metrics


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


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_half_precision_counts_as_the_float32_that_it_is(rng: np.random.Generator, dtype) -> None:
    reference = rng.integers(0, 256, (20, 30, 3), np.uint8)
    half = (reference / 127.5 - 1 + rng.normal(scale=0.05, size=reference.shape)).astype(dtype)
    for rounding in ("round", "truncate", "none"):
        expected = metrics.psnr_of_floats(half.astype(np.float32), reference, rounding=rounding)
        assert metrics.psnr_of_floats(half, reference, rounding=rounding) == expected


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
