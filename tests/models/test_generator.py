"""The generators: their size, their arithmetic, their output modes, dropout and limits."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpy_networks
import pytest

from deblur_jax import models
from deblur_jax.models import GeneratorConfig, generator, layers

TINY = GeneratorConfig(width=4, blocks=1)
BATCH = GeneratorConfig(width=4, blocks=1, norm="batch")
LIGHT = GeneratorConfig(generator="unshuffle", norm="none", width=4, blocks=1)
NAFNET = GeneratorConfig(
    generator="nafnet", norm="none", width=4, blocks=2, outer_blocks=(1, 2), dropout=0.25
)


def shapes(config):
    return jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@functools.cache
def drawn(config):
    spread = 0.1 if config.norm == "none" else 0.3  # without a norm activations would run away
    return numpy_networks.random_like(np.random.default_rng(5), shapes(config), spread)


initialise = jax.jit(models.init_generator, static_argnums=1)


def key(seed):
    """The source of random bits does not matter here, and this one compiles faster."""
    return jax.random.key(seed, impl="rbg")


@functools.cache
def compiled(config, dtype=jnp.float32):
    def run(params, x, keys=None, batch_stats=None):
        return models.apply_generator(
            params, x, config, keys=keys, batch_stats=batch_stats, dtype=dtype
        )

    return jax.jit(run)


def pictures(rng, batch=2, height=16, width=24):
    return rng.uniform(-1, 1, (batch, height, width, 3)).astype(np.float32)


def nafnet_block(c):
    """Two norms, to twice the width, depthwise, back, to twice the width, back, two weights."""
    return 4 * c + (2 * c * c + 2 * c) + (9 + 1) * 2 * c + (c * c + c) + (2 * c * c + 2 * c) + (
        c * c + c
    ) + 2 * c  # fmt: skip


@pytest.mark.parametrize(
    ("config", "numbers"),
    [
        (GeneratorConfig(), 11_378_179),
        (GeneratorConfig(blocks=6), 7_837_699),
        (GeneratorConfig(norm="batch"), 11_388_675),
        # By hand: the head, eight 3x3 convolutions at width 64, a strided one to 128, ten at 128,
        # a 1x1 one back, and 48 outputs.
        (
            GeneratorConfig(generator="unshuffle", norm="none", width=64, blocks=5),
            (9 * 48 * 64 + 64)
            + 8 * (9 * 64 * 64 + 64)
            + (9 * 64 * 128 + 128)
            + 10 * (9 * 128 * 128 + 128)
            + (128 * 256 + 256)
            + (9 * 64 * 48 + 48),
        ),
        # The head; blocks at widths 64, 128 and 256; two steps down and up; 12 outputs.
        (
            GeneratorConfig(generator="nafnet", norm="none", blocks=16, outer_blocks=(2, 4)),
            (9 * 12 * 64 + 64)
            + 4 * nafnet_block(64)
            + 8 * nafnet_block(128)
            + 16 * nafnet_block(256)
            + (256 * 128 + 128 + 128 * 256)
            + (512 * 256 + 256 + 256 * 512)
            + (9 * 64 * 12 + 12),
        ),
    ],
)
def test_parameter_counts(config, numbers):
    assert count(shapes(config)) == numbers


def test_moving_statistics_of_the_batch_norm_generator():
    stats = jax.eval_shape(lambda: generator.init_stats(GeneratorConfig(norm="batch")))
    assert count(stats) == 10_496
    assert generator.init_stats(TINY) == {}
    for layer in generator.init_stats(BATCH).values():
        assert (layer["BatchNorm_0"]["mean"] == 0).all() and (
            layer["BatchNorm_0"]["var"] == 1
        ).all()


@pytest.mark.parametrize("config", [TINY, BATCH, GeneratorConfig(width=2, blocks=2)])
def test_equals_the_network_written_in_numpy(rng, config):
    x = pictures(rng)
    y = compiled(config)(drawn(config), x)
    expected = numpy_networks.generator(drawn(config), x, blocks=config.blocks, norm=config.norm)
    assert 0.1 < (np.abs(expected) < 1).mean() < 1  # clipping is at work, and not everywhere
    np.testing.assert_allclose(y, expected, atol=2e-4)


def test_light_generator_equals_the_network_written_in_numpy(rng):
    x = pictures(rng)
    y = compiled(LIGHT)(drawn(LIGHT), x)
    expected = numpy_networks.light_generator(drawn(LIGHT), x, blocks=LIGHT.blocks)
    assert np.abs(expected - x).mean() > 0.05
    np.testing.assert_allclose(y, expected, atol=2e-4)


@pytest.mark.parametrize(("outer_blocks", "blocks"), [((1, 2), 2), ((1,), 0), ((0, 1), 1)])
def test_nafnet_equals_the_network_written_in_numpy(rng, outer_blocks, blocks):
    config = dataclasses.replace(NAFNET, outer_blocks=outer_blocks, blocks=blocks)
    x = pictures(rng)
    params = numpy_networks.random_like(np.random.default_rng(5), shapes(config), 0.3)
    y = compiled(config)(params, x)
    expected = numpy_networks.nafnet(params, x, outer_blocks=outer_blocks, blocks=blocks)
    assert np.abs(expected - x).mean() > 0.05
    np.testing.assert_allclose(y, expected, atol=2e-4)


def test_nafnet_looped_is_nafnet_unrolled(rng):
    x, keys = pictures(rng), jax.random.split(jax.random.key(3), 2)

    def run(params, operations):
        return generator.apply_train(
            params, x, NAFNET, batch_stats={}, keys=keys, operations=operations
        )[0]

    looped = run(drawn(NAFNET), layers.Operations(unroll=False))
    np.testing.assert_allclose(looped, run(drawn(NAFNET), layers.PLAIN), atol=1e-5)


def test_an_untrained_nafnet_returns_its_input(rng):
    x = pictures(rng)
    params = models.init_generator(jax.random.key(0), NAFNET)
    np.testing.assert_array_equal(compiled(NAFNET)(params, x), x)


def test_dropout_acts_after_the_first_relu_of_each_block(rng):
    config = GeneratorConfig(width=4, blocks=2, dropout=0.25)
    x, keys = pictures(rng), jax.random.split(jax.random.key(3), 2)
    kept = [
        np.stack([jax.random.bernoulli(jax.random.fold_in(k, i), 0.75, (4, 6, 16)) for k in keys])
        for i in range(2)
    ]
    y = compiled(config)(drawn(config), x, keys)
    expected = numpy_networks.generator(
        drawn(config), x, blocks=2, norm="instance", dropout=[k / 0.75 for k in kept]
    )
    np.testing.assert_allclose(y, expected, atol=2e-4)


def test_dropout_does_not_depend_on_the_place_in_the_batch(rng):
    x, keys = pictures(rng, batch=3), jax.random.split(jax.random.key(4), 3)
    together = compiled(TINY)(drawn(TINY), x, keys)
    order = np.array([2, 0, 1])
    moved = compiled(TINY)(drawn(TINY), x[order], keys[order])
    np.testing.assert_allclose(moved, together[order], atol=1e-4)
    alone = compiled(TINY)(drawn(TINY), x[1:2], keys[1:2])
    np.testing.assert_allclose(alone[0], together[1], atol=1e-4)
    other = compiled(TINY)(drawn(TINY), x, keys[order])
    assert (np.abs(together - other).max((1, 2, 3)) > 0.01).all()


@pytest.mark.parametrize(("config", "blocks"), [(TINY, 1), (LIGHT, 2 + 1 + 2)])
def test_each_residual_block_draws_one_mask(config, blocks):
    keys = jax.random.split(jax.random.key(4), 2)

    def draws(keys, config=config):
        x = jnp.zeros((2, 16, 16, 3))
        run = functools.partial(models.apply_generator, drawn(config), x, config)
        return str(jax.make_jaxpr(lambda k: run(keys=k))(keys)).count("random_fold_in")

    assert draws(keys) == blocks
    assert draws(None) == draws(keys, dataclasses.replace(config, dropout=0.0)) == 0


def test_output_modes(rng):
    x = pictures(rng)
    results = {
        mode: np.asarray(compiled(GeneratorConfig(width=4, blocks=1, output=mode))(drawn(TINY), x))
        for mode in ("tanh", "clip", "average")
    }
    tanh = np.float64(results["tanh"])
    assert np.abs(tanh).max() <= 1 and np.abs(tanh - x).mean() > 0.1
    np.testing.assert_allclose(results["clip"], np.clip(x + tanh, -1, 1), atol=1e-6)
    np.testing.assert_allclose(results["average"], (x + tanh) / 2, atol=1e-6)


@pytest.mark.parametrize("upsample", ["transpose", "resize_conv", "pixel_shuffle"])
@pytest.mark.parametrize("size", [(8, 8), (12, 20)])
def test_every_upsampling_gives_back_the_size(rng, upsample, size):
    config = GeneratorConfig(width=2, blocks=1, upsample=upsample)
    params = drawn(config)
    x = jax.ShapeDtypeStruct((2, *size, 3), jnp.float32)
    y = jax.eval_shape(lambda p, x: models.apply_generator(p, x, config), params, x)
    assert y.shape == x.shape and y.dtype == jnp.float32
    # Of the second upsampling: 9 * 4 * 2 weights, four times as many outputs for a pixel shuffle.
    outputs = 8 if upsample == "pixel_shuffle" else 2
    assert count(params["up_1"]) == (9 * 4 + 1) * outputs


def test_an_untrained_light_generator_returns_its_input(rng):
    x = pictures(rng)
    np.testing.assert_array_equal(compiled(LIGHT)(initialise(key(0), LIGHT), x), x)


def test_parameters_depend_on_the_key_alone():
    first, same, other = (initialise(key(seed), LIGHT) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, same)
    assert (first["head"]["kernel"] != other["head"]["kernel"]).any()
    assert {leaf.dtype for leaf in jax.tree.leaves(first)} == {jnp.dtype("float32")}


@pytest.mark.parametrize(("config", "multiple"), [(TINY, 4), (LIGHT, 8)])
def test_sizes_that_do_not_fit_are_named(config, multiple):
    assert models.size_multiple(config) == multiple
    assert models.minimum_size(config) == 8
    stats = generator.init_stats(config)
    for height, width in ((16, 16 + multiple // 2), (15, 16), (0, 16), (8 - multiple, 16)):
        x = jnp.zeros((1, height, width, 3))
        words = f"at least 8 that are multiples of {multiple}, not {height}x{width}"
        with pytest.raises(ValueError, match=words):
            models.apply_generator(drawn(config), x, config)
        with pytest.raises(ValueError, match=words):
            generator.apply_train(drawn(config), x, config, batch_stats=stats)


@pytest.mark.parametrize("config", [TINY, LIGHT])
def test_bfloat16_is_for_the_convolutions_alone(rng, config):
    x, params = pictures(rng), drawn(config)
    exact, y = compiled(config)(params, x), compiled(config, jnp.bfloat16)(params, x)
    assert y.dtype == jnp.float32
    error = np.abs(np.asarray(y) - exact)
    # bfloat16 has 8 bits: each layer rounds to 0.4 %.
    assert 1e-4 < error.mean() < 0.02 and error.max() < 0.3

    def program(p, x):
        return models.apply_generator(p, x, config, dtype=jnp.bfloat16)

    equations = jax.make_jaxpr(program)(params, x).eqns
    convolutions = [e for e in equations if e.primitive.name == "conv_general_dilated"]
    assert {e.outvars[0].aval.dtype for e in convolutions} == {jnp.dtype(jnp.bfloat16)}
    assert len(convolutions) == (8 if config is TINY else 14)
    gradients = jax.eval_shape(jax.grad(lambda p: program(p, x).sum()), params)
    assert {leaf.dtype for leaf in jax.tree.leaves(gradients)} == {jnp.dtype("float32")}


def test_training_mode_of_batch_norm_feeds_the_averages_of_inference(rng):
    x = pictures(rng, batch=4)
    params, start = drawn(BATCH), generator.init_stats(BATCH)
    train = jax.jit(lambda s: generator.apply_train(params, x, BATCH, batch_stats=s))
    y, moved = train(start)
    # Neither of these uses the averages.
    np.testing.assert_allclose(y, compiled(BATCH)(params, x), atol=1e-4)
    # The first layer's averages after one step: 0.9 of 0 and 1, 0.1 of the batch's.
    head = numpy_networks.conv(numpy_networks.reflect(np.float64(x), 3), params["head"])
    stats = moved["Norm_0"]["BatchNorm_0"]
    np.testing.assert_allclose(stats["mean"], 0.1 * head.mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * head.var((0, 1, 2)), rtol=1e-5)
    for _ in range(150):
        _, moved = train(moved)
    # 0.9 ** 151 is 1e-7: now the averages are the batch's own statistics.
    np.testing.assert_allclose(compiled(BATCH)(params, x, None, moved), y, atol=1e-3)
    assert np.abs(compiled(BATCH)(params, x, None, start) - y).mean() > 0.01


def test_without_batch_norm_training_mode_is_the_same_function(rng):
    x, keys = pictures(rng), jax.random.split(jax.random.key(6), 2)
    y, stats = jax.jit(lambda p, x, k: generator.apply_train(p, x, TINY, batch_stats={}, keys=k))(
        drawn(TINY), x, keys
    )
    assert stats == {}
    np.testing.assert_allclose(y, compiled(TINY)(drawn(TINY), x, keys), atol=1e-4)


def test_a_nafnet_that_computes_blocks_again_has_the_same_gradients(rng):
    x = pictures(rng)

    def loss(params, operations):
        restored, _ = generator.apply_train(
            params, 0.1 * x, NAFNET, batch_stats={}, operations=operations
        )
        return jnp.square(restored - 0.5).sum()

    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    one, other = (
        gradient(drawn(NAFNET), layers.Operations(unroll=False, remat=remat))
        for remat in (False, True)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), one, other)
