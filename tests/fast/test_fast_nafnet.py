"""The quick network of NAFNet's blocks is the plain one, at every size and in every shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax import fast, models
from deblur_jax.fast import nafnet
from deblur_jax.models import GeneratorConfig, generator
from deblur_jax.models.extent import Extent
from deblur_jax.weights import registry

SHAPES = [
    {},
    {"blocks": 0},
    {"outer_blocks": (0,)},
    {"outer_blocks": (1, 0, 2)},
    {"output": "tanh"},
    {"output": "average"},
    {"dropout": 0.5},
]


def config_of(shape: dict) -> GeneratorConfig:
    plain = {"generator": "nafnet", "norm": "none", "width": 8, "blocks": 2, "dropout": 0.0}
    return GeneratorConfig(**(plain | {"outer_blocks": (1, 2)} | shape))


def drawn(config: GeneratorConfig, rng: np.random.Generator):
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    return jax.tree.map(lambda s: rng.normal(0, 0.2, s.shape).astype(np.float32), shapes)


def exact(params, config, x):
    """The plain network in float64: its residual, which no output mode has clipped."""
    with jax.enable_x64(True):
        wide = lambda tree: jax.tree.map(lambda a: np.asarray(a, np.float64), tree)  # noqa: E731
        module = generator._module(config, False, np.float64)
        return np.asarray(module.apply({"params": wide(params)}, wide(x), None))


def assert_close(y, wanted):
    """But for rounding, by the largest value: activations have one scale."""
    assert np.abs(y - wanted).max() < 1e-5 * np.abs(wanted).max() and np.abs(wanted).max() > 0.05


def quick(params, config, x, extent=None):
    """The same of `fast.nafnet`."""
    return np.asarray(
        jax.jit(lambda p, z: nafnet.apply(p, z, config, extent))(nafnet.prepare(params), x)
    )


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: ",".join(map(str, s.values())) or "usual")
@pytest.mark.parametrize("size", [(1, 16, 16), (2, 32, 48), (1, 48, 16)])
def test_equal_to_the_plain_network_in_float64(shape, size, rng) -> None:
    config = config_of(shape)
    params = drawn(config, rng)
    x = rng.uniform(-1, 1, (*size, 3)).astype(np.float32)
    wanted = exact(params, config, x)
    assert_close(quick(params, config, x), wanted)
    prepared, forward = fast.choose_forward(params, config, platform="cpu")
    y = models.apply_generator(params, x, config)
    np.testing.assert_allclose(jax.jit(forward)(prepared, x), y, atol=1e-5)


def test_a_picture_in_a_larger_array_is_as_alone(rng) -> None:
    config = config_of({})
    params = drawn(config, rng)
    x = rng.uniform(-1, 1, (2, 32, 24, 3)).astype(np.float32)
    frame = np.zeros((2, 48, 64, 3), np.float32)
    frame[:, :32, :24] = x
    extent = Extent(np.full(2, 32), np.full(2, 24), (48, 64))
    y = quick(params, config, frame, extent)[:, :32, :24]
    assert_close(y, quick(params, config, x))


def test_large_means_keep_their_digits(rng) -> None:
    """A norm's mean is taken away by the kernel behind it: what cancels there must be small."""
    config = config_of({"blocks": 1, "outer_blocks": (1,)})
    params = drawn(config, rng)
    params["head"]["bias"] = params["head"]["bias"] + 30  # a hundred times the deviation
    x = rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    wanted = exact(params, config, x)
    assert np.abs(quick(params, config, x) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_the_shipped_weights_restore_the_same(rng) -> None:
    weights = registry.load("default")
    x = np.asarray(
        jax.image.resize(rng.uniform(-1, 1, (1, 9, 11, 3)), (1, 64, 96, 3), "cubic"), np.float32
    ).clip(-1, 1)
    y = quick(weights.params, weights.config, x)
    np.testing.assert_allclose(y, exact(weights.params, weights.config, x), atol=1e-5)


def test_products_of_bfloat16_stay_within_a_grey_level_of_float32(rng) -> None:
    weights = registry.load("default")
    x = np.asarray(
        jax.image.resize(rng.uniform(-1, 1, (1, 9, 11, 3)), (1, 64, 96, 3), "cubic"), np.float32
    ).clip(-1, 1)
    prepared, forward = fast.choose_forward(
        weights.params, weights.config, dtype=jnp.bfloat16, platform="cpu"
    )
    y = np.asarray(jax.jit(forward)(prepared, x))
    assert y.dtype == np.float32
    away = np.abs(y - models.apply_generator(weights.params, x, weights.config)) * 127.5
    assert 1e-3 < away.max() < 1.0
    assert away.mean() < 0.1


def test_on_accelerators_it_is_the_plain_one(rng) -> None:
    config = config_of({})
    params = drawn(config, rng)
    (own, stats), _ = fast.choose_forward(params, config, platform="gpu")
    assert own is params and stats is None
