"""Padding, norms, dropout and upsampling against numpy, TensorFlow and their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import numpy_networks
import pytest
from flax import linen as nn

from deblur_jax.models import layers


@pytest.mark.parametrize(
    ("shape", "pad"), [((2, 5, 7, 3), 1), ((1, 4, 4, 2), 3), ((1, 9, 6, 1), 3)]
)
def test_reflect_pad_is_numpys(rng, shape, pad):
    x = rng.normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(
        layers.reflect_pad(jnp.asarray(x), pad), numpy_networks.reflect(x, pad)
    )


def test_reflect_pad_refuses_what_has_no_reflection():
    with pytest.raises(ValueError, match="cannot reflect 3 pixels at the border of 3x8"):
        layers.reflect_pad(jnp.zeros((1, 3, 8, 1)), 3)


@pytest.mark.parametrize("factor", [2, 4])
def test_depth_to_space_is_tensorflows(rng, factor):
    tf = pytest.importorskip("tensorflow")
    x = rng.normal(size=(2, 3, 5, 3 * factor**2)).astype(np.float32)
    expected = tf.nn.depth_to_space(x, factor).numpy()
    np.testing.assert_array_equal(layers.depth_to_space(jnp.asarray(x), factor), expected)
    np.testing.assert_array_equal(layers.space_to_depth(jnp.asarray(expected), factor), x)
    np.testing.assert_array_equal(tf.nn.space_to_depth(expected, factor).numpy(), x)


@pytest.mark.parametrize(("mean", "spread"), [(0.0, 1.0), (1e4, 1.0), (-300.0, 0.5), (0.0, 1e-3)])
def test_instance_norm_of_each_picture_and_channel(rng, mean, spread):
    x = (mean + spread * rng.normal(size=(2, 16, 12, 5))).astype(np.float32)
    expected = numpy_networks.normalise(np.float64(x), (1, 2), 1e-5)
    # A sum in float32 knows the mean to a few parts in 1e7; a one-pass variance would be off by
    # parts of the mean's square: at 1e4 by more than the variance itself.
    tolerance = 1e-5 + 1e-6 * abs(mean) / spread
    np.testing.assert_allclose(layers.instance_norm(jnp.asarray(x), 1e-5), expected, atol=tolerance)


def test_instance_norm_of_a_flat_picture_is_zero():
    assert not layers.instance_norm(jnp.full((1, 4, 4, 2), 7.0), 1e-5).any()


def test_instance_norm_of_bfloat16_keeps_float32_statistics(rng):
    x = jnp.asarray(3 + rng.normal(size=(1, 64, 64, 4)), jnp.bfloat16)
    result = layers.instance_norm(x, 1e-5)
    assert result.dtype == jnp.bfloat16
    expected = numpy_networks.normalise(np.float64(x), (1, 2), 1e-5)
    # One rounding of the result, 2^-9 relative; sums of 4096 terms in bfloat16 would be far off.
    np.testing.assert_allclose(np.float64(result), expected, rtol=2**-8, atol=1e-5)


def batch_norm(use_moving_averages, dtype=jnp.float32, axis_name=None):
    return layers.Norm("batch", 1e-3, 0.9, use_moving_averages, dtype, axis_name)


def batch_norm_variables(channels, mean=0.0, variance=1.0):
    return {
        "params": {
            "BatchNorm_0": {"scale": jnp.arange(1.0, channels + 1), "bias": jnp.full(channels, 0.5)}
        },
        "batch_stats": {
            "BatchNorm_0": {"mean": jnp.full(channels, mean), "var": jnp.full(channels, variance)}
        },
    }


@pytest.mark.parametrize("centre", [0.0, 1e3])
def test_batch_norm_in_training_takes_the_batch_and_moves_the_averages(rng, centre):
    x = (centre + 2 * rng.normal(size=(3, 8, 6, 4))).astype(np.float32)
    variables = batch_norm_variables(4, mean=-1.0, variance=5.0)
    y, changed = batch_norm(False).apply(variables, jnp.asarray(x), mutable=["batch_stats"])
    values = np.float64(x)
    expected = numpy_networks.normalise(values, (0, 1, 2), 1e-3) * np.arange(1, 5) + 0.5
    np.testing.assert_allclose(y, expected, atol=1e-5 + centre * 1e-6)
    stats = changed["batch_stats"]["BatchNorm_0"]
    np.testing.assert_allclose(stats["mean"], -0.9 + 0.1 * values.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(stats["var"], 4.5 + 0.1 * values.var((0, 1, 2)), rtol=1e-5)


def test_batch_norm_in_inference_takes_the_averages(rng):
    x = rng.normal(size=(2, 4, 4, 3)).astype(np.float32)
    variables = batch_norm_variables(3, mean=0.7, variance=4.0)
    y, changed = batch_norm(True).apply(variables, jnp.asarray(x), mutable=["batch_stats"])
    expected = (np.float64(x) - 0.7) / np.sqrt(4.0 + 1e-3) * np.arange(1, 4) + 0.5
    np.testing.assert_allclose(y, expected, atol=1e-6)
    np.testing.assert_array_equal(
        changed["batch_stats"]["BatchNorm_0"]["mean"], np.float32([0.7] * 3)
    )


def test_batch_norm_over_a_mapped_axis_is_that_of_the_whole_batch(rng):
    x = (np.arange(4).reshape(4, 1, 1, 1) + rng.normal(size=(4, 4, 4, 3))).astype(np.float32)
    variables = batch_norm_variables(3)

    def half(part):
        return batch_norm(False, axis_name="half").apply(variables, part, mutable=["batch_stats"])

    y, changed = jax.vmap(half, axis_name="half")(x.reshape(2, 2, 4, 4, 3))
    whole, expected = batch_norm(False).apply(variables, jnp.asarray(x), mutable=["batch_stats"])
    np.testing.assert_allclose(y.reshape(x.shape), whole, atol=1e-5)
    for name in ("mean", "var"):
        halves = changed["batch_stats"]["BatchNorm_0"][name]
        for one in halves:
            np.testing.assert_allclose(one, expected["batch_stats"]["BatchNorm_0"][name], rtol=1e-5)


@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_dropout_drops_its_share_and_scales_the_rest(rate):
    keys = jax.random.split(jax.random.key(1), 4)
    x = np.arange(1, 4 * 16 * 16 * 32 + 1, dtype=np.float32).reshape(4, 16, 16, 32)
    y = np.asarray(layers.sample_dropout(jnp.asarray(x), keys, rate, layer=0))
    kept = y != 0
    np.testing.assert_allclose(y[kept], x[kept] / (1 - rate), rtol=1e-6)
    # The share's standard deviation is sqrt(p (1 - p) / n), at most 0.0056 for one sample.
    assert np.abs(kept.mean((1, 2, 3)) - (1 - rate)).max() < 4 * 0.0056


def test_a_dropout_mask_follows_its_sample():
    keys = jax.random.split(jax.random.key(2), 3)
    x = jnp.ones((3, 8, 8, 4))
    masks = layers.sample_dropout(x, keys, 0.5, layer=1)
    for i in range(3):
        alone = layers.sample_dropout(x[i : i + 1], keys[i : i + 1], 0.5, layer=1)
        np.testing.assert_array_equal(alone[0], masks[i])
    assert (masks[0] != masks[1]).any() and (masks[1] != masks[2]).any()
    assert (layers.sample_dropout(x, keys, 0.5, layer=2) != masks).any(axis=(1, 2, 3)).all()


def test_dropout_is_off_without_keys_or_rate():
    x = jnp.linspace(-1, 1, 48).reshape(1, 4, 4, 3)
    assert layers.sample_dropout(x, None, 0.5, layer=0) is x
    assert layers.sample_dropout(x, jax.random.split(jax.random.key(0), 1), 0.0, layer=0) is x
    half = layers.sample_dropout(
        x.astype(jnp.bfloat16), jax.random.split(jax.random.key(0), 1), 0.5, layer=0
    )
    assert half.dtype == jnp.bfloat16


def upsample(kind, x, features, rng):
    module = layers.Upsample(features, kind, jnp.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), x)["params"]
    params = jax.tree.map(lambda s: rng.normal(size=s.shape).astype(np.float32), shapes)
    return module.apply({"params": params}, x), params


def test_transposed_convolution_drops_the_first_sample_of_the_full_result(rng):
    x = rng.normal(size=(2, 4, 5, 3)).astype(np.float32)
    y, params = upsample("transpose", x, 2, rng)
    expected = numpy_networks.transposed_conv(np.float64(x), params["ConvTranspose_0"])
    assert y.shape == (2, 8, 10, 2)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_an_impulse_shows_the_alignment_of_the_transposed_convolution():
    """Sample i of the input lies at the kernel's centre on sample 2i of the output."""
    kernel = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0).at[0, 1].set(10.0)
    params = {"ConvTranspose_0": {"kernel": kernel, "bias": jnp.zeros(1)}}
    x = jnp.zeros((1, 3, 3, 1)).at[0, 1, 2].set(1.0)
    y = layers.Upsample(1, "transpose", jnp.float32).apply({"params": params}, x)[0, ..., 0]
    # The kernel is stored for correlation: its row 0 reaches one row down.
    expected = np.zeros((6, 6))
    expected[2, 4], expected[3, 4] = 1.0, 10.0
    np.testing.assert_array_equal(y, expected)


