"""The whole way from a key to a blurred picture, against plain loops in numpy."""

import functools

import jax
import numpy as np
import pytest
from scipy import ndimage

from deblur_jax.blur import psf, trajectory, trajectory_blur
from deblur_jax.blur.light import to_light, to_stored

CANVAS, STEPS, LENGTH = 16, 120, 14.0
blur = jax.jit(
    functools.partial(trajectory_blur, canvas=CANVAS, iterations=STEPS, length=LENGTH),
    static_argnames=("constants", "light", "margin", "normalize"),
)


@pytest.fixture
def picture(rng):
    return rng.uniform(size=(40, 44, 3)).astype(np.float32)


def numpy_path(key, constants, expl):
    """Algorithm 1 step by step, with complex numbers, on the key's own random numbers."""
    character_key, shakes_key = jax.random.split(key)
    character = trajectory.draw_character(character_key, constants, expl)
    impulse, turn, normal_x, normal_y = (
        np.asarray(v, np.float64) for v in trajectory.draw_shakes(shakes_key, STEPS)
    )
    expl, inertia, big, gauss, angle = (float(v) for v in character)
    step, x = LENGTH / (STEPS - 1), [0j]
    v = np.exp(1j * angle) * (expl if constants == "code" else step)
    for t in range(STEPS - 1):
        pull = gauss * (normal_x[t] + 1j * normal_y[t])
        pull -= inertia * x[-1] * (step if constants == "paper" else 1)
        dv = expl * pull * (step if constants == "code" else 1)
        if impulse[t] < big * expl:
            dv += 2 * v * np.exp(1j * (np.pi + turn[t] - 0.5))
        v = (v + dv) / abs(v + dv) * step
        x.append(x[-1] + v)
    return np.array(x)


def numpy_kernel(path, exposure):
    weights = np.clip(exposure * STEPS - np.arange(STEPS), 0, 1)
    path = path - (weights * path).sum() / weights.sum() + (1 + 1j) * (CANVAS // 2)
    kernel = np.zeros((CANVAS, CANVAS))
    for position, weight in zip(path, weights, strict=True):
        for row in range(CANVAS):
            for column in range(CANVAS):
                near_x = max(0, 1 - abs(column - position.real))
                kernel[row, column] += weight * near_x * max(0, 1 - abs(row - position.imag))
    return kernel / weights.sum()


@pytest.mark.parametrize(
    ("constants", "light", "exposure"),
    [("code", "stored", 1.0), ("code", "srgb", 0.4), ("paper", "stored", 0.62)],
)
def test_the_mapped_program_equals_loops(picture, constants, light, exposure):
    """vmap under jit over two keys; path, splat and convolution each a loop on the other side."""
    expl = 0.05
    keys = jax.random.split(jax.random.key(11), 2)
    pictures = np.stack([picture, picture[::-1]])
    options = {"constants": constants, "light": light, "expl": expl, "exposure": exposure}
    actual = jax.jit(jax.vmap(functools.partial(blur, **options)))(keys, pictures)
    # The inverse of a curve amplifies rounding near black.
    tolerance = 1e-5 if light == "stored" else 3e-5
    for key, sharp, blurred in zip(keys, pictures, actual, strict=True):
        kernel = numpy_kernel(numpy_path(key, constants, expl), exposure)
        assert kernel.sum() == pytest.approx(1.0, abs=1e-9)  # nothing has left the canvas
        exposed = np.asarray(to_light(sharp, light), np.float64)
        expected = ndimage.convolve(exposed, kernel[..., None], mode="mirror")
        expected = np.asarray(to_stored(expected.astype(np.float32), light))
        np.testing.assert_allclose(blurred, expected, atol=tolerance)


def test_the_same_key_gives_the_same_bits(picture):
    one, same, other = (np.asarray(blur(jax.random.key(k), picture)) for k in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.01


def test_shorter_exposures_blur_less_and_are_dark_only_when_asked(picture):
    key, errors = jax.random.key(2), []
    for exposure in (0.05, 0.4, 1.0):
        bright = blur(key, picture, exposure=exposure)
        errors.append(float(np.mean((bright - picture) ** 2)))
        dark = blur(key, picture, exposure=exposure, normalize=False)
        np.testing.assert_allclose(dark, exposure * bright, atol=2e-5)
        assert float(bright.mean()) == pytest.approx(picture.mean(), abs=0.01)
    assert errors[0] < errors[1] < errors[2]


def test_no_way_is_the_identity(picture):
    still = blur(jax.random.key(0), picture, length=0.0)
    np.testing.assert_allclose(still, picture, atol=2e-6)
    cut = blur(jax.random.key(0), picture, length=0.0, margin=CANVAS // 2)
    np.testing.assert_allclose(cut, picture[8:-8, 8:-8], atol=2e-6)


@pytest.mark.parametrize("exposure", [0.03, 0.5, 1.0])
def test_the_centroid_of_what_is_exposed_is_the_middle(exposure):
    path = trajectory.sample_trajectory(jax.random.key(5), length=12.0, iterations=300, expl=0.01)
    weights = psf.time_weights(300, exposure)
    placed = trajectory.centre(path, canvas=32, weights=weights)
    kernel = np.asarray(psf.rasterize(placed, canvas=32, exposure=exposure), np.float64)
    rows, columns = np.mgrid[:32, :32]
    assert (kernel * columns).sum() == pytest.approx(16.0, abs=1e-4)
    assert (kernel * rows).sum() == pytest.approx(16.0, abs=1e-4)
