"""The quick generator is the plain one, in every shape that a configuration can give it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax import fast, models
from deblur_jax.fast import choice
from deblur_jax.models import GeneratorConfig, generator
from deblur_jax.restore import Restorer
from deblur_jax.weights import registry

SHAPES = [
    {},
    {"norm": "none"},
    {"norm": "batch"},
    {"upsample": "transpose_same", "output": "average"},
    {"upsample": "resize_conv", "output": "tanh"},
    {"upsample": "resize_conv_same", "norm": "batch"},
    {"upsample": "pixel_shuffle"},
    {"upsample": "pixel_shuffle", "norm": "batch"},
    {"upsample": "pixel_shuffle", "norm": "none"},
    {"block_convolutions": 1},
    {"downsample": "same", "norm": "batch", "norm_epsilon": 1e-3},
    {"blocks": 0},
]


def drawn(config: GeneratorConfig, rng: np.random.Generator):
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    # Without a norm activations grow, and with them what rounding does to them.
    deviation = 0.05 if config.norm == "none" else 0.15
    params = jax.tree.map(lambda s: rng.normal(0, deviation, s.shape).astype(np.float32), shapes)
    stats = jax.tree.map(
        lambda s: rng.uniform(0.5, 2, s.shape).astype(np.float32), generator.init_stats(config)
    )
    return params, stats or None


def exact(params, stats, config, x):
    """The plain network in float64."""
    with jax.enable_x64(True):
        wide = lambda tree: jax.tree.map(lambda a: np.asarray(a, np.float64), tree)  # noqa: E731
        variables = {"params": wide(params)} | ({"batch_stats": wide(stats)} if stats else {})
        module = generator._module(config, stats is not None, jnp.float64)
        y = module.apply(variables, wide(x), None)
        # The module's last step makes float32 of it, and so does this.
        return np.asarray(generator.finish(jnp.asarray(x), jnp.asarray(y), config))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: ",".join(map(str, s.values())) or "paper")
@pytest.mark.parametrize("size", [(1, 8, 8), (2, 12, 20), (1, 40, 36)])
def test_equal_to_the_plain_network_in_float64(shape, size, rng) -> None:
    config = GeneratorConfig(**({"width": 8, "blocks": 2} | shape))
    params, stats = drawn(config, rng)
    x = rng.uniform(-1, 1, (*size, 3)).astype(np.float32)
    prepared, forward = fast.choose_forward(params, config, batch_stats=stats, platform="cpu")
    assert "tail" in prepared, "the quick one"
    y = np.asarray(jax.jit(forward)(prepared, x))
    np.testing.assert_allclose(y, exact(params, stats, config, x), atol=1e-4)


def test_the_paper_s_network_at_its_width(rng) -> None:
    config = GeneratorConfig(blocks=9)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    params = jax.tree.map(lambda s: rng.normal(0, 0.02, s.shape).astype(np.float32), shapes)
    x = rng.uniform(-1, 1, (1, 32, 48, 3)).astype(np.float32)
    prepared, forward = fast.choose_forward(params, config, platform="cpu")
    y = np.asarray(jax.jit(forward)(prepared, x))
    assert np.abs(y - exact(params, None, config, x)).max() < 1e-4


def test_the_shipped_weights_restore_the_same(rng) -> None:
    weights = registry.load("deblurgan")
    small = rng.uniform(-1, 1, (1, 9, 11, 3))
    x = np.asarray(jax.image.resize(small, (1, 64, 96, 3), "cubic"), np.float32).clip(-1, 1)
    prepared, forward = fast.choose_forward(weights.params, weights.config, platform="cpu")
    y = np.asarray(jax.jit(forward)(prepared, x))
    assert np.abs(y - exact(weights.params, None, weights.config, x)).max() < 1e-4


@pytest.mark.parametrize(
    "options",
    [
        {"platform": "gpu"},
        {"platform": "tpu"},
        {"platform": "cpu", "dtype": jnp.bfloat16},
    ],
)
def test_elsewhere_it_is_the_plain_network(options, rng) -> None:
    config = GeneratorConfig(width=4, blocks=1)
    params, _ = drawn(config, rng)
    prepared, forward = fast.choose_forward(params, config, **options)
    assert prepared == (params, None)
    x = rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    dtype = options.get("dtype", jnp.float32)
    expected = models.apply_generator(params, x, config, dtype=dtype)
    # Accelerators normalise in one pass.
    atol = 0 if options["platform"] == "cpu" else 1e-5
    np.testing.assert_allclose(forward(prepared, x), expected, atol=atol)


def test_a_batch_norm_without_averages_and_the_light_network_stay_plain(rng) -> None:
    for config in (
        GeneratorConfig(width=4, blocks=1, norm="batch"),
        GeneratorConfig(generator="unshuffle", width=4, blocks=1, norm="none"),
    ):
        params, _ = drawn(config, rng)
        assert fast.choose_forward(params, config, platform="cpu")[0] == (params, None)


def test_one_variable_switches_it_off_and_the_restorer_follows(rng, monkeypatch) -> None:
    config = GeneratorConfig(width=8, blocks=1)
    params, _ = drawn(config, rng)
    weights = registry.Weights("drawn", "0" * 64, config, params, {}, {})
    image = rng.integers(0, 256, (30, 21, 3), dtype=np.uint8)
    monkeypatch.delenv(choice.PLAIN_VARIABLE, raising=False)
    quick = Restorer(weights)
    monkeypatch.setenv(choice.PLAIN_VARIABLE, "1")
    plain = Restorer(weights)
    assert isinstance(plain.network._params, tuple)
    assert isinstance(quick.network._params, dict)
    one, other = (each.with_floats(image)[1] for each in (quick, plain))
    assert (one != other).any()
    np.testing.assert_allclose(one, other, atol=1e-4)
