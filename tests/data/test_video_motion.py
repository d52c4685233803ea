"""What moved is told from noise, whatever its level, and a cut from motion, however fast."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from deblur_jax import images
from deblur_jax.data.video import motion
from deblur_jax.data.video.motion import CUT_LEVELS, CUT_RATIO, cuts, nothing_moved, step, thumbnail


def scene(rng, height=192, width=320):
    """A picture with the spectrum of natural ones (amplitude 1/f), of 8 bits."""
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    frequencies[0, 0] = 1
    spectrum = np.fft.fft2(rng.normal(size=(height, width))) / frequencies
    spectrum[0, 0] = 0
    grey = np.fft.ifft2(spectrum).real
    grey = 128 + 45 * grey / grey.std()
    return np.stack([grey * 0.9, grey, grey * 1.1], axis=2).clip(0, 255)


def shot(picture, rng, noise=0.0):
    return np.rint(picture + rng.normal(0, noise, picture.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0, 0.5, 2, 8, 20])
def test_noise_on_a_tripod_is_static(rng, noise):
    picture = scene(rng)
    assert nothing_moved(shot(picture, rng, noise), shot(picture, rng, noise))


def test_noise_that_depends_on_light_and_was_demosaicked_is_static(rng):
    picture = scene(rng)

    def developed():
        raw = picture + rng.normal(0, 1, picture.shape) * np.sqrt(0.1 * picture)
        mosaic = np.zeros(picture.shape)
        for row, column, channel in [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)]:
            mosaic[row::2, column::2, channel] = raw[row::2, column::2, channel]
        green = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
        other = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
        full = [ndimage.convolve(mosaic[..., c], green if c == 1 else other) for c in range(3)]
        return shot(np.stack(full, axis=2), rng)

    assert nothing_moved(developed(), developed())


@pytest.mark.parametrize("noise", [0, 2, 8])
@pytest.mark.parametrize("distance", [1, 2, 6, 30])
def test_a_pan_is_motion_under_noise_too(rng, noise, distance):
    picture = scene(rng)
    first, last = picture[:, :-distance], picture[:, distance:]
    assert not nothing_moved(shot(first, rng, noise), shot(last, rng, noise))


def test_a_small_thing_that_moves_is_motion(rng):
    first = scene(rng, 360, 640)
    last = first.copy()
    first[100:150, 300:320] = last[100:150, 308:328] = (220, 180, 150)  # 0.4 % of the picture
    assert not nothing_moved(shot(first, rng, 3), shot(last, rng, 3))


def test_flickering_light_is_no_motion(rng):
    picture = np.full((128, 128, 3), 100.0)
    assert nothing_moved(shot(picture, rng, 2), shot(picture + 6, rng, 2))


@pytest.mark.parametrize("shape", [(1, 1), (3, 90), (5, 7), (20, 20), (70, 65)])
def test_pictures_of_any_size(rng, shape):
    one = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert nothing_moved(one, one)
    assert np.isfinite(thumbnail(one)).all() and thumbnail(one).size
    assert step(one, one) == 0


def test_thumbnail_is_the_mean_of_every_fourth_pixel(rng):
    frame = rng.integers(0, 256, (69, 100, 3), dtype=np.uint8)
    expected = [
        [frame[y : y + 32 : 4, x : x + 32 : 4].mean((0, 1)) for x in range(0, 96, 32)]
        for y in range(0, 64, 32)
    ]
    np.testing.assert_allclose(thumbnail(frame), expected, rtol=1e-6)


def test_cuts_stand_out():
    assert cuts([3, 3, 3, 40, 3, 3])
    assert cuts([40, 3])
    assert not cuts([30, 31, 29, 30])  # a steady pan, however fast
    assert not cuts([3, 3], before=[40, 3, 3])  # before the window
    assert not cuts([0.1, CUT_LEVELS, 0.1])  # a start from rest
    assert cuts([10, 10, 10 * CUT_RATIO + 1]) and not cuts([10, 10, 10 * CUT_RATIO])
    assert not cuts([]) and not cuts([CUT_LEVELS])


def frame_differences(pictures):
    small = [thumbnail(picture) for picture in pictures]
    return [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(small)]


def test_a_fast_pan_is_no_cut_but_another_scene_is(rng):
    wide = scene(rng, 192, 1200)
    pan = [shot(wide[:, 12 * i : 12 * i + 320], rng, 2) for i in range(10)]
    other = [shot(scene(rng), rng, 2)] * 3
    assert not cuts(frame_differences(pan))
    assert cuts(frame_differences(pan[:6] + other))
    assert cuts(frame_differences(other + pan[:6]))


def test_real_motion_is_no_cut_and_not_static(shared_data):
    scenes = [
        [images.read_rgb(path) for path in sorted(folder.glob("sharp/*"))]
        for folder in sorted((shared_data / "reds" / "train").iterdir())
    ]
    for frames in scenes:
        assert not cuts(frame_differences(frames))
        assert not nothing_moved(frames[0], frames[1])
        assert step(frames[0], frames[1]) > motion.GHOST_STEP  # only 24 frames a second
    differences = frame_differences(scenes[0][:4] + scenes[1][:4])
    assert int(np.argmax(differences)) == 3 and cuts(differences)


@pytest.mark.parametrize("noise", [0, 4])
@pytest.mark.parametrize("shift", [(0, 0), (0, 3), (5, -12), (-20, 20)])
def test_step_is_the_distance(rng, shift, noise):
    wide = scene(rng, 300, 450)
    down, across = shift
    first = wide[22 : 22 + 256, 22 : 22 + 384]
    second = wide[22 + down : 22 + down + 256, 22 + across : 22 + across + 384]
    found = step(shot(first, rng, noise), shot(second, rng, noise))
    assert found == pytest.approx(np.hypot(down, across), abs=1e-6)


def test_nothing_to_follow_is_no_step():
    assert step(np.full((200, 200, 3), 9, np.uint8), np.full((200, 200, 3), 90, np.uint8)) == 0
