"""Convolution against scipy; the authors' blur against its own steps in scipy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, signal

from deblur_jax.blur import apply
from deblur_jax.errors import UsageError


@pytest.fixture
def picture(rng):
    return rng.uniform(size=(40, 52, 3)).astype(np.float32)


@pytest.mark.parametrize("shape", [(7, 7), (9, 5), (1, 3)])
def test_convolve_equals_scipy_with_mirrored_borders(picture, rng, shape):
    kernel = rng.uniform(size=shape).astype(np.float32)
    kernel /= kernel.sum()
    expected = ndimage.convolve(picture.astype(np.float64), kernel[..., None], mode="mirror")
    np.testing.assert_allclose(apply.convolve(picture, kernel), expected, atol=2e-6)


def test_even_kernels_have_their_origin_at_half(picture):
    kernel = np.zeros((6, 4), np.float32)
    kernel[3, 2] = 1.0
    np.testing.assert_allclose(apply.convolve(picture, kernel), picture, atol=2e-6)


def test_kernels_larger_than_the_picture(picture):
    """Mirrored again and again, as scipy does."""
    small, kernel = picture[:6, :9], np.full((15, 17), 1 / 255, np.float32)
    expected = ndimage.convolve(small.astype(np.float64), kernel[..., None], mode="mirror")
    np.testing.assert_allclose(apply.convolve(small, kernel), expected, atol=2e-6)


@pytest.mark.parametrize("margin", [1, 3, 9])
@pytest.mark.parametrize("shape", [(8, 8), (7, 5)])
def test_a_margin_stands_in_for_the_border(picture, rng, shape, margin):
    """Less than the kernel reaches, as much, and more: always the middle of the whole."""
    kernel = rng.uniform(size=shape).astype(np.float32)
    inner = picture[margin:-margin, margin:-margin]
    actual = apply.convolve(picture, kernel, margin=margin)
    assert actual.shape == inner.shape
    sides = [k // 2 for k in shape]
    whole = np.asarray(apply.convolve(picture, kernel))
    expected = whole[margin:-margin, margin:-margin]
    rows = slice(max(0, sides[0] - margin), inner.shape[0] - max(0, sides[0] - margin))
    columns = slice(max(0, sides[1] - margin), inner.shape[1] - max(0, sides[1] - margin))
    np.testing.assert_allclose(actual[rows, columns], expected[rows, columns], atol=1e-4)
    if margin >= max(sides):
        np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize(("size", "filled"), [(1, 1), (7, 8), (302, 320), (319, 320), (361, 375)])
def test_transforms_have_quick_sizes(size, filled):
    assert apply._smooth(size) == filled


def test_delta_is_identity_also_in_linear_light_and_batched(picture):
    kernel = np.zeros((5, 5), np.float32)
    kernel[2, 2] = 1.0
    batch = np.stack([picture, picture[::-1]])
    np.testing.assert_allclose(apply.convolve(batch, kernel), batch, atol=2e-6)
    for light in ("gamma", "srgb"):
        # The curves' inverses amplify the FFT's rounding near black.
        linear = apply.convolve(picture, kernel, light=light)
        np.testing.assert_allclose(linear, picture, atol=2e-3)


def test_linear_light_averages_light():
    """Half black, half white is 0.5 in stored values and 0.5 ** (1 / 2.2) = .7297 in light."""
    stripes = np.zeros((8, 8, 3), np.float32)
    stripes[:, ::2] = 1.0
    kernel = np.float32([[0.25, 0.5, 0.25]])
    np.testing.assert_allclose(apply.convolve(stripes, kernel)[4, 4], 0.5, atol=1e-5)
    gamma = apply.convolve(stripes, kernel, light="gamma")[4, 4]
    np.testing.assert_allclose(gamma, 0.5 ** (1 / 2.2), atol=1e-5)
    srgb = apply.convolve(stripes, kernel, light="srgb")[4, 4]
    np.testing.assert_allclose(srgb, 1.055 * 0.5 ** (1 / 2.4) - 0.055, atol=1e-5)


@pytest.mark.parametrize(("side", "canvas"), [(40, 16), (41, 16), (40, 15), (41, 15)])
def test_official_blur_equals_its_steps(rng, side, canvas):
    picture = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    kernel = rng.uniform(size=(canvas, canvas)) ** 8
    delta = (side - canvas) // 2
    padded = np.pad(kernel, delta)
    padded = (padded - padded.min()) / (padded.max() - padded.min())
    # Zero padding makes the smallest value zero; without any it is the kernel's own.
    stretched = (kernel - kernel.min()) / (kernel.max() - kernel.min())
    padded[delta : delta + canvas, delta : delta + canvas] = stretched
    unit = (picture - picture.min()) / (int(picture.max()) - int(picture.min()))
    blurred = np.stack(
        [signal.fftconvolve(unit[..., c], padded, mode="same") for c in range(3)], axis=-1
    )
    expected = (blurred - blurred.min()) / (blurred.max() - blurred.min())
    actual = apply.official_blur(jnp.asarray(picture), jnp.asarray(kernel, jnp.float32))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_official_blur_has_dark_borders(rng):
    kernel = np.zeros((17, 17), np.float32)
    kernel[8] = 1.0
    blurred = np.asarray(
        apply.official_blur(np.full((32, 32, 3), 9.0) + np.eye(32)[..., None], kernel)
    )
    assert blurred[:, 0].mean() < 0.7 * blurred[:, 16].mean()


def test_bad_calls_are_told(picture):
    with pytest.raises(UsageError, match="dimensions"):
        apply.convolve(picture, jnp.zeros((3, 3, 3)))
    with pytest.raises(UsageError, match="margin of 20 leaves nothing of 52x40"):
        apply.convolve(picture, jnp.ones((3, 3)), margin=20)
    with pytest.raises(UsageError, match="at least 64x64"):
        apply.official_blur(picture, jnp.zeros((64, 64)))
