"""First and last layers in squares of pixels, against the plain convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax import models
from deblur_jax.fast import ends
from deblur_jax.fast.convolution import DIMENSIONS
from deblur_jax.fast.layers import convolve
from deblur_jax.models.extent import Extent
from deblur_jax.models.layers import Operations

NONE_AROUND = ((0, 0), (0, 0))
LAYOUT = {"dimension_numbers": DIMENSIONS}


@pytest.mark.parametrize("side", [1, *ends.SIDES])
@pytest.mark.parametrize("size", [(7, 7), (8, 11), (14, 10), (21, 9)])
@pytest.mark.parametrize("channels", [(3, 5), (5, 3), (1, 1)])
def test_squares_compute_the_convolution(side, size, channels, rng) -> None:
    x = rng.uniform(-1, 1, (2, *size, channels[0])).astype(np.float32)
    kernel = rng.normal(0, 0.1, (7, 7, *channels)).astype(np.float32)
    found = ends.squares(side)(x, kernel, (1, 1), NONE_AROUND, **LAYOUT)
    np.testing.assert_allclose(np.asarray(found), np.asarray(convolve(x, kernel)), atol=2e-6)


@pytest.mark.parametrize("side", ends.SIDES)
@pytest.mark.parametrize("kernel_size", [(3, 3), (4, 2), (1, 5)])
@pytest.mark.parametrize("channels", [(2, 4), (4, 2)])
def test_kernels_of_other_sizes(side, kernel_size, channels, rng) -> None:
    x = rng.uniform(-1, 1, (1, 9, 10, channels[0])).astype(np.float32)
    kernel = rng.normal(0, 0.1, (*kernel_size, *channels)).astype(np.float32)
    found = ends.squares(side)(x, kernel, (1, 1), NONE_AROUND, **LAYOUT)
    np.testing.assert_allclose(np.asarray(found), np.asarray(convolve(x, kernel)), atol=2e-6)


@pytest.mark.parametrize("side", ends.SIDES)
@pytest.mark.parametrize("channels", [(3, 6), (6, 3)])
def test_derivatives_are_the_convolutions(side, channels, rng) -> None:
    with jax.enable_x64(True):
        x = jnp.asarray(rng.uniform(-1, 1, (2, 11, 10, channels[0])))
        kernel = jnp.asarray(rng.normal(0, 0.1, (7, 7, *channels)))
        change = jnp.asarray(rng.normal(0, 1, (2, 5, 4, channels[1])))
        squares = lambda x, k: ends.squares(side)(x, k, (1, 1), NONE_AROUND, **LAYOUT)  # noqa: E731
        found = jax.vjp(squares, x, kernel)[1](change)
        expected = jax.vjp(convolve, x, kernel)[1](change)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "other",
    [
        {"window_strides": (2, 2)},
        {"padding": ((1, 1), (1, 1))},
        {"lhs_dilation": (2, 2)},
        {"rhs_dilation": (1, 2)},
        {"feature_group_count": 3},
        {"dimension_numbers": ("NCHW", "OIHW", "NCHW")},
        {"precision": "highest"},
    ],
)
def test_other_convolutions_are_refused(other) -> None:
    x, kernel = jnp.zeros((3, 8, 8, 3)), jnp.zeros((3, 3, 3, 3))
    given = {"window_strides": (1, 1), "padding": NONE_AROUND, "dimension_numbers": DIMENSIONS}
    with pytest.raises(ValueError, match="a first or last layer"):
        ends.squares(2)(x, kernel, **(given | other))


@pytest.mark.parametrize("side", ends.SIDES)
@pytest.mark.parametrize("size", [(8, 8), (12, 20)])
def test_the_network_takes_them(side, size, rng) -> None:
    config = models.GeneratorConfig(width=8, blocks=1)
    params = models.init_generator(jax.random.key(0), config)
    x = rng.uniform(-1, 1, (2, *size, 3)).astype(np.float32)
    plain = models.apply_generator(params, x, config)
    quick = models.apply_generator(
        params, x, config, operations=Operations(ends=ends.squares(side))
    )
    np.testing.assert_allclose(np.asarray(quick), np.asarray(plain), atol=2e-6)


@pytest.mark.parametrize("side", ends.SIDES)
def test_pictures_that_fill_a_part_of_their_array(side, rng) -> None:
    config = models.GeneratorConfig(width=8, blocks=1)
    params = models.init_generator(jax.random.key(0), config)
    x = rng.uniform(-1, 1, (2, 20, 16, 3)).astype(np.float32)
    alone = models.apply_generator(params, x, config)
    frames = np.full((2, 32, 28, 3), 0.5, np.float32)
    frames[:, :20, :16] = x
    extent = Extent(jnp.array([20, 20]), jnp.array([16, 16]), (32, 28))
    operations = extent.operations(Operations(ends=ends.squares(side)))
    found = models.apply_generator(params, frames, config, operations=operations)
    np.testing.assert_allclose(np.asarray(found)[:, :20, :16], np.asarray(alone), atol=5e-6)


@pytest.mark.parametrize("side", ends.SIDES)
def test_in_bfloat16(side, rng) -> None:
    config = models.GeneratorConfig(width=8, blocks=1)
    params = models.init_generator(jax.random.key(0), config)
    x = rng.uniform(-1, 1, (1, 12, 12, 3)).astype(np.float32)
    plain, quick = (
        np.asarray(models.apply_generator(params, x, config, dtype=jnp.bfloat16, operations=each))
        for each in (Operations(), Operations(ends=ends.squares(side)))
    )
    np.testing.assert_allclose(quick, plain, atol=0.03)  # some units of its last place


def test_both_ends_go_through_them() -> None:
    config, seen = models.GeneratorConfig(width=8, blocks=1), []
    params = models.init_generator(jax.random.key(0), config)

    def spy(x, kernel, strides, padding, **layout):
        seen.append(kernel.shape)
        return ends.squares(2)(x, kernel, strides, padding, **layout)

    models.apply_generator(params, jnp.zeros((1, 8, 8, 3)), config, operations=Operations(ends=spy))
    assert seen == [(7, 7, 3, 8), (7, 7, 8, 3)]
