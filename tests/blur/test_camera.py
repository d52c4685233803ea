"""Exposures against averages of shifted pictures, layers against their composition by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from deblur_jax.blur import camera
from deblur_jax.blur.motion import Motion
from deblur_jax.errors import UsageError

MARGIN = 8
blur = jax.jit(
    functools.partial(camera.camera_blur, frames=5, margin=MARGIN),
    static_argnames="layer_probability",
)
expose = jax.jit(functools.partial(camera.expose, margin=MARGIN), static_argnames="gamma")


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
    linear = expose(picture, shifts(path), gamma=2.2)
    expected = np.mean([cut(picture, x, y) ** 2.2 for x, y in path], axis=0) ** (1 / 2.2)
    np.testing.assert_allclose(linear, expected, atol=1e-3)


def test_parts_of_a_pixel_are_bilinear(picture):
    blurred = expose(picture, shifts([(0.25, -0.5)]))
    moved = ndimage.shift(picture.astype(np.float64), (0.5, -0.25, 0), order=1)
    np.testing.assert_allclose(blurred, cut(moved), atol=1e-4)


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


def test_masks_cover_some_but_not_all():
    keys = jax.random.split(jax.random.key(0), 30)
    masks = np.asarray(jax.jit(jax.vmap(lambda key: camera.soft_mask(key, 96, 96)))(keys))
    assert masks.min() >= 0 and masks.max() <= 1
    share = masks.mean(axis=(1, 2))
    assert 0.05 < np.median(share) < 0.5
    # An edge is about two pixels wide: few pixels lie between.
    assert np.mean((masks > 0.01) & (masks < 0.99)) < 0.12


def test_streak_lengths_are_drawn_within_bounds():
    lengths = np.asarray(jax.vmap(camera.draw_length)(jax.random.split(jax.random.key(0), 2000)))
    assert np.median(lengths) == pytest.approx(6.5, rel=0.1)
    assert lengths.max() == 48.0 and lengths.min() < 1.0


def test_too_small_pictures_are_told(picture):
    with pytest.raises(UsageError, match="52x40"):
        camera.camera_blur(jax.random.key(0), picture, margin=20)
