"""Gaussian and median against scipy."""

import numpy as np
import pytest
from scipy import ndimage

from deblur_jax.blur import filters
from deblur_jax.errors import UsageError


@pytest.fixture
def picture(rng):
    return rng.integers(0, 256, (30, 41, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [1, 5, 9, 13])
def test_gaussian_equals_scipy(picture, size):
    # size 5 gives 1.1, 9 gives 1.7, 13 gives 2.3: what OpenCV documents for these windows.
    sigma = {1: 0.5, 5: 1.1, 9: 1.7, 13: 2.3}[size]
    expected = ndimage.gaussian_filter(
        picture.astype(np.float64),
        (sigma, sigma, 0),
        radius=(size // 2, size // 2, 0),
        mode="mirror",
    )
    actual = filters.gaussian(picture.astype(np.float32), size)
    np.testing.assert_allclose(actual, expected, atol=1e-3)
    rounded = np.asarray(filters.gaussian(picture, size))
    assert rounded.dtype == np.uint8
    assert np.abs(rounded - expected).max() <= 0.501


@pytest.mark.parametrize("size", [1, 5, 9])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_median_equals_scipy(picture, size, dtype):
    image = picture.astype(dtype)
    expected = ndimage.median_filter(image, (size, size, 1), mode="mirror")
    actual = np.asarray(filters.median(image, size))
    assert actual.dtype == dtype
    np.testing.assert_array_equal(actual, expected)


def test_batches(picture):
    batch = np.stack([picture, picture[::-1]]).astype(np.float32)
    for function in (filters.gaussian, filters.median):
        both = np.asarray(function(batch, 5))
        np.testing.assert_allclose(both[1], np.asarray(function(batch[1], 5)), atol=1e-4)


@pytest.mark.parametrize("size", [0, 4, -3])
def test_even_sizes_are_told(picture, size):
    for function in (filters.gaussian, filters.median):
        with pytest.raises(UsageError, match=f"odd.*not {size}"):
            function(picture, size)
