"""The quick layers against the plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from deblur_jax.fast import layers
from deblur_jax.models.layers import Upsample, instance_norm


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (5, 7), (16, 16), (31, 33)])
@pytest.mark.parametrize("mean", [0.0, 300.0])
def test_instance_norm_keeps_its_digits_at_a_large_mean(size, mean, rng) -> None:
    x = rng.normal(mean, 1, (2, *size, 3)).astype(np.float32)
    scale, shift = layers.instance_scale(x, 1e-5)
    assert scale.shape == shift.shape == (2, 1, 1, 3)
    exact = x.astype(np.float64) - x.astype(np.float64).mean((1, 2), keepdims=True)
    exact /= np.sqrt((exact**2).mean((1, 2), keepdims=True) + 1e-5)
    plain = np.asarray(instance_norm(jnp.asarray(x), 1e-5))
    # The float32 numbers themselves are 3e-5 apart at 300.
    bound = max(2e-6, 2 * np.abs(plain - exact).max()) + 1e-4 * (mean > 0)
    np.testing.assert_allclose(np.asarray(x * scale + shift), exact, atol=bound)


@pytest.mark.parametrize("place", [(0, 0), (5, 9), (63, 63)])
def test_one_pixel_far_from_all_others_costs_no_digits(place, rng) -> None:
    x = rng.normal(0, 1e-3, (1, 64, 64, 1)).astype(np.float32)
    x[0, *place] = 30.0
    scale, _ = layers.instance_scale(x, 1e-5)
    exact = 1 / np.sqrt(x.astype(np.float64).var() + 1e-5)
    np.testing.assert_allclose(float(scale.squeeze()), exact, rtol=1e-4)


def test_a_flat_channel_stays_finite() -> None:
    x = np.full((1, 8, 8, 2), 3.0, np.float32)
    scale, shift = layers.instance_scale(x, 1e-5)
    np.testing.assert_allclose(np.asarray(x * scale + shift), 0, atol=1e-3)


@pytest.mark.parametrize("kind", ["transpose", "transpose_same"])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 4), (7, 3)])
@pytest.mark.parametrize("cached", [1, 700, layers.CACHED])
def test_doubling(kind, size, cached, rng, monkeypatch) -> None:
    monkeypatch.setattr(layers, "CACHED", cached)
    x = rng.uniform(-1, 1, (2, *size, 6)).astype(np.float32)
    module = Upsample(3, kind, jnp.float32)
    variables = module.init(jax.random.key(0), x)
    kernel = variables["params"]["ConvTranspose_0"]["kernel"]
    y = layers.double(x, layers.by_taps(kernel), kind)
    np.testing.assert_allclose(np.asarray(y), np.asarray(module.apply(variables, x)), atol=1e-6)


@pytest.mark.parametrize("size", [(7, 7), (8, 11), (20, 9)])
@pytest.mark.parametrize("cached", [1, 15_000, layers.CACHED])
def test_convolving_to_few_channels(size, cached, rng, monkeypatch) -> None:
    monkeypatch.setattr(layers, "CACHED", cached)
    x = rng.uniform(-1, 1, (2, *size, 5)).astype(np.float32)
    module = nn.Conv(3, (7, 7), padding="VALID", use_bias=False)
    kernel = rng.normal(0, 0.1, (7, 7, 5, 3)).astype(np.float32)
    expected = module.apply({"params": {"kernel": kernel}}, x)
    np.testing.assert_allclose(
        np.asarray(layers.convolve_to_few(x, kernel)), np.asarray(expected), atol=2e-6
    )


@pytest.mark.parametrize("size", [(7, 7), (8, 11), (20, 10)])
@pytest.mark.parametrize("kernel_size", [(7, 7), (3, 4)])
def test_convolving_from_few_channels(size, kernel_size, rng) -> None:
    x = rng.uniform(-1, 1, (2, *size, 3)).astype(np.float32)
    kernel = rng.normal(0, 0.1, (*kernel_size, 3, 5)).astype(np.float32)
    expected = layers.convolve(x, kernel)
    found = layers.convolve_from_few(x, kernel)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=2e-6)
