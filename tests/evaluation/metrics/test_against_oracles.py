"""Every metric on every kind of picture against its oracle: nine decimals, where 4 and 5 are asked.

Only `grid` is computed in float32; in dB it holds to 1e-4.
"""

import itertools

import numpy as np
import oracles
import pictures
import pytest
from pictures import CASES, KINDS, LARGE, REAL

from deblur_jax.evaluation import metrics
from deblur_jax.evaluation.metrics.artefacts import artefacts

PER_PICTURE = ("psnr", "ssim", "ssim_matlab3d", "cw_ssim_1d", "ssim_luminance")
ROUNDINGS = ("round", "truncate", "none")


def agrees(name: str, a: np.ndarray, b: np.ndarray) -> float | None:
    """The metric's value, once it has been found to be the oracle's."""
    found, expected = getattr(metrics, name)(a, b), getattr(oracles, name)(a, b)
    assert (found is None) == (expected is None)
    if found is not None:
        assert found == pytest.approx(expected, abs=1e-9)
    return found


@pytest.mark.parametrize(("kind", "size"), CASES)
@pytest.mark.parametrize("name", PER_PICTURE)
def test_score(name: str, kind: str, size: tuple[int, int]) -> None:
    a, b = pictures.twins(kind, size)
    agrees(name, a, b)
    same = agrees(name, b, b)
    if same is not None:
        assert same == pytest.approx(np.inf if name == "psnr" else 1, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_ms_ssim(kind: str) -> None:
    value = agrees("ms_ssim", *pictures.twins(kind, LARGE))
    assert value is not None
    if kind in REAL:
        assert 0.5 < value < 0.999
    assert agrees("ms_ssim", *pictures.twins(kind, (11, 11))) is None


@pytest.mark.parametrize("kind", ["noise", "step", *REAL])
def test_ms_ssim_is_tensorflows(kind: str) -> None:
    """Its floats have 32 bits: on bright flat pictures it is off by more (4e-5)."""
    tf = pytest.importorskip("tensorflow")
    a, b = pictures.twins(kind, LARGE)
    grays = (oracles.gray(picture)[None, ..., None] for picture in (a, b))
    theirs = float(tf.image.ssim_multiscale(*grays, 255)[0])
    assert metrics.ms_ssim(a, b) == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize(("kind", "size"), CASES)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_psnr_of_floats(rounding, kind: str, size: tuple[int, int]) -> None:
    picture, reference = pictures.twins(kind, size)
    noise = np.random.default_rng(1).normal(scale=0.02, size=picture.shape)
    for scale, dtype in itertools.product((0, 1), (np.float32, np.float64)):
        restored = (picture / 127.5 - 1 + scale * noise).astype(dtype)
        found = metrics.psnr_of_floats(restored, reference, rounding=rounding)
        expected = oracles.psnr_of_floats(restored, reference, rounding)
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("kind", "size"), CASES)
def test_artefacts(kind: str, size: tuple[int, int]) -> None:
    restored, blurred = pictures.twins(kind, size)
    agree(artefacts(restored, blurred), oracles.artefacts(restored, blurred))


def agree(found: dict[str, float | None], expected: dict[str, float | None]) -> None:
    assert list(found) == list(expected)
    grid = found["grid"], expected["grid"]
    assert [value is None for value in grid] in ([True, True], [False, False])
    if None not in grid:
        assert grid[0] == pytest.approx(grid[1], abs=1e-4)
    for name in ("shift_red", "shift_green", "shift_blue"):
        assert found[name] == pytest.approx(expected[name], abs=1e-9)
    assert found["clipped"] == pytest.approx(expected["clipped"], abs=1e-7)


def test_all_of_a_real_pair(shared_data) -> None:
    blurred, sharp = pictures.gopro(shared_data)
    for name in (*PER_PICTURE, "ms_ssim"):
        agrees(name, blurred, sharp)
    agree(artefacts(sharp, blurred), oracles.artefacts(sharp, blurred))
    restored = (blurred / 127.5 - 1).astype(np.float32)
    for rounding in ROUNDINGS:
        expected = oracles.psnr_of_floats(restored, sharp, rounding)
        found = metrics.psnr_of_floats(restored, sharp, rounding=rounding)
        assert found == pytest.approx(expected, abs=1e-6)


def test_two_flat_pictures_in_closed_form() -> None:
    """With no variance only the means are left: (2ab + C1) / (a^2 + b^2 + C1)."""
    a, b = (np.full((176, 181, 3), level, np.uint8) for level in (200, 50))
    level = (2 * 200 * 50 + 6.5025) / (200**2 + 50**2 + 6.5025)
    for name in ("ssim", "ssim_matlab3d", "ssim_luminance"):
        assert getattr(metrics, name)(a, b) == pytest.approx(level, abs=1e-9)
    assert metrics.ms_ssim(a, b) == pytest.approx(level**0.1333, abs=1e-9)
    assert metrics.psnr(a, b) == pytest.approx(20 * np.log10(255 / 150), abs=1e-9)
