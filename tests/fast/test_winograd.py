"""Winograd's convolution against SciPy's in float64, its transforms against their definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate

from deblur_jax.fast import winograd


def direct(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The same by sums in float64."""
    return np.stack(
        [
            np.stack(
                [
                    sum(
                        correlate(x[b, :, :, i].astype(np.float64), kernel[:, :, i, o], "valid")
                        for i in range(x.shape[3])
                    )
                    for o in range(kernel.shape[3])
                ],
                -1,
            )
            for b in range(x.shape[0])
        ]
    )


@pytest.mark.parametrize(
    "size", [(3, 3), (3, 9), (4, 4), (5, 5), (6, 6), (7, 10), (11, 6), (18, 18), (21, 38)]
)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("strip", [1, 6, 256])
def test_every_size_strip_and_batch(size, batch, strip, rng, monkeypatch) -> None:
    monkeypatch.setattr(winograd, "STRIP", strip)
    x = rng.uniform(-1, 1, (batch, *size, 5)).astype(np.float32)
    kernel = rng.normal(0, 0.2, (3, 3, 5, 4))
    y = jax.jit(winograd.convolve)(x, winograd.transform_kernel(kernel))
    assert y.shape == (batch, size[0] - 2, size[1] - 2, 4)
    np.testing.assert_allclose(np.asarray(y), direct(x, kernel), atol=2e-5)


@pytest.mark.parametrize("size", [(3, 3), (3, 9), (6, 6), (7, 10), (18, 11)])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("strip", [1, 6, 384])
def test_training_s_functions_of_every_size_strip_and_batch(
    size, batch, strip, rng, monkeypatch
) -> None:
    monkeypatch.setattr(winograd, "LONG_STRIP", strip)
    x = rng.uniform(-1, 1, (batch, *size, 5)).astype(np.float32)
    kernel = rng.normal(0, 0.2, (3, 3, 5, 4)).astype(np.float32)
    y = jax.jit(winograd.value)(x, kernel)
    np.testing.assert_allclose(np.asarray(y), direct(x, kernel), atol=2e-5)

    change = rng.normal(size=y.shape).astype(np.float32)
    around = np.pad(change, ((0, 0), (2, 2), (2, 2), (0, 0)))
    turned = kernel[::-1, ::-1].swapaxes(2, 3)
    found = np.asarray(jax.jit(winograd.input_gradient)(change, kernel))
    np.testing.assert_allclose(found, direct(around, turned), atol=5e-5)

    # A picture of the batch is an input channel of this one, and a channel a picture.
    expected = direct(x.transpose(3, 1, 2, 0), change.transpose(1, 2, 0, 3))
    found = np.asarray(jax.jit(winograd.kernel_gradient)(x, change))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected.transpose(1, 2, 0, 3), atol=1e-5 * scale)


def test_training_in_bfloat16_computes_in_float32(rng) -> None:
    x = jnp.asarray(rng.normal(size=(1, 10, 10, 8)), jnp.bfloat16)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 8, 8)), jnp.bfloat16)
    wide = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    y = winograd.value(x, kernel)
    assert y.dtype == jnp.bfloat16
    assert winograd.input_gradient(y, kernel).dtype == jnp.bfloat16
    assert winograd.kernel_gradient(x, y).dtype == jnp.bfloat16
    # What is left is the result's own rounding: half of 2^-7 relative.
    np.testing.assert_allclose(np.asarray(y, np.float64), direct(*wide), rtol=2**-8, atol=2e-4)


def test_at_the_paper_s_width_the_error_is_small(rng) -> None:
    x = rng.normal(0, 1, (1, 18, 18, 256)).astype(np.float32)
    kernel = rng.normal(0, 0.02, (3, 3, 256, 8))
    y = np.asarray(winograd.convolve(x, winograd.transform_kernel(kernel)))
    expected = direct(x, kernel)
    assert np.abs(y - expected).max() < 3e-5 * np.abs(expected).max()


def test_the_transforms_are_exact_on_whole_numbers(rng) -> None:
    """In float64 the identity holds to the last digits for any tile and kernel."""
    tile, kernel = rng.integers(-9, 9, (6, 6)), rng.integers(-9, 9, (3, 3))
    seen = winograd.INPUT @ tile.ravel()
    own = winograd.KERNEL @ kernel.ravel()
    found = (winograd.RESULT @ (seen * own)).reshape(4, 4)
    np.testing.assert_allclose(found, correlate(tile, kernel, "valid"), atol=1e-9)


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 1, 1), (1, 180, 320), (2, 64, 64)])
def test_strips_cover_the_picture_and_stay_small(batch, height, width) -> None:
    rows, columns, strips = winograd._strips(batch, height, width, winograd.STRIP)
    assert strips * rows * 4 >= height and columns * 4 >= width
    assert (strips - 1) * rows * 4 < height, "no strip for nothing"
    assert batch * rows * columns <= 1.5 * winograd.STRIP or rows == 1
