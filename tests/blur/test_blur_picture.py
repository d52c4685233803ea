"""Blurring whole pictures by name: shapes, seeds, strengths, and what is refused."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from deblur_jax import blur
from deblur_jax.blur import apply, picture, sensor
from deblur_jax.errors import UsageError


@pytest.fixture
def image(rng):
    smooth = ndimage.gaussian_filter(rng.uniform(0, 255, (70, 93, 3)), (0.7, 0.7, 0))
    return np.rint(np.clip((smooth - 128) * 2 + 128, 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("method", blur.METHODS)
def test_every_method_blurs_and_keeps_brightness(image, method):
    blurred = blur.blur_picture(image, method, seed=3)
    assert blurred.shape == image.shape and blurred.dtype == np.uint8
    assert blurred.std() < 0.8 * image.std()
    assert blurred.mean() == pytest.approx(image.mean(), abs=4.0)
    np.testing.assert_array_equal(blurred, blur.blur_picture(image, method, seed=3))


@pytest.mark.parametrize("method", ["trajectory", "camera"])
def test_seed_and_size_matter(image, method):
    small = blur.blur_picture(image, method, kernel_size=5, seed=1)
    other = blur.blur_picture(image, method, kernel_size=5, seed=2)
    large = blur.blur_picture(image, method, seed=1)
    assert np.abs(small.astype(int) - other).mean() > 0.5
    error = [np.mean((b.astype(float) - image) ** 2) for b in (small, large)]
    assert error[0] < error[1]


def test_pictures_smaller_than_the_streaks(image):
    for method in ("camera", "median"):
        assert blur.blur_picture(image[:9, :6], method, kernel_size=15).shape == (9, 6, 3)


def test_trajectory_is_a_convolution_with_a_kernel_that_fits(image):
    kernel = jax.jit(picture.trajectory_kernel, static_argnums=1)(jax.random.key(7), 31)
    assert kernel.shape == (31, 31)
    assert float(kernel.sum()) == pytest.approx(1.0, abs=1e-5)
    occupied = np.argwhere(np.asarray(kernel) > 1e-6)
    assert np.abs(occupied - 15).max() == 15
    expected = np.asarray(apply.convolve(image / np.float32(255), kernel)) * 255
    actual = blur.blur_picture(image, "trajectory", seed=7)
    assert np.abs(actual - expected).max() <= 0.51


@pytest.mark.parametrize("constants", ["code", "paper"])
@pytest.mark.parametrize("exposure", [0.1, 0.6])
def test_kernels_of_short_exposures_fit_too(constants, exposure):
    kernel = jax.jit(picture.trajectory_kernel, static_argnums=1, static_argnames="constants")
    for seed in range(4):
        key = jax.random.key(seed)
        whole = np.asarray(kernel(key, 31, constants=constants))
        part = np.asarray(kernel(key, 31, constants=constants, exposure=exposure), np.float64)
        assert part.sum() == pytest.approx(1.0, abs=1e-5)
        rows, columns = np.mgrid[:31, :31]
        assert (part * rows).sum() == pytest.approx(15, abs=1e-3)
        assert (part * columns).sum() == pytest.approx(15, abs=1e-3)
        assert np.count_nonzero(part > 1e-6) < np.count_nonzero(whole > 1e-6)


@pytest.mark.parametrize("method", ["trajectory", "camera"])
def test_options_change_what_they_say(image, method):
    image = np.kron(image[:20, :25], np.ones((4, 4, 1), np.uint8))

    def error(**options):
        found = blur.blur_picture(image, method, kernel_size=15, seed=4, **options)
        return np.mean((found.astype(float) - image) ** 2), found

    plain, short = error(), error(exposure=0.2)
    assert short[0] < 0.8 * plain[0]
    for curve in ("gamma", "srgb"):
        # Averages of light are brighter than averages of stored values.
        assert error(light=curve)[1].mean() > plain[1].mean() + 1
    np.testing.assert_array_equal(error(light="stored", exposure=1.0)[1], plain[1])
    if method == "trajectory":
        assert np.mean(error(constants="paper")[1] != plain[1]) > 0.5
        np.testing.assert_array_equal(error(constants="code")[1], plain[1])


@pytest.mark.parametrize("method", blur.METHODS)
def test_noise_and_jpeg_come_after_the_blur(image, method):
    options = {"kernel_size": 9, "seed": 2}
    plain = blur.blur_picture(image, method, **options)
    noisy, same, other = (
        blur.blur_picture(image, method, noise=(3.0, 0.0), kernel_size=9, seed=seed)
        for seed in (2, 2, 3)
    )
    np.testing.assert_array_equal(noisy, same)
    # Nine tenths of the pixels are far enough from black and white to keep all their noise.
    spread = np.std((noisy.astype(float) - plain)[(plain > 12) & (plain < 243)])
    assert spread == pytest.approx(np.sqrt(9 + 2 / 12), rel=0.05)
    assert np.any(noisy != other)
    packed = blur.blur_picture(image, method, jpeg=60, **options)
    np.testing.assert_array_equal(packed, sensor.jpeg(plain, 60))


def test_filters_are_the_plain_ones(image):
    expected = ndimage.median_filter(image, (5, 5, 1), mode="mirror")
    np.testing.assert_array_equal(blur.blur_picture(image, "median", kernel_size=5), expected)


def test_official_darkens_borders_and_stretches(image):
    official = blur.blur_picture(image, "trajectory", kernel_size=32, seed=1, compat="official")
    assert official.shape == image.shape
    assert official.min() == 0 and official.max() == 255
    ours = blur.blur_picture(image, "trajectory", seed=1)
    assert official[0].mean() < official[30:40].mean() * 0.8
    assert ours[0].mean() > ours[30:40].mean() * 0.8


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("box", {}, "method must be one of"),
        ("camera", {"compat": "official"}, "only with the method trajectory"),
        ("trajectory", {"compat": "old"}, "compat can only be"),
        ("trajectory", {"kernel_size": 0}, "at least 1"),
        ("camera", {"kernel_size": 2}, "at least 3"),
        ("gaussian", {"kernel_size": 4}, "odd"),
        ("camera", {"constants": "paper"}, "constants belongs to the method trajectory, not to"),
        ("median", {"light": "srgb"}, "light belongs to the method trajectory or camera, not to"),
        ("gaussian", {"exposure": 0.5}, "exposure belongs to the method trajectory or camera"),
        ("trajectory", {"constants": "text"}, "constants must be one of code, paper, not 'text'"),
        ("trajectory", {"light": "log"}, "light must be one of stored, gamma, srgb, not 'log'"),
        ("camera", {"exposure": 0.0}, "fraction above 0 and at most 1, not 0"),
        ("camera", {"exposure": 1.01}, "fraction above 0 and at most 1, not 1.01"),
        ("camera", {"exposure": float("nan")}, "fraction above 0"),
        ("median", {"noise": (-1.0, 2.0)}, "from 0 to 255 grey levels each, not -1 2"),
        ("median", {"noise": (1.0, float("inf"))}, "from 0 to 255 grey levels each"),
        ("median", {"jpeg": 0}, "JPEG quality must be from 1 to 100, not 0"),
        ("trajectory", {"jpeg": 50, "compat": "official"}, "jpeg cannot be chosen with compat"),
        ("trajectory", {"kernel_size": 80, "compat": "official"}, "at least 80x80"),
    ],
)
def test_bad_calls_are_told(image, method, options, message):
    with pytest.raises(UsageError, match=message):
        blur.blur_picture(image, method, **options)


def test_a_kernel_size_that_no_memory_holds_is_refused(image):
    with pytest.raises(UsageError, match="at most 511, not 100001"):
        blur.blur_picture(image, "gaussian", kernel_size=100_001)
