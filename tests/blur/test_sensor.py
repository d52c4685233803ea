"""Noise against its variance, rounding and JPEG against numpy and Pillow."""

import io

import jax
import numpy as np
import pytest
from PIL import Image

from deblur_jax.blur import light, sensor
from deblur_jax.errors import UsageError


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_variance_is_that_of_reading_plus_light(level):
    flat = np.full((200, 200, 3), level, np.float32)
    noisy = jax.jit(sensor.noise)(jax.random.key(1), flat, read=1.5, shot=4.0)
    # 120,000 numbers: a standard deviation known to 0.2 %.
    expected = np.sqrt(1.5**2 + 4.0**2 * level)
    assert np.std(np.asarray(noisy) * 255) == pytest.approx(expected, rel=0.01)
    assert np.mean(noisy) == pytest.approx(level, abs=1e-4)


@pytest.mark.parametrize("curve", ["gamma", "srgb"])
def test_noise_of_light_is_added_to_light(curve):
    stored = np.full((150, 150, 3), 0.6, np.float32)
    noisy = sensor.noise(jax.random.key(2), stored, read=1.0, shot=2.0, light=curve)
    x = float(light.to_light(np.float32(0.6), curve))
    seen = np.std(np.asarray(light.to_light(noisy, curve)) * 255)
    assert seen == pytest.approx(np.sqrt(1.0 + 4.0 * x), rel=0.01)


def test_keys_decide_and_zero_is_none(rng):
    picture = rng.uniform(size=(8, 9, 3)).astype(np.float32)
    noisy = [
        np.asarray(sensor.noise(jax.random.key(k), picture, read=2, shot=0)) for k in (5, 5, 6)
    ]
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert np.abs(noisy[0] - noisy[2]).max() > 1 / 255
    without = sensor.noise(jax.random.key(5), picture, read=0.0, shot=0.0)
    np.testing.assert_allclose(without, picture, atol=1e-7)


def test_rounding_clips_and_keeps_bytes():
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(sensor.quantize(every / np.float32(255)), every)
    outside = sensor.quantize(np.float32([-0.3, 1.7, 0.4 / 255, 0.6 / 255]))
    np.testing.assert_array_equal(outside, [0, 255, 0, 1])
    assert outside.dtype == np.uint8


def test_jpeg_is_that_of_a_file(rng):
    picture = rng.integers(0, 256, (33, 41, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=80)  # 4:2:0 is Pillow's default
    expected = np.asarray(Image.open(stream))
    np.testing.assert_array_equal(sensor.jpeg(picture, 80), expected)
    error = [np.abs(sensor.jpeg(picture, q).astype(int) - picture).mean() for q in (20, 95)]
    assert error[0] > error[1] > 0
    for quality in (0, 101):
        with pytest.raises(UsageError, match=f"from 1 to 100, not {quality}"):
            sensor.jpeg(picture, quality)
