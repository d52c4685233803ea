"""The curves against their closed forms and scikit-image's, there and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import color

from deblur_jax.blur import light
from deblur_jax.errors import UsageError

VALUES = np.linspace(0, 1, 256, dtype=np.float32)


def test_srgb_is_that_of_scikit_image():
    """`rgb2xyz` undoes the curve and then multiplies by a matrix, which is taken back here."""
    grays = np.stack([VALUES] * 3, axis=-1)[None]
    expected = color.rgb2xyz(grays) @ np.linalg.inv(color.colorconv.xyz_from_rgb).T
    np.testing.assert_allclose(light.to_light(grays, "srgb"), expected, atol=1e-6)


def test_known_values():
    np.testing.assert_allclose(light.to_light(jnp.asarray([0.5, 0.02]), "srgb")[0], 0.2140411, 1e-5)
    np.testing.assert_allclose(light.to_light(jnp.asarray([0.02]), "srgb"), 0.02 / 12.92, 1e-6)
    np.testing.assert_allclose(light.to_light(jnp.asarray([0.5]), "gamma"), 0.5**2.2, 1e-5)
    np.testing.assert_allclose(light.to_stored(jnp.asarray([0.5]), "gamma"), 0.5 ** (1 / 2.2), 1e-5)
    np.testing.assert_array_equal(light.to_light(VALUES, "stored"), VALUES)


@pytest.mark.parametrize("curve", light.LIGHTS)
def test_there_and_back_and_always_rising(curve):
    there = light.to_light(VALUES, curve)
    np.testing.assert_allclose(light.to_stored(there, curve), VALUES, atol=2e-6)
    assert np.all(np.diff(there) > 0) and there[0] == 0 and there[-1] == pytest.approx(1)


@pytest.mark.parametrize("curve", light.LIGHTS)
def test_gradients_are_finite_where_there_is_light(curve):
    for function in (light.to_light, light.to_stored):
        slopes = jax.vmap(jax.grad(lambda x, f=function: f(x, curve)))(VALUES[1:])
        assert np.all(np.isfinite(slopes)) and np.all(np.asarray(slopes) > 0)


def test_below_zero_is_dark():
    """What a convolution by FFT leaves just below zero is no number's root."""
    for curve in ("gamma", "srgb"):
        assert float(light.to_stored(jnp.asarray(-1e-7), curve)) == 0.0


def test_unknown_curves_are_told():
    for function in (light.to_light, light.to_stored):
        with pytest.raises(UsageError, match="light must be one of stored, gamma, srgb, not 'log'"):
            function(VALUES, "log")
