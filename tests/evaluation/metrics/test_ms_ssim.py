"""Where multi-scale SSIM is defined, and its extremes; its values are in `test_against_oracles`."""

import numpy as np
import pytest
from pictures import LARGE, twins

from deblur_jax.evaluation.metrics.ms_ssim import SMALLEST, WEIGHTS, ms_ssim


def test_identical_pictures_and_negatives() -> None:
    _, a = twins("astronaut", LARGE)
    assert ms_ssim(a, a) == pytest.approx(1.0, abs=1e-12)
    assert ms_ssim(a, 255 - a) == 0.0


@pytest.mark.parametrize("shape", [(11, 11, 3), (175, 300, 3), (300, 175, 3)])
def test_none_below_the_size_that_five_scales_take(shape: tuple[int, ...]) -> None:
    assert SMALLEST == 176
    small = np.zeros(shape, np.uint8)
    assert ms_ssim(small, small) is None


def test_the_papers_weights() -> None:
    assert sum(WEIGHTS) == pytest.approx(1.0001, abs=1e-12)
