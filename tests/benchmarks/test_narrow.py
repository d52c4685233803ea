"""Products of narrower numbers: what is rounded, how, and that the rest of a function stays."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from benchmarks import narrow
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


@pytest.mark.parametrize("name", narrow.ROUNDINGS)
@pytest.mark.parametrize("axis", [None, 1])
def test_a_rounding(name, axis, rng) -> None:
    x = rng.normal(0, 3, (40, 30)).astype(np.float32)
    found = np.asarray(narrow.ROUNDINGS[name](x, axis))
    # Where the scaled value lies between two numbers either may be taken.
    apart = ~np.isclose(found, by_hand(name, x, axis), rtol=1e-5)
    assert apart.mean() < 0.003
    steps = {"bfloat16": 2**-8, "float8_e4m3": 2**-4, "int8": 1 / 127}
    assert 0 < np.abs(found - x).max() <= steps[name] * np.abs(x).max()
    np.testing.assert_array_equal(np.asarray(narrow.ROUNDINGS[name](0 * x, axis)), 0)


@pytest.mark.parametrize("name", narrow.ROUNDINGS)
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
    found = narrow.narrowed(function, narrow.ROUNDINGS[name])(given)["sum"]
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
    product = lambda a, b: a @ b  # noqa: E731
    left = narrow.narrowed(product, narrow.int8, least=5)(x, matrix)
    np.testing.assert_array_equal(np.asarray(left), np.asarray(jnp.asarray(x) @ matrix))
    thin = narrow.narrowed(product, narrow.int8, least=5, thin=narrow.bfloat16)(x, matrix)
    wide = narrow.narrowed(product, narrow.bfloat16)(x, matrix)
    np.testing.assert_array_equal(np.asarray(thin), np.asarray(wide))
    all_of_them = narrow.narrowed(product, narrow.int8, least=4)(x, matrix)
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

    found = narrow.narrowed(loop, narrow.int8)(x, matrices)
    expected = narrow.narrowed(written_out, narrow.int8)(x, matrices)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-5)
    assert np.abs(np.asarray(found[0] - loop(x, matrices)[0])).max() > 1e-3


@pytest.mark.parametrize("generator", ["resnet", "nafnet"])
def test_without_rounding_networks_stay_what_they_are(generator, rng) -> None:
    norm = "instance" if generator == "resnet" else "none"
    config = models.GeneratorConfig(generator=generator, norm=norm, width=4, blocks=2)
    params = models.init_generator(jax.random.key(1), config)
    x = rng.uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    forward = lambda params, x: models.apply_generator(params, x, config)  # noqa: E731
    same = narrow.narrowed(forward, lambda values, _axis: values)
    found, expected = jax.jit(same)(params, x), jax.jit(forward)(params, x)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-6)
