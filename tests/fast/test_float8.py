"""Convolutions of 8-bit floats against their rounding written out, and against the plain ones."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from deblur_jax import models
from deblur_jax.fast import float8
from deblur_jax.fast.convolution import DIMENSIONS
from deblur_jax.models.layers import Operations

LAYOUT = {"dimension_numbers": DIMENSIONS}
ONES, NONE_AROUND = (1, 1), ((0, 0), (0, 0))


def round_by_hand(x: np.ndarray) -> np.ndarray:
    return x.astype(ml_dtypes.float8_e4m3fn).astype(np.float64)


def test_a_wide_convolution_is_that_of_rounded_numbers(rng) -> None:
    x = rng.normal(0, 1, (2, 4, 5, 128)).astype(np.float32)
    kernel = rng.normal(0, 0.02, (3, 3, 128, 130)).astype(np.float32)
    found = float8.convolution(x, kernel, ONES, NONE_AROUND, **LAYOUT)
    scale = np.abs(kernel).max((0, 1, 2)) / np.float32(448)
    exact_x, exact_kernel = round_by_hand(x / 8) * 8, round_by_hand(kernel / scale)
    expected = np.zeros((2, 2, 3, 130))
    for i in range(3):
        for j in range(3):
            expected += exact_x[:, i : i + 2, j : j + 3] @ exact_kernel[i, j]
    np.testing.assert_allclose(np.asarray(found), expected * scale, rtol=1e-4, atol=1e-5)
    plain = jax.lax.conv_general_dilated(x, kernel, ONES, NONE_AROUND, **LAYOUT)
    error = np.asarray(found) - np.asarray(plain)
    assert 0 < error.std() < 0.05 * np.asarray(plain).std()  # four bits on both sides


@pytest.mark.parametrize(
    "channels, strides, dilation",
    [((128, 127), ONES, None), ((3, 128), ONES, ONES), ((128, 128), (2, 2), None),
     ((128, 128), ONES, (2, 2))],
)  # fmt: skip
def test_other_convolutions_are_left_alone(channels, strides, dilation, rng) -> None:
    x = rng.normal(0, 1, (1, 5, 5, channels[0])).astype(np.float32)
    kernel = rng.normal(0, 0.02, (3, 3, *channels)).astype(np.float32)
    given = (x, kernel, strides, NONE_AROUND)
    expected = jax.lax.conv_general_dilated(*given, lhs_dilation=dilation, **LAYOUT)
    found = float8.convolution(*given, lhs_dilation=dilation, **LAYOUT)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_extremes_stay_finite() -> None:
    x = jnp.full((1, 3, 3, 128), 1e30).at[0, 0].set(-1e30)
    kernel = jnp.zeros((3, 3, 128, 128)).at[..., 1].set(1e-30).at[..., 2].set(1e30)
    found = np.asarray(float8.convolution(x, kernel, ONES, NONE_AROUND, **LAYOUT))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[..., 0], 0)
    assert np.asarray(float8.rounded(x), np.float32).max() == 448


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_paper_s_blocks_take_it(dtype, rng) -> None:
    config = models.GeneratorConfig(width=32, blocks=2)
    params = models.init_generator(jax.random.key(0), config)
    x = rng.uniform(-1, 1, (1, 24, 16, 3)).astype(np.float32)
    run = lambda operations: np.asarray(  # noqa: E731
        models.apply_generator(params, x, config, dtype=dtype, operations=operations)
    )
    plain, narrow = run(Operations()), run(Operations(convolution=float8.convolution))
    assert np.isfinite(narrow).all()
    assert 1e-4 < np.abs(narrow - plain).max() < 0.3 and np.abs(narrow - plain).mean() < 0.03
