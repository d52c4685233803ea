"""Kernels: sums, centroids, and the splat against a numpy loop."""

import jax
import numpy as np
import pytest

from deblur_jax.blur import psf, trajectory
from deblur_jax.errors import UsageError


def numpy_splat(path, weights, canvas):
    kernel = np.zeros((canvas, canvas))
    for (x, y), weight in zip(np.asarray(path, np.float64), weights, strict=True):
        for row in range(canvas):
            for column in range(canvas):
                share = max(0, 1 - abs(column - x)) * max(0, 1 - abs(row - y))
                kernel[row, column] += weight * share
    return kernel


@pytest.fixture(scope="module")
def path():
    found = trajectory.sample_trajectory(jax.random.key(4), iterations=500, expl=0.005, length=20)
    return trajectory.centre(found, canvas=32)


def test_splat_equals_a_loop(path):
    few = path[:60]
    kernel = np.asarray(psf.rasterize(few, canvas=32))
    np.testing.assert_allclose(kernel, numpy_splat(few, np.full(60, 1 / 60), 32), atol=1e-6)


@pytest.mark.parametrize("exposure", [0.01, 0.1, 0.5, 1.0])
def test_sums(path, exposure):
    dark = psf.rasterize(path, canvas=32, exposure=exposure, normalize=False)
    assert float(dark.sum()) == pytest.approx(exposure, rel=1e-5)
    bright = psf.rasterize(path, canvas=32, exposure=exposure)
    assert float(bright.sum()) == pytest.approx(1.0, rel=1e-5)
    assert float(bright.min()) >= 0


def test_centroid_is_kept_below_a_pixel(path):
    kernel = np.asarray(psf.rasterize(path, canvas=32), np.float64)
    rows, columns = np.mgrid[:32, :32]
    mean = np.asarray(path, np.float64).mean(axis=0)
    assert (kernel * columns).sum() == pytest.approx(mean[0], abs=1e-4)
    assert (kernel * rows).sum() == pytest.approx(mean[1], abs=1e-4)


def test_rows_are_y_and_columns_x():
    kernel = np.asarray(psf.rasterize(np.float32([[5.25, 2.0]]), canvas=8))
    assert kernel[2, 5] == pytest.approx(0.75) and kernel[2, 6] == pytest.approx(0.25)


def test_time_weights_close_the_shutter_within_a_position():
    weights = np.asarray(psf.time_weights(10, 0.25))
    np.testing.assert_allclose(weights, [1, 1, 0.5, 0, 0, 0, 0, 0, 0, 0], atol=1e-6)


def test_positions_outside_are_not_lost():
    kernel = psf.rasterize(np.float32([[-3.0, 2.0], [40.0, 2.0]]), canvas=8, normalize=False)
    assert float(kernel.sum()) == pytest.approx(1.0)
    with pytest.raises(UsageError, match="canvas"):
        psf.rasterize(np.zeros((2, 2), np.float32), canvas=1)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_sum_over_positions_is_the_same_kernel_as_a_scatter(path, normalize):
    path = np.concatenate([path, [[-2.0, 3.0], [31.0, 31.0], [7.0, 99.0]]])
    options = {"canvas": 32, "exposure": 0.9, "normalize": normalize}
    expected = psf.rasterize(path, **options)
    summed = jax.jit(lambda path: psf.rasterize(path, scatter=False, **options))(path)
    np.testing.assert_allclose(summed, expected, atol=1e-6)
    # Outside of the canvas too, and in the loop's words.
    clipped, weights = np.clip(path, 0, 31), np.asarray(psf.time_weights(len(path), 0.9))
    weights = weights / (weights.sum() if normalize else len(path))
    np.testing.assert_allclose(summed, numpy_splat(clipped, weights, 32), atol=1e-6)
