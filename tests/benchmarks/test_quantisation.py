"""Products of coarser numbers: what is rounded, how, and that the rest of a function stays."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from benchmarks import quantisation
from deblur_jax import models


def by_hand(name: str, x: np.ndarray, axis: int | None) -> np.ndarray:
    """A type's nearest numbers, one scale in all or one for each place along an axis."""
    if name == "bfloat16":
        return x.astype(ml_dtypes.bfloat16).astype(np.float32)
    axes = None if axis is None else tuple(d for d in range(x.ndim) if d != axis)
    largest = np.abs(x).max(axes, keepdims=True)
    if name == "int8":
        return np.rint(x * (127 / largest)) * (largest / 127)
    return (x * (448 / largest)).astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * (
        largest / 448
    )


@pytest.mark.parametrize("name", quantisation.ROUNDINGS)
@pytest.mark.parametrize("axis", [None, 1])
def test_a_rounding(name, axis, rng) -> None:
    x = rng.normal(0, 3, (40, 30)).astype(np.float32)
    axes = () if axis is None else (axis,)
    found = np.asarray(quantisation.ROUNDINGS[name](x, axes))
    # Where the scaled value lies between two numbers either may be taken.
    apart = ~np.isclose(found, by_hand(name, x, axis), rtol=1e-5)
    assert apart.mean() < 0.003
    steps = {"bfloat16": 2**-8, "float8_e4m3": 2**-4, "int8": 1 / 127}
    assert 0 < np.abs(found - x).max() <= steps[name] * np.abs(x).max()
    np.testing.assert_array_equal(np.asarray(quantisation.ROUNDINGS[name](0 * x, axes)), 0)


