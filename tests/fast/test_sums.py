"""Sums over pixels and the instance norm made of them, to the third derivative, under pmap too."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from deblur_jax import fast, models
from deblur_jax.fast import sums
from deblur_jax.models.layers import instance_norm

SIZES = [(1, 1), (3, 5), (4, 4), (8, 6), (17, 9)]


@pytest.mark.parametrize("size", SIZES)
def test_totals_and_what_is_spread(size, rng) -> None:
    x = rng.normal(size=(2, *size, 3)).astype(np.float32)
    found = sums.total(x)
    assert found.shape == (2, 1, 1, 3)
    np.testing.assert_allclose(found[:, 0, 0], x.astype(np.float64).sum((1, 2)), atol=1e-5)
    np.testing.assert_array_equal(sums.spread(found, size), np.broadcast_to(found, x.shape))


@pytest.mark.parametrize("size", SIZES)
def test_each_is_the_other_s_derivative(size, rng) -> None:
    x, weights = rng.normal(size=(2, 2, *size, 3)).astype(np.float32)
    once = jax.grad(lambda x: (sums.total(x)[:, 0, 0] * weights[:, 0, 0]).sum())(x)
    np.testing.assert_allclose(once, np.broadcast_to(weights[:, :1, :1], x.shape), atol=1e-6)
    values = x[:, :1, :1]
    back = jax.grad(lambda v: (sums.spread(v, size) * weights).sum())(values)
    np.testing.assert_allclose(back, weights.sum((1, 2), keepdims=True), atol=1e-5)


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_norm_and_its_derivatives_are_the_plain_ones(size, order, rng) -> None:
    """In float64, where nothing but the formula can differ; a penalty takes the second."""
    with jax.enable_x64(True):
        x, weights = rng.normal(size=(2, 2, *size, 3))

        def measured(norm, x):
            scalar = lambda x: (jnp.tanh(norm(x, 1e-5)) * weights).sum()  # noqa: E731
            if order == 0:
                return norm(x, 1e-5)
            first = jax.grad(scalar)
            return first(x) if order == 1 else jax.grad(lambda x: jnp.square(first(x)).sum())(x)

        found, expected = (
            np.asarray(jax.jit(partial(measured, norm))(x))
            for norm in (sums.instance_norm, instance_norm)
        )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_half_precision_keeps_its_type_and_its_statistics(rng) -> None:
    x = jnp.asarray(rng.normal(3, 1, (1, 8, 8, 2)), jnp.bfloat16)
    found = sums.instance_norm(x, 1e-5)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(
        np.asarray(found, np.float32), np.asarray(instance_norm(x, 1e-5), np.float32)
    )


def test_a_checked_shard_map_takes_it(rng) -> None:
    mesh = Mesh(np.array(jax.devices()[:2]), ("devices",))
    x = rng.normal(size=(2, 6, 6, 3)).astype(np.float32)
    gradient = jax.grad(lambda x: jnp.tanh(sums.instance_norm(x, 1e-5)).sum())
    spec = PartitionSpec("devices")
    mapped = jax.shard_map(gradient, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=True)
    np.testing.assert_allclose(np.asarray(mapped(x)), np.asarray(gradient(x)), atol=1e-6)


@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_the_norm_in_one_pass_is_the_one_in_two(rng, mean):
    x = jnp.asarray(mean + rng.normal(size=(2, 9, 7, 5)), jnp.float32)
    exact = np.float64(x) - np.float64(x).mean((1, 2), keepdims=True)
    exact /= np.sqrt(np.square(exact).mean((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(sums.instance_norm_once(x, 1e-5), exact, atol=1e-5)
    flat = jnp.full((1, 4, 4, 2), mean)
    np.testing.assert_array_equal(sums.instance_norm_once(flat, 1e-5), 0)


def test_accelerators_take_it_when_they_restore(rng, monkeypatch):
    monkeypatch.delenv("DEBLUR_JAX_PLAIN", raising=False)
    config = models.GeneratorConfig(width=4, blocks=1)
    params = models.init_generator(jax.random.key(0), config)
    x = jnp.asarray(rng.uniform(-1, 1, (1, 16, 16, 3)), jnp.float32)
    prepared, function = fast.choose_forward(params, config, platform="gpu")
    expected = models.apply_generator(params, x, config)
    np.testing.assert_allclose(function(prepared, x), expected, atol=1e-4)
    counted = [str(jax.make_jaxpr(f)(x)).count("max") for f in (
        lambda x: function(prepared, x), lambda x: models.apply_generator(params, x, config)
    )]  # fmt: skip
    assert counted[0] > counted[1]  # the variance's
