"""Operations counted in a trace are those of a count by hand, loops and branches included."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import operations
from deblur_jax import models
from deblur_jax.models import GeneratorConfig

A, B = np.ones((2, 3, 5), np.float32), np.ones((2, 5, 7), np.float32)
PRODUCT = 2 * (2 * 3 * 7) * 5  # of A and B
DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def convolve(x: Any, kernel: Any, stride: int = 1, dilation: int = 1, groups: int = 1) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), ((1, 1), (1, 1)), lhs_dilation=(dilation, dilation),
        dimension_numbers=DIMENSIONS, feature_group_count=groups,
    )  # fmt: skip


def in_a_loop(a: Any, b: Any) -> jax.Array:
    """The product four times over, in two loops of two."""

    def inner(total: jax.Array, _: Any) -> tuple[jax.Array, None]:
        return total + a @ b, None

    def outer(total: jax.Array, _: Any) -> tuple[jax.Array, None]:
        return jax.lax.scan(inner, total, None, length=2)

    return jax.lax.scan(outer, jnp.zeros((2, 3, 7)), None, length=2)[0]


def in_a_branch(a: Any, b: Any) -> jax.Array:
    return jax.lax.cond(a.sum() > 0, lambda: a @ b, lambda: jnp.zeros((2, 3, 7)))


@jax.custom_vjp
def ruled(a: Any, b: Any) -> jax.Array:
    return a @ b


ruled.defvjp(lambda a, b: (a @ b, (a, b)), lambda saved, change: saved)


@pytest.mark.parametrize(
    ("function", "products"),
    [
        (jnp.matmul, 1),
        (jax.jit(jax.jit(jnp.matmul)), 1),
        (jax.checkpoint(jnp.matmul), 1),  # type: ignore[attr-defined]
        (ruled, 1),
        (in_a_loop, 4),
        (in_a_branch, 1),
        (lambda a, b: jnp.tanh(a).sum() + b.sum(), 0),
    ],
)
def test_products_are_found_wherever_they_are(
    function: Callable[..., jax.Array], products: int
) -> None:
    assert operations.count(function, A, B) == operations.Operations(products * PRODUCT, 0)


def test_a_loop_of_unknown_length_is_said_to_be_unknown() -> None:
    def until(a: Any, b: Any) -> jax.Array:
        return jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: y + a @ b, jnp.zeros((2, 3, 7)))

    assert operations.count(until, A, B).flops is None
    assert operations.count(lambda a, b: until(a, b) + a @ b, A, B).flops is None
    counting = lambda a, b: jax.lax.while_loop(lambda n: n < 9, lambda n: n + 1, 0)  # noqa: E731
    assert operations.count(counting, A, B).flops == 0


@pytest.mark.parametrize(
    ("options", "shape", "taps"),
    [
        ({}, (1, 8, 8, 6), 9 * 4),
        ({"stride": 2}, (1, 4, 4, 6), 9 * 4),
        ({"groups": 2}, (1, 8, 8, 6), 9 * 2),
        ({"dilation": 2}, (1, 15, 15, 6), 9 * 4 / 4),  # a quarter of the taps see no zeros
    ],
)
def test_convolutions_count_two_a_tap(
    options: dict[str, int], shape: tuple[int, ...], taps: float
) -> None:
    x, kernel = np.ones((1, 8, 8, 4), np.float32), np.ones((3, 3, 4, 6), np.float32)
    kernel = kernel[:, :, : 4 // options.get("groups", 1)]
    found = operations.count(lambda x, kernel: convolve(x, kernel, **options), x, kernel)
    assert found.flops == int(2 * np.prod(shape) * taps)
    assert found.convolved_bytes == 4 * np.prod(shape)
    half = operations.count(
        lambda x, kernel: convolve(x, kernel, **options),
        *(jnp.asarray(a, jnp.bfloat16) for a in (x, kernel)),
    )
    assert half.convolved_bytes == 2 * np.prod(shape)


def test_the_network_s_convolutions_are_all_there() -> None:
    config = GeneratorConfig(width=4, blocks=2)
    params = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    x = jax.ShapeDtypeStruct((1, 16, 24, 3), np.float32)
    found = operations.count(lambda p, x: models.apply_generator(p, x, config), params, x)
    pixels = 16 * 24
    # head, two down, four in blocks, two up, tail: pixels at their resolution by channels.
    channels = 4 + 8 / 4 + 16 / 16 + 4 * 16 / 16 + 8 / 4 + 4 + 3
    assert found.convolved_bytes == 4 * pixels * channels