@pytest.mark.parametrize("name", quantisation.ROUNDINGS)
def test_both_sides_of_products_and_convolutions(name, rng) -> None:
    x = rng.normal(0, 1, (1, 6, 7, 4)).astype(np.float32)
    kernel = rng.normal(0, 1, (3, 3, 4, 5)).astype(np.float32)
    matrix = rng.normal(0, 1, (5, 6)).astype(np.float32)

    def function(given):
        y = jax.lax.conv_general_dilated(
            given["x"], given["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return {"sum": jnp.tanh(y @ given["matrix"]) + 1e-5}

    given = {"x": x, "kernel": kernel, "matrix": matrix}
    found = quantisation.quantised(function, quantisation.ROUNDINGS[name])(given)["sum"]
    rounded = by_hand(name, x, None), by_hand(name, kernel, 3)
    y = jax.lax.conv_general_dilated(
        *rounded, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    expected = np.tanh(by_hand(name, np.asarray(y), None) @ by_hand(name, matrix, 1)) + 1e-5
    assert (~np.isclose(found, expected, atol=1e-4)).mean() < 0.05
    assert np.abs(np.asarray(found - function(given)["sum"])).max() > 1e-3


def test_thin_products_are_others(rng) -> None:
    x, matrix = rng.normal(0, 1, (3, 8)), rng.normal(0, 1, (8, 4))
    x, matrix = x.astype(np.float32), matrix.astype(np.float32)
    left = quantisation.quantised(product, quantisation.int8, least_channels=5)(x, matrix)
    np.testing.assert_array_equal(np.asarray(left), np.asarray(jnp.asarray(x) @ matrix))
    thin = quantisation.quantised(
        product, quantisation.int8, least_channels=5, otherwise=quantisation.bfloat16
    )(x, matrix)
    wide = quantisation.quantised(product, quantisation.bfloat16)(x, matrix)
    np.testing.assert_array_equal(np.asarray(thin), np.asarray(wide))
    all_of_them = quantisation.quantised(product, quantisation.int8, least_channels=4)(x, matrix)
    assert np.abs(np.asarray(all_of_them - left)).max() > 0


def test_loops_and_calls_are_reached(rng) -> None:
    x = rng.normal(0, 1, (4, 4)).astype(np.float32)
    matrices = rng.normal(0, 1, (3, 4, 4)).astype(np.float32)

    def loop(x, matrices):
        body = lambda y, m: (jax.nn.relu(jax.jit(jnp.matmul)(y, m)), y.sum())  # noqa: E731
        return jax.lax.scan(body, x, matrices)

    def written_out(x, matrices):
        sums = []
        for m in matrices:
            sums.append(x.sum())
            x = jax.nn.relu(x @ m)
        return x, jnp.stack(sums)

    found = quantisation.quantised(loop, quantisation.int8)(x, matrices)
    expected = quantisation.quantised(written_out, quantisation.int8)(x, matrices)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-5)
    assert np.abs(np.asarray(found[0] - loop(x, matrices)[0])).max() > 1e-3


def product(a, b):
    return a @ b


def in_steps(x, matrix):
    with_bounds = lambda x: jnp.tanh(x @ matrix).clip(-0.5, 0.5)  # noqa: E731
    return jax.checkpoint(with_bounds)(x)


def test_what_is_computed_twice_for_a_gradient_is_reached(rng) -> None:
    x, matrix = rng.normal(0, 1, (3, 8)).astype(np.float32), np.eye(8, dtype=np.float32)
    found = quantisation.quantised(in_steps, quantisation.int8)(x, matrix)
    expected = np.tanh(by_hand("int8", x, None)).clip(-0.5, 0.5)
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-6)


@pytest.mark.parametrize("shapes", [((3, 4), (4,)), ((4,), (4,)), ((3, 4), (4, 2, 5))])
def test_right_sides_of_any_number_of_axes(shapes, rng) -> None:
    left, right = (rng.normal(0, 1, shape).astype(np.float32) for shape in shapes)
    function = lambda a, b: jnp.tensordot(a, b, 1)  # noqa: E731
    found = quantisation.quantised(function, quantisation.int8)(left, right)
    axes = tuple(range(1, right.ndim))
    scale = np.abs(right).max(0, keepdims=True) / 127
    rounded = np.rint(right / scale) * scale if axes else by_hand("int8", right, None)
    expected = np.tensordot(by_hand("int8", left, None), rounded, 1)
    np.testing.assert_allclose(np.asarray(found), expected, atol=1e-4)


def test_what_cannot_be_taken_apart_is_refused(rng) -> None:
    x = rng.normal(0, 1, (4, 4)).astype(np.float32)
    chosen = lambda x: jax.lax.cond(x.sum() > 0, lambda x: x @ x, lambda x: x, x)  # noqa: E731
    with pytest.raises(ValueError, match="within 'cond'"):
        quantisation.quantised(chosen, quantisation.int8)(x)
    until = lambda x: jax.lax.while_loop(lambda x: x.sum() > 0, lambda x: x @ x - 9, x)  # noqa: E731
    with pytest.raises(ValueError, match="within 'while'"):
        quantisation.quantised(until, quantisation.int8)(x)


def test_programs_without_products_are_left_alone(rng) -> None:
    x = rng.normal(0, 1, (4, 5)).astype(np.float32)

    def largest(x):
        low = jax.lax.cond(x.sum() > 0, lambda x: -x, lambda x: x, x)
        return jax.lax.reduce(low, -jnp.inf, lambda a, b: jnp.where(a > b, a, b), (1,))

    found = quantisation.quantised(largest, quantisation.int8)(x)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(largest(x)))


@pytest.mark.parametrize("generator", ["resnet", "nafnet"])
def test_without_rounding_networks_stay_what_they_are(generator, rng) -> None:
    norm = "instance" if generator == "resnet" else "none"
    config = models.GeneratorConfig(generator=generator, norm=norm, width=4, blocks=2)
    params = models.init_generator(jax.random.key(1), config)
    x = rng.uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    forward = lambda params, x: models.apply_generator(params, x, config)  # noqa: E731
    same = quantisation.quantised(forward, lambda values, _axes: values)
    found, expected = jax.jit(same)(params, x), jax.jit(forward)(params, x)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-6)
