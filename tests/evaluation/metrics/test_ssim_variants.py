"""How far the numbers that others call the SSIM of the luminance lie from `ssim_luminance`."""

import numpy as np
import pytest
from oracles import OPTIONS, gray
from pictures import twins
from skimage.metrics import structural_similarity

from deblur_jax.evaluation import metrics


def test_it_is_blind_to_a_colour_that_leaves_the_luminance() -> None:
    """And so it is another number than the per-channel one."""
    a = np.full((20, 20, 3), 100, np.uint8)
    b = a + np.array([50, 0, 0], np.uint8) - np.array([0, 26, 0], np.uint8)
    b[..., 2] += 3
    assert metrics.ssim_luminance(a, b) == pytest.approx(1.0, abs=1e-5)
    per_channel = metrics.ssim(a, b)
    assert per_channel is not None
    assert per_channel < 0.97


def test_what_others_call_luminance_is_another_number() -> None:
    """pyssim mirrors the picture outwards; BasicSR's Y has studio range and is not rounded."""
    a, b = twins("astronaut", (150, 211))
    ours = metrics.ssim_luminance(a, b)
    _, full = structural_similarity(gray(a), gray(b), full=True, **OPTIONS)
    studio = [picture @ np.array([65.481, 128.553, 24.966]) / 255 + 16 for picture in (a, b)]
    others = [full.mean(), structural_similarity(*studio, **OPTIONS)]
    for other in others:
        assert 1e-5 < abs(other - ours) < 0.03
