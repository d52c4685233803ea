"""Pictures whose border is laid around them strip by strip, against pads of the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax.fast import bordered, layers, winograd
from deblur_jax.models.extent import Extent
from deblur_jax.models.layers import reflect_pad

SIZES = [(4, 4), (5, 9), (12, 8), (17, 6)]


def change(seen: jax.Array) -> jax.Array:
    return jax.nn.relu(2 * seen + 1)


def pictures(size, rng, batch: int = 2, channels: int = 3) -> jax.Array:
    return jnp.asarray(rng.uniform(-1, 1, (batch, *size, channels)), jnp.float32)


def extents(size: tuple[int, int]) -> list[Extent | None]:
    height, width = size
    rows, columns = jnp.array([height, height - 1]), jnp.array([width - 1, width])
    return [None, Extent(rows, columns, size)]


def expected(x: jax.Array, kind: str, pads: tuple[int, int], extent: Extent | None) -> np.ndarray:
    y = change(x)
    if kind == "reflected":
        return np.asarray(extent.reflect_pad(y, pads[0]) if extent else reflect_pad(y, pads[0]))
    y = extent.clear(y) if extent else y
    return np.pad(y, ((0, 0), pads, pads, (0, 0)))


def made(
    x: jax.Array, kind: str, pads: tuple[int, int], extent: Extent | None
) -> bordered.Bordered:
    if kind == "reflected":
        return bordered.reflected(x, pads[0], change, extent)
    return bordered.among_zeros(x, *pads, change, extent)


KINDS = [("reflected", (1, 1)), ("reflected", (3, 3)), ("zeros", (0, 1)), ("zeros", (1, 1))]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "pads"), KINDS)
def test_every_strip_is_that_of_the_whole(kind, pads, size, rng) -> None:
    x = pictures(size, rng)
    for extent in extents(size):
        whole, own = expected(x, kind, pads, extent), made(x, kind, pads, extent)
        assert own.shape == whole.shape
        strip = jax.jit(own.strip, static_argnums=1)
        for count in (1, 3, whole.shape[1]):
            for top in range(whole.shape[1] - count + 1):
                np.testing.assert_array_equal(strip(top, count), whole[:, top : top + count])
        filled = own.filled(whole.shape[1] + 4, whole.shape[2] + 3)
        strip = filled.strip(0, filled.shape[1])
        assert strip.shape == filled.shape
        np.testing.assert_array_equal(strip[:, :-4, :-3], whole)


def test_a_border_that_is_too_wide_to_be_reflected(rng) -> None:
    with pytest.raises(ValueError, match="cannot reflect 4 pixels at the border of 9x4"):
        bordered.reflected(pictures((9, 4), rng), 4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cached", [1, 2000, layers.CACHED])
@pytest.mark.parametrize(("kind", "pads"), KINDS)
def test_layers_read_it_as_they_would_the_whole(kind, pads, size, cached, rng, monkeypatch) -> None:
    monkeypatch.setattr(layers, "CACHED", cached)
    monkeypatch.setattr(winograd, "STRIP", cached)
    x = pictures(size, rng)
    kernel = rng.normal(0, 0.3, (3, 3, 3, 4)).astype(np.float32)
    transformed = winograd.transform_kernel(kernel)
    for extent in extents(size):
        whole, own = expected(x, kind, pads, extent), made(x, kind, pads, extent)
        plain = layers.convolve(whole, kernel)
        found = jax.jit(lambda: winograd.convolve(own, transformed))()  # noqa: B023
        np.testing.assert_allclose(found, plain, atol=5e-5)
        np.testing.assert_allclose(layers.convolve_to_few(own, kernel), plain, atol=3e-6)
        np.testing.assert_allclose(
            layers.halve(own, kernel), layers.convolve(whole, kernel, 2), atol=3e-6
        )


@pytest.mark.parametrize("kind", ["transpose", "transpose_same"])
@pytest.mark.parametrize("cached", [1, 1500, layers.CACHED])
def test_doubling_what_is_changed_on_the_way(kind, cached, rng, monkeypatch) -> None:
    monkeypatch.setattr(layers, "CACHED", cached)
    size = (7, 6)
    x = pictures(size, rng)
    matrix = layers.by_taps(rng.normal(0, 0.3, (3, 3, 3, 4)).astype(np.float32))
    for extent in extents(size):
        y = extent.clear(change(x)) if extent else change(x)
        found = layers.double(x, matrix, kind, change, extent)
        np.testing.assert_allclose(found, layers.double(y, matrix, kind), atol=1e-6)


@pytest.mark.parametrize("strip", [4, 256])
def test_one_of_several_kernels(strip, rng, monkeypatch) -> None:
    monkeypatch.setattr(winograd, "STRIP", strip)
    x = pictures((14, 11), rng)
    kernels = [winograd.transform_kernel(rng.normal(size=(3, 3, 3, 5))) for _ in range(3)]
    which = jax.jit(lambda i: winograd.convolve(x, kernels, which=i))
    for i, kernel in enumerate(kernels):
        np.testing.assert_array_equal(which(i), jax.jit(winograd.convolve)(x, kernel))
