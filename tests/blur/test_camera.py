"""Exposures against averages of shifted pictures, layers against their composition by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from deblur_jax.blur import camera
from deblur_jax.blur.motion import Motion, displacement, sample_motion
from deblur_jax.blur.objects import soft_mask
from deblur_jax.errors import UsageError

MARGIN = 8
blur = jax.jit(
    functools.partial(camera.camera_blur, frames=5, margin=MARGIN),
    static_argnames="layer_probability",
)
expose = jax.jit(functools.partial(camera.expose, margin=MARGIN), static_argnames=("light", "fine"))
sample = jax.jit(functools.partial(sample_motion, frames=5, extent=36.0))


def shifts(path):
    """A motion that only shifts: float[T, 2] in pixels."""
    path = jnp.asarray(path, jnp.float32)
    still = jnp.zeros((path.shape[0], 3))
    way = still.at[:, :2].set(path)
    return Motion(still, way, jnp.asarray([3.0, 5.0]), jnp.asarray(100.0), jnp.zeros(2))


@pytest.fixture
def picture(rng):
    return rng.uniform(size=(40, 52, 3)).astype(np.float32)


def cut(picture, x=0, y=0):
    height, width = picture.shape[:2]
    return picture[MARGIN + y : height - MARGIN + y, MARGIN + x : width - MARGIN + x]


def test_whole_shifts_average_shifted_pictures(picture):
    path = [(-3, 1), (0, 0), (2, -4)]
    expected = np.mean([cut(picture, x, y) for x, y in path], axis=0)
    blurred = expose(picture, shifts(path))
    np.testing.assert_allclose(blurred, expected, atol=1e-4)
    linear = expose(picture, shifts(path), light="gamma")
    expected = np.mean([cut(picture, x, y) ** 2.2 for x, y in path], axis=0) ** (1 / 2.2)
    np.testing.assert_allclose(linear, expected, atol=1e-3)
    # Whole pixels of a doubled picture are the picture's own.
    np.testing.assert_allclose(
        expose(picture, shifts(path), fine=True), expose(picture, shifts(path)), atol=1e-5
    )


def test_parts_of_a_pixel_are_bilinear(picture):
    blurred = expose(picture, shifts([(0.25, -0.5)]))
    moved = ndimage.shift(picture.astype(np.float64), (0.5, -0.25, 0), order=1)
    np.testing.assert_allclose(blurred, cut(moved), atol=1e-4)


def test_doubled_pictures_have_cubic_means_between(picture):
    doubled = jax.jit(camera.doubled)
    double = np.asarray(doubled(picture))
    assert double.shape == (80, 104, 3)
    np.testing.assert_array_equal(double[::2, ::2], picture)
    a, b, c, d = (picture[7, 10 + i].astype(np.float64) for i in range(4))
    np.testing.assert_allclose(double[14, 23], (9 * (b + c) - a - d) / 16, atol=1e-6)
    # Closer to a smooth curve than the mean of two.
    x = np.linspace(0, 3, 40, dtype=np.float32)
    wave = np.sin(3 * x)[:, None, None] * np.ones((1, 52, 1), np.float32)
    between = np.asarray(doubled(np.repeat(wave, 3, axis=2)))[1:-1:2, 0, 0]
    middle = np.sin(3 * (x[:-1] + x[1:]) / 2)
    linear = (wave[:-1, 0, 0] + wave[1:, 0, 0]) / 2
    assert np.abs(between - middle)[1:-1].max() < 0.1 * np.abs(linear - middle)[1:-1].max()


def test_warp_continues_the_border(picture):
    found = camera.warp(picture, jnp.asarray([-5.0, 99.0]), jnp.asarray([2.0, 50.0]))
    np.testing.assert_allclose(found, [picture[2, 0], picture[-1, -1]], atol=1e-6)


def test_a_layer_hides_and_uncovers_in_every_sub_frame(picture):
    mask = np.zeros((40, 52), np.float32)
    mask[15:25, 20:30] = 1.0
    back, front = [(-2, 0), (0, 0), (2, 0)], [(0, 3), (0, 0), (0, -3)]
    frames = []
    for (bx, by), (fx, fy) in zip(back, front, strict=True):
        covered = cut(mask, fx, fy)[..., None]
        frames.append(covered * cut(picture, fx, fy) + (1 - covered) * cut(picture, bx, by))
    blurred = expose(picture, shifts(back), layer=(jnp.asarray(mask), shifts(front)))
    np.testing.assert_allclose(blurred, np.mean(frames, axis=0), atol=2e-4)


@pytest.mark.parametrize("layer_probability", [0.0, 1.0])
def test_no_strength_is_identity_and_the_target_is_the_cut_out(picture, layer_probability):
    blurred, middle = blur(
        jax.random.key(0),
        picture,
        length=0.0,
        layer_length=0.0,
        layer_probability=layer_probability,
    )
    assert blurred.shape == (24, 36, 3)
    np.testing.assert_array_equal(middle, cut(picture))
    np.testing.assert_allclose(blurred, cut(picture), atol=1e-4)


def test_target_is_bit_equal_and_blur_is_under_vmap(picture):
    pictures = np.stack([picture, picture[:, ::-1]])
    keys = jax.random.split(jax.random.key(1), 2)
    options = {"length": 6.0, "layer_length": 4.0, "layer_probability": 1.0}
    blurred, middle = jax.vmap(functools.partial(blur, **options))(keys, pictures)
    for one in range(2):
        np.testing.assert_array_equal(middle[one], cut(pictures[one]))
        alone, _ = blur(keys[one], pictures[one], **options)
        np.testing.assert_allclose(blurred[one], alone, atol=1e-4)
    # White noise under a streak of 6 pixels loses more than half of its contrast.
    assert np.std(blurred) < 0.6 * np.std(middle)


def test_a_layer_only_changes_what_it_covers(picture):
    options = {"length": 0.0, "layer_length": 5.0}
    without, _ = blur(jax.random.key(4), picture, layer_probability=0.0, **options)
    within, _ = blur(jax.random.key(4), picture, layer_probability=1.0, **options)
    changed = np.abs(np.asarray(without - within)).max(axis=-1) > 1e-3
    assert 0.02 < changed.mean() < 0.9


def numpy_sample(picture, x, y):
    """One bilinear sample of [H, W, C], the border continued."""
    x = min(max(x, 0.0), picture.shape[1] - 1.0)
    y = min(max(y, 0.0), picture.shape[0] - 1.0)
    column, row = min(int(x), picture.shape[1] - 2), min(int(y), picture.shape[0] - 2)
    right, down = x - column, y - row
    above = picture[row, column] * (1 - right) + picture[row, column + 1] * right
    below = picture[row + 1, column] * (1 - right) + picture[row + 1, column + 1] * right
    return above * (1 - down) + below * down


def test_sub_frames_with_a_layer_equal_a_loop_at_some_pixels(picture):
    """Rotation, shift and depth of camera and object, composited frame by frame in numpy."""
    key, own, mask_key = jax.random.split(jax.random.key(9), 3)
    ways = [sample(key, 9.0), sample(own, 14.0)]
    mask = np.asarray(soft_mask(mask_key, picture), np.float64)[..., None]
    actual = np.asarray(expose(picture, ways[0], layer=(jnp.asarray(mask[..., 0]), ways[1])))
    steep = np.abs(np.diff(mask[..., 0], axis=1)).max()
    assert steep > 0.3  # there is an edge to be hidden behind
    spots = [(r, c) for r in (0, 7, 12, 16, 23) for c in (0, 5, 11, 18, 24, 35)]
    shares = []
    places = jax.jit(displacement)
    for row, column in spots:
        total = np.zeros(3)
        for step in range(5):
            seen = []
            for way in ways:
                still = way._replace(rotation=way.rotation[step], translation=way.translation[step])
                dx, dy = places(still, np.float32(column), np.float32(row))
                seen.append((column + float(dx) + MARGIN, row + float(dy) + MARGIN))
            share = numpy_sample(mask, *seen[1])
            behind, front = numpy_sample(picture, *seen[0]), numpy_sample(picture, *seen[1])
            total += (1 - share) * behind + share * front
            shares.append(float(share[0]))
        np.testing.assert_allclose(actual[row, column], total / 5, atol=2e-4)
    assert min(shares) < 0.1 and max(shares) > 0.9


def test_a_shorter_exposure_blurs_less_and_keeps_the_brightness(picture):
    options = {"length": 12.0, "layer_probability": 0.0}
    errors = []
    for exposure in (0.1, 0.5, 1.0):
        blurred, middle = blur(jax.random.key(3), picture, exposure=exposure, **options)
        errors.append(float(jnp.mean((blurred - middle) ** 2)))
        assert float(blurred.mean()) == pytest.approx(float(middle.mean()), abs=0.02)
    assert errors[0] < 0.7 * errors[1] < 0.7 * errors[2]


def test_the_same_key_gives_the_same_bits(picture):
    options = {"length": 6.0, "layer_length": 4.0, "layer_probability": 1.0}
    one, same, other = (
        np.asarray(blur(jax.random.key(k), picture, **options)[0]) for k in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.05


def test_streak_lengths_are_drawn_within_bounds():
    lengths = np.asarray(jax.vmap(camera.draw_length)(jax.random.split(jax.random.key(0), 2000)))
    assert np.median(lengths) == pytest.approx(9.0, rel=0.1)
    assert lengths.max() == 48.0 and lengths.min() < 1.0


def test_too_small_pictures_are_told(picture):
    with pytest.raises(UsageError, match="52x40"):
        camera.camera_blur(jax.random.key(0), picture, margin=20)