def test_resize_convolution_convolves_the_doubled_picture(rng):
    x = rng.normal(size=(1, 4, 5, 3)).astype(np.float32)
    y, params = upsample("resize_conv", x, 2, rng)
    doubled = np.kron(np.float64(x), np.ones((1, 2, 2, 1)))
    expected = numpy_networks.conv(numpy_networks.reflect(doubled, 1), params["Conv_0"])
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_pixel_shuffle_rearranges_a_convolution(rng):
    x = rng.normal(size=(1, 4, 5, 3)).astype(np.float32)
    y, params = upsample("pixel_shuffle", x, 2, rng)
    inner = numpy_networks.conv(numpy_networks.reflect(np.float64(x), 1), params["Conv_0"])
    np.testing.assert_allclose(y, numpy_networks.shuffle(inner, 2), atol=1e-5)


def test_kernels_and_scales_are_drawn_as_the_authors_draw_them():
    layer = layers.conv(256, 3, jnp.float32)
    params = jax.jit(layer.init)(jax.random.key(0, impl="rbg"), jnp.zeros((1, 4, 4, 64)))["params"]
    kernel = np.asarray(params["kernel"])
    # 147,456 draws: the deviation is known to 0.2 %, the mean to 5e-5.
    assert abs(kernel.std() - 0.02) < 2e-4 and abs(kernel.mean()) < 2e-4
    assert not params["bias"].any()
    draw = jax.jit(batch_norm(False).init)
    norm = draw(jax.random.key(0, impl="rbg"), jnp.zeros((1, 2, 2, 4096)))["params"]
    scale = np.asarray(norm["BatchNorm_0"]["scale"])
    assert abs(scale.mean() - 1) < 2e-3 and abs(scale.std() - 0.02) < 1e-3


