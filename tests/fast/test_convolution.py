"""Convolutions as matrix products against lax, float64 loops and the plain critic."""

import importlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from deblur_jax import fast, losses
from deblur_jax.fast import nafnet_block
from deblur_jax.fast.convolution import convolution
from deblur_jax.fast.sums import instance_norm
from deblur_jax.models import (
    CriticConfig,
    GeneratorConfig,
    apply_critic,
    generator,
    init_critic,
    init_generator,
)
from deblur_jax.models.layers import PLAIN, Operations, depthwise_grouped

QUICK = Operations(convolution, instance_norm, nafnet_block=nafnet_block.block)
ACCELERATED = Operations(depthwise=depthwise_grouped, unroll=False)
NAMES = ("NHWC", "HWIO", "NHWC")
# (height, width, input channels, output channels), kernel, strides, padding: each of the forms, odd
# sizes, rows and columns that no window reaches, and sides that differ.
KINDS = {
    "wide_stride_2": ((9, 12), (20, 6), (4, 4), (2, 2), ((2, 2), (2, 2))),
    "wide_stride_1": ((7, 5), (17, 8), (4, 4), (1, 1), ((2, 2), (2, 2))),
    "thin": ((11, 8), (3, 5), (4, 4), (2, 2), ((2, 2), (2, 2))),
    "narrow": ((6, 7), (12, 1), (4, 4), (1, 1), ((2, 2), (2, 2))),
    "narrow_stride_2": ((9, 10), (8, 2), (3, 3), (2, 2), ((0, 1), (0, 1))),
    "unequal": ((10, 9), (3, 4), (2, 5), (3, 1), ((1, 0), (0, 3))),
    "leftover": ((10, 10), (16, 9), (3, 3), (2, 2), ((0, 0), (0, 0))),
    "winograd": ((11, 6), (20, 17), (3, 3), (1, 1), ((0, 0), (0, 0))),
    "winograd_unequal": ((6, 9), (18, 16), (3, 3), (1, 1), ((1, 0), (2, 1))),
}


@pytest.fixture(autouse=True)
def winograd_for_few_channels(monkeypatch):
    """So that small networks take it as large ones do."""
    module = importlib.import_module("deblur_jax.fast.convolution")  # the package has the function
    monkeypatch.setattr(module, "_WINOGRAD", 16)


def plain(x, kernel, strides, padding, **options):
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=NAMES, precision="highest", **options
    )


def loops(x, kernel, strides, padding):
    """The definition in float64: every window times the kernel."""
    x = np.pad(x.astype(np.float64), ((0, 0), *padding, (0, 0)))
    height, width = kernel.shape[:2]
    rows = range(0, x.shape[1] - height + 1, strides[0])
    columns = range(0, x.shape[2] - width + 1, strides[1])
    value = lambda i, j: np.tensordot(x[:, i : i + height, j : j + width], kernel, 3)  # noqa: E731
    return np.stack([np.stack([value(i, j) for j in columns], 1) for i in rows], 1)


def draw(rng, kind, dtype=np.float32):
    size, (inputs, outputs), kernel, strides, padding = KINDS[kind]
    x = rng.normal(size=(2, *size, inputs)).astype(dtype)
    return x, rng.normal(size=(*kernel, inputs, outputs)).astype(dtype), strides, padding


def close(found, expected, tolerance=2e-6):
    """Element by element, relative to the largest of each array."""
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape and np.abs(b).max() > 1e-3
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max(), rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_value_and_first_derivatives(rng, kind):
    x, kernel, strides, padding = draw(rng, kind)
    expected = loops(x, kernel, strides, padding)
    change = rng.normal(size=expected.shape).astype(np.float32)

    def gradients(function):
        def both(x, kernel, change):
            value, back = jax.vjp(lambda x, w: function(x, w, strides, padding), x, kernel)
            return value, back(change)

        return jax.jit(both)(x, kernel, change)

    value, found = gradients(partial(convolution, dimension_numbers=NAMES))
    tolerance = 1e-5 if kind.startswith("winograd") else 2e-6  # its transforms take a digit
    close(value, expected, tolerance)
    close(found, gradients(plain)[1], tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(rng, kind):
    """Of a penalty on the gradient with respect to the input, with respect to all that it is of."""
    x, kernel, strides, padding = draw(rng, kind)
    weights = rng.normal(size=loops(x, kernel, strides, padding).shape).astype(np.float32)

    def gradients(function):
        def score(x, kernel):
            y = function(x, kernel, strides, padding)
            return (jnp.sin(y) * weights).sum()

        def penalty(x, kernel):
            of_x, of_kernel = jax.grad(score, (0, 1))(x, kernel)
            return (of_x**2).sum() + (of_kernel**3).sum() / 100

        return jax.jit(jax.grad(penalty, (0, 1)))(x, kernel)

    # Sines of sums of some hundred products have lost a digit already.
    tolerance = 3e-4 if kind.startswith("winograd") else 2e-5
    close(gradients(partial(convolution, dimension_numbers=NAMES)), gradients(plain), tolerance)


@pytest.mark.parametrize("padding", [((1, 2), (1, 2)), ((2, 1), (2, 1)), ((2, 2), (0, 3))])
def test_transposed_convolution(rng, padding):
    x = rng.normal(size=(2, 5, 4, 6)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 6, 4)).astype(np.float32)

    def gradients(function):
        def score(x, kernel):
            return jnp.sin(function(x, kernel)).sum()

        return jax.jit(jax.value_and_grad(score, (0, 1)))(x, kernel)

    dilated = partial(
        convolution, window_strides=(1, 1), padding=padding, lhs_dilation=(2, 2),
        dimension_numbers=NAMES,
    )  # fmt: skip
    reference = lambda x, kernel: lax.conv_transpose(x, kernel, (2, 2), padding)  # noqa: E731
    close(gradients(dilated), gradients(reference), 5e-6)


