"""The artefacts of one picture, of known shifts, spots and checkerboards."""

import numpy as np
import pytest

from deblur_jax.evaluation.metrics.artefacts import artefacts


@pytest.fixture
def blurred(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(60, 190, (64, 80, 3)).astype(np.uint8)


def test_shifts_are_means_in_grey_levels(blurred: np.ndarray) -> None:
    restored = blurred + np.array([3, 0, 7], np.uint8)
    restored[:32, :, 1] -= 5
    found = artefacts(restored, blurred)
    shifts = [found[f"shift_{name}"] for name in ("red", "green", "blue")]
    assert shifts == pytest.approx([3, -2.5, 7], abs=1e-12)
    assert found["clipped"] == 0


def test_clipped_is_the_share_of_new_black_and_white(blurred: np.ndarray) -> None:
    blurred[0, 0] = 255
    restored = blurred.copy()
    restored[:4, :20, 0] = 255
    restored[10:12, :20, 2] = 0
    share = (80 - 1 + 40) / blurred.size
    assert artefacts(restored, blurred)["clipped"] == pytest.approx(share, abs=1e-7)


def test_a_checkerboard_is_a_grid(blurred: np.ndarray, rng: np.random.Generator) -> None:
    noise = rng.integers(-3, 4, blurred.shape)
    board = 4 * (np.indices(blurred.shape[:2]).sum(0) % 2)[..., None]
    clean, grid = (
        artefacts((blurred + change).astype(np.uint8), blurred)["grid"]
        for change in (noise, noise + board)
    )
    assert clean is not None
    assert grid is not None
    assert clean < 6
    assert grid > 12


def test_a_tiny_picture_has_no_grid() -> None:
    tiny = np.full((11, 40, 3), 50, np.uint8)
    found = artefacts(tiny + np.uint8(1), tiny)
    assert found["grid"] is None
    assert found["shift_red"] == 1