@pytest.mark.parametrize("form", [layers.depthwise, layers.depthwise_grouped])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (6, 7)])
def test_depthwise_is_the_grouped_convolution_and_its_gradients(rng, size, form):
    x = rng.normal(size=(2, *size, 5))
    kernel, bias = rng.normal(size=(3, 3, 5)), rng.normal(size=5)
    outside = rng.normal(size=x.shape)

    def grouped(x, kernel, bias):
        return bias + jax.lax.conv_general_dilated(
            x, kernel[:, :, None], (1, 1), ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=5,
        )  # fmt: skip

    def both(function):
        total = lambda *arguments: (function(*arguments) * outside).sum()  # noqa: E731
        return function(x, kernel, bias), jax.grad(total, (0, 1, 2))(x, kernel, bias)

    with jax.enable_x64(True):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12),
            both(form),
            both(grouped),
        )


def test_depthwise_sums_in_float32_whatever_comes_in(rng):
    x = jnp.asarray(rng.normal(size=(1, 5, 5, 4)), jnp.bfloat16)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 4)), jnp.float32)
    low = layers.depthwise(x, kernel, jnp.zeros(4))
    high = layers.depthwise(x.astype(jnp.float32), kernel, jnp.zeros(4))
    assert low.dtype == jnp.bfloat16
    np.testing.assert_array_equal(low, high.astype(jnp.bfloat16))


def test_pixel_norm_is_a_layer_norm_of_the_channels(rng):
    x = (3 + rng.normal(size=(2, 3, 4, 8))).astype(np.float32)
    scale, shift = rng.normal(size=(2, 8)).astype(np.float32)
    expected = nn.LayerNorm(epsilon=1e-6, use_fast_variance=False).apply(
        {"params": {"scale": scale, "bias": shift}}, x
    )
    np.testing.assert_allclose(
        layers.pixel_norm(jnp.asarray(x), scale, shift, 1e-6), expected, atol=1e-5
    )


def test_the_derivative_of_pixel_norm_is_the_layer_norm_s(rng):
    x, outside = 3 + rng.normal(size=(2, 3, 4, 8)), rng.normal(size=(2, 3, 4, 8))
    scale, shift = rng.normal(size=(2, 8))

    def plain(x, scale, shift):
        centred = x - x.mean(-1, keepdims=True)
        deviation = jnp.sqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-6)
        return centred / deviation * scale + shift

    def ours(x, scale, shift):
        return layers.pixel_norm(x, scale, shift, 1e-6)

    def gradients(function):
        total = lambda *arguments: (function(*arguments) * outside).sum()  # noqa: E731
        return jax.grad(total, (0, 1, 2))(x, scale, shift)

    with jax.enable_x64(True):
        for a, b in zip(gradients(ours), gradients(plain), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
