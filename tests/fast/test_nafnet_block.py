"""NAFNet's block in its quick formulation for training, and its gradient, are the plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax import fast
from deblur_jax.fast import nafnet_block
from deblur_jax.models import GeneratorConfig, generator
from deblur_jax.models.layers import PLAIN
from deblur_jax.models.nafnet import Block

CHANNELS = 6


def parameters(rng):
    module = Block(0.0, jnp.float32, PLAIN)
    x = jnp.zeros((1, 8, 8, CHANNELS))
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), x, 0, None))["params"]
    return jax.tree.map(lambda s: rng.normal(0, 0.5, s.shape).astype(np.float32), shapes)


def with_gradients(function, params, x, change):
    y, back = jax.vjp(function, params, x)
    return y, *back(change)


def exact(params, x, change):
    """The plain block and its gradients, in float64."""
    with jax.enable_x64(True):
        params, x, change = jax.tree.map(lambda a: np.asarray(a, np.float64), (params, x, change))
        module = Block(0.0, jnp.float64, PLAIN)
        plain = lambda p, x: module.apply({"params": p}, x, 0, None)[0]  # noqa: E731
        return jax.tree.map(np.asarray, with_gradients(plain, params, x, change))


def quick(params, x, change, dtype=jnp.float32):
    function = lambda p, x: nafnet_block.block(p, x, dtype)  # noqa: E731
    return jax.jit(lambda *a: with_gradients(function, *a))(params, x, change)


# Rows in whole groups of eight, fewer, and some left over.
@pytest.mark.parametrize("size", [(2, 16, 8), (1, 5, 7), (3, 19, 4), (1, 1, 1), (2, 8, 1)])
def test_value_and_every_gradient_are_the_plain_ones(size, rng) -> None:
    params = parameters(rng)
    x, change = rng.normal(0, 1, (2, *size, CHANNELS)).astype(np.float32)
    found, wanted = quick(params, x, change), exact(params, x, change)
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert np.abs(b).max() > 0
        np.testing.assert_allclose(a, b, atol=2e-5 * np.abs(b).max())


def test_large_means_of_pixels_keep_their_digits(rng) -> None:
    params = parameters(rng)
    x, change = rng.normal(0, 1, (2, 1, 8, 8, CHANNELS)).astype(np.float32)
    found, wanted = (f(params, x + 100, change) for f in (quick, exact))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3 * np.abs(b).max())


def test_bfloat16_rounds_products_alone(rng) -> None:
    params = parameters(rng)
    x, change = rng.normal(0, 1, (2, 2, 16, 8, CHANNELS)).astype(np.float32)
    found, wanted = quick(params, x, change, jnp.bfloat16), exact(params, x, change)
    far = 0.0
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == np.float32
        away = np.abs(a - b).max() / np.abs(b).max()
        assert away < 0.05
        far = max(far, away)
    assert far > 1e-3


@pytest.mark.parametrize("remat", [False, True])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_network_trains_with_it(dtype, remat, rng, monkeypatch) -> None:
    config = GeneratorConfig(
        generator="nafnet", norm="none", width=4, blocks=2, outer_blocks=(1, 1), dropout=0.0
    )
    shapes = jax.eval_shape(lambda: generator.init(jax.random.key(0), config))
    params = jax.tree.map(lambda s: rng.normal(0, 0.3, s.shape).astype(np.float32), shapes)
    x, change = rng.normal(0, 0.3, (2, 2, 24, 16, 3)).astype(np.float32)
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    quick, plain = fast.choose_operations()._replace(remat=remat), PLAIN
    assert quick.nafnet_block is nafnet_block.block

    def gradients(operations, dtype):
        def loss(p):
            y, _ = generator.apply_train(
                p, x, config, batch_stats={}, dtype=dtype, operations=operations
            )
            return (y * change).sum()

        return jax.jit(jax.grad(loss))(params)

    near = 1e-4 if dtype == jnp.float32 else 0.1
    found, wanted = gradients(quick, dtype), gradients(plain, jnp.float32)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert np.abs(a - b).max() < near * np.abs(b).max()


def test_where_something_drops_out_the_plain_block_is_taken(rng) -> None:
    def refused(*_):
        raise AssertionError("it has no dropout")

    config = GeneratorConfig(
        generator="nafnet", norm="none", width=4, blocks=1, outer_blocks=(1,), dropout=0.5
    )
    params = generator.init(jax.random.key(0), config)
    x = rng.normal(0, 0.3, (1, 8, 8, 3)).astype(np.float32)
    operations = PLAIN._replace(nafnet_block=refused)
    generator.apply_train(
        params,
        x,
        config,
        batch_stats={},
        keys=jax.random.split(jax.random.key(1), 1),
        operations=operations,
    )
    with pytest.raises(AssertionError):
        generator.apply_train(params, x, config, batch_stats={}, operations=operations)
