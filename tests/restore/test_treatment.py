"""How much of a restoration is taken, against Pillow's YCbCr and a closed form."""

import numpy as np
import pytest
from PIL import Image

from deblur_jax.errors import UsageError
from deblur_jax.restore.treatment import AS_IT_IS, Treatment


@pytest.fixture
def two(rng):
    blurred = rng.uniform(0.3, 0.7, (20, 30, 3)).astype(np.float32)
    return blurred, (blurred + rng.uniform(-0.1, 0.1, blurred.shape)).astype(np.float32)


def test_all_of_it_is_the_restoration_itself(two):
    assert AS_IT_IS.apply(*two) is two[1]


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 1.0])
def test_strength_is_a_weighted_mean(two, strength):
    blurred, restored = (each.astype(np.float64) for each in two)
    expected = (1 - strength) * blurred + strength * restored
    np.testing.assert_allclose(Treatment(strength).apply(*two), expected, atol=1e-6)


def test_luminance_alone_keeps_the_colours_and_takes_the_luma(two):
    blurred, restored = two
    result = Treatment(luminance_only=True).apply(blurred, restored)

    def ycbcr(unit):
        return np.asarray(Image.fromarray(np.rint(255 * unit).astype(np.uint8)).convert("YCbCr"))

    before, wanted, found = (ycbcr(each).astype(int) for each in (blurred, restored, result))
    assert np.abs(found[..., 1:] - before[..., 1:]).max() <= 1  # 8 bits
    assert np.abs(found[..., 0] - wanted[..., 0]).max() <= 1
    assert np.abs(wanted[..., 1:] - before[..., 1:]).max() > 5


def test_results_stay_within_the_range(rng):
    blurred = rng.uniform(size=(8, 8, 3)).astype(np.float32)
    restored = rng.uniform(size=(8, 8, 3)).astype(np.float32)
    result = Treatment(0.9, luminance_only=True).apply(blurred, restored)
    assert result.min() >= 0 and result.max() <= 1 and result.dtype == np.float32


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan"), float("inf")])
def test_an_impossible_strength_is_refused(strength):
    with pytest.raises(UsageError, match="it can be 0 to 1"):
        Treatment(strength)