def test_bfloat16_is_summed_up_in_float32(rng):
    """Both gradients are as near to those of the same numbers in float32 as their own digits."""
    for kind in ("wide_stride_2", "narrow"):
        x, kernel, strides, padding = draw(rng, kind)
        x, kernel = (jnp.asarray(a, jnp.bfloat16) for a in (x, kernel))
        score = lambda x, w, s=strides, p=padding: convolution(  # noqa: E731
            x, w, s, p, dimension_numbers=NAMES
        ).sum()
        found = jax.jit(jax.grad(score, (0, 1)))(x, kernel)
        assert {a.dtype for a in found} == {jnp.dtype("bfloat16")}
        wide = [a.astype(jnp.float32) for a in (x, kernel)]
        exact = jax.jit(jax.grad(score, (0, 1)))(*wide)
        close([a.astype(jnp.float32) for a in found], exact, 2**-8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimension_numbers": ("NCHW", "OIHW", "NCHW")},
        {"rhs_dilation": (2, 2)},
        {"feature_group_count": 2},
        {"padding": ((-1, 0), (0, 0))},
        {"padding": "SAME"},
        {"lhs_dilation": (2, 2), "window_strides": (2, 2)},
    ],
)
def test_other_kinds_are_refused(wrong):
    known = {"window_strides": (1, 1), "padding": ((0, 0), (0, 0)), "dimension_numbers": NAMES}
    with pytest.raises(ValueError):
        convolution(jnp.ones((1, 8, 8, 4)), jnp.ones((4, 4, 4, 4)), **(known | wrong))


def test_a_critics_score_penalty_and_gradients_are_the_plain_ones(rng):
    config = CriticConfig(width=16)
    params = jax.jit(lambda: init_critic(jax.random.key(1, impl="rbg"), config))()
    sharp, fake = rng.uniform(-1, 1, (2, 2, 33, 40, 3)).astype(np.float32)
    alpha = np.float32([0.3, 0.9])

    def measure(function):
        critic = lambda p, x: apply_critic(p, x, config, operations=function)  # noqa: E731

        def loss(params):
            score = partial(critic, params)
            penalty = losses.gradient_penalty(score, sharp, fake, alpha)
            return score(sharp).mean() - score(fake).mean() + 10 * penalty, penalty

        (total, penalty), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        return critic(params, sharp), total, penalty, gradient

    *found, gradient = jax.jit(partial(measure, QUICK))()
    *expected, reference = jax.jit(partial(measure, PLAIN))()
    close(found, expected, 1e-5)
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(gradient), jax.tree.leaves(reference), strict=True
    ):
        if path[-1].key == "kernel" or path[0].key in ("conv_0", "score"):
            np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max(), err_msg=str(path))


@pytest.mark.parametrize("upsample", ["transpose", "transpose_same"])
@pytest.mark.parametrize("blocks", [0, 1])
def test_a_generators_gradients_are_the_plain_ones(rng, upsample, blocks):
    config = GeneratorConfig(width=4, blocks=blocks, dropout=0.0, upsample=upsample)
    params = jax.jit(lambda: init_generator(jax.random.key(1, impl="rbg"), config))()
    x = rng.uniform(-1, 1, (2, 12, 16, 3)).astype(np.float32)
    weights = rng.normal(size=x.shape).astype(np.float32)

    def measure(function):
        def loss(params):
            # Far from the clipping, where a pixel's gradient would hang on its last digit.
            restored, _ = generator.apply_train(
                params, 0.1 * x, config, batch_stats={}, operations=function
            )
            return (restored * weights).sum()

        return jax.jit(jax.value_and_grad(loss))(params)

    (value, gradient), (expected, reference) = measure(QUICK), measure(PLAIN)
    np.testing.assert_allclose(value, expected, atol=1e-4)  # a sum of 864 that cancel
    for name in ("up_0", "up_1"):
        gradient[name], reference[name] = (
            g[name]["ConvTranspose_0"] for g in (gradient, reference)
        )
    layers = ["up_0", "up_1", "head", "down_0", "tail"] + ["block_0_a", "block_0_b"] * blocks
    for name in layers:
        close(gradient[name]["kernel"], reference[name]["kernel"], 1e-4)


def test_only_cpus_take_it_and_the_environment_can_say_no(monkeypatch):
    monkeypatch.delenv("DEBLUR_JAX_PLAIN", raising=False)
    assert fast.choose_operations() == QUICK
    monkeypatch.setenv("DEBLUR_JAX_PLAIN", "1")
    assert fast.choose_operations() == PLAIN
    monkeypatch.setenv("DEBLUR_JAX_PLAIN", "0")
    assert fast.choose_operations() == QUICK
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert fast.choose_operations() == ACCELERATED
