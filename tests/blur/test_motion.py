"""Camera motion against homographies, and streak lengths against their definition."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax.blur import motion
from deblur_jax.errors import UsageError


def frame(rotation=(0.0, 0.0, 0.0), translation=(0.0, 0.0, 0.0), tilt=(0.0, 0.0)):
    return motion.Motion(
        jnp.asarray(rotation),
        jnp.asarray(translation),
        jnp.asarray([20.0, -7.0]),
        jnp.asarray(300.0),
        jnp.asarray(tilt),
    )


def test_rotation_is_the_homography_k_r_k_inverse():
    pitch, yaw, roll = 0.03, -0.05, 0.2
    about_x = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    camera = np.array([[300.0, 0, 20.0], [0, 300.0, -7.0], [0, 0, 1]])
    homography = camera @ about_x @ about_y @ about_z @ np.linalg.inv(camera)
    x, y = np.meshgrid([0.0, 50.0, 256.0], [0.0, 100.0, 200.0])
    mapped = np.einsum("ij,j...->i...", homography, np.stack([x, y, np.ones_like(x)]))
    dx, dy = motion.displacement(frame((pitch, yaw, roll)), x, y)
    np.testing.assert_allclose(dx, mapped[0] / mapped[2] - x, atol=2e-3)
    np.testing.assert_allclose(dy, mapped[1] / mapped[2] - y, atol=2e-3)


def test_translation_is_the_same_everywhere_on_a_frontal_plane():
    x, y = np.meshgrid([0.0, 90.0], [0.0, 70.0])
    dx, dy = motion.displacement(frame(translation=(3.0, -2.0, 0.0)), x, y)
    np.testing.assert_allclose(dx, 3.0, atol=1e-4)
    np.testing.assert_allclose(dy, -2.0, atol=1e-4)
    # A slanted one moves more where it is nearer: 1 + .002 * 80 at x = 100.
    dx, _ = motion.displacement(frame(translation=(3.0, 0.0, 0.0), tilt=(0.002, 0.0)), 100.0, 0.0)
    assert float(dx) == pytest.approx(3.0 * 1.16, abs=1e-4)


def test_streaks_have_the_length_asked_for():
    keys = jax.random.split(jax.random.key(0), 20)

    def measure(key, length):
        mean = motion.sample_motion(key, length, frames=17, extent=256.0)
        most = motion.sample_motion(key, length, frames=17, extent=256.0, longest=True)
        return (
            motion.streak_lengths(mean, 256.0).mean(),
            motion.streak_lengths(most, 256.0).max(),
        )

    measure_all = jax.jit(jax.vmap(measure, in_axes=(0, None)))
    for length in (0.0, 1.5, 12.0, 40.0):
        mean, most = measure_all(keys, length)
        # Growth in proportion is exact for small angles only.
        np.testing.assert_allclose(mean, length, rtol=0.08, atol=1e-3)
        np.testing.assert_allclose(most, length, rtol=0.08, atol=1e-3)


def test_streak_length_of_a_hand_made_path():
    still = jnp.zeros((3, 3))
    path = jnp.asarray([[-3.0, -4.0, 0.0], [0.0, 0.0, 0.0], [6.0, 8.0, 0.0]])
    way = frame()._replace(rotation=still, translation=path)
    np.testing.assert_allclose(motion.streak_lengths(way, 64.0), 15.0, atol=1e-3)


def test_the_middle_sub_frame_stands_still():
    way = jax.jit(functools.partial(motion.sample_motion, frames=9, extent=128.0))(
        jax.random.key(3), 20.0
    )
    assert not np.any(way.rotation[4]) and not np.any(way.translation[4])
    assert np.any(way.rotation[0]) and np.any(way.translation[8])


def test_most_streaks_are_nearly_straight_but_some_are_hooks():
    keys = jax.random.split(jax.random.key(1), 200)
    tremor = jax.jit(jax.vmap(lambda key: motion.tremor(key, jnp.linspace(-1, 1, 33), 2)))
    path = np.asarray(tremor(keys), np.float64)
    chord = np.linalg.norm(path[:, -1] - path[:, 0], axis=-1)
    arc = np.linalg.norm(np.diff(path, axis=1), axis=-1).sum(axis=1)
    straightness = chord / arc
    assert 0.8 < np.median(straightness) < 0.999
    assert straightness.min() < 0.6


@pytest.mark.parametrize("frames", [1, 12])
def test_frames_must_have_a_middle(frames):
    with pytest.raises(UsageError, match="odd"):
        motion.sample_motion(jax.random.key(0), 5.0, frames=frames, extent=64.0)


def test_a_shorter_exposure_is_the_middle_of_the_same_path():
    sample = jax.jit(functools.partial(motion.sample_motion, frames=9, extent=100.0))
    key = jax.random.key(3)
    whole, half = sample(key, 20.0), sample(key, 20.0, exposure=0.5)
    for name in ("rotation", "translation"):
        # Nine sub-frames in half of the time: every second one is one of the whole path's.
        np.testing.assert_allclose(
            getattr(half, name)[::2], getattr(whole, name)[2:7], rtol=1e-4, atol=1e-6
        )
    streaks = [float(motion.streak_lengths(way, 100.0).mean()) for way in (whole, half)]
    assert streaks[0] == pytest.approx(20.0, rel=0.02) and streaks[1] < 0.75 * streaks[0]


def test_a_scene_is_taken_over_and_the_length_kept():
    keys = jax.random.split(jax.random.key(8), 2)
    scene = motion.sample_motion(keys[0], 5.0, frames=5, extent=80.0)
    own = motion.sample_motion(keys[1], 12.0, frames=5, extent=80.0, scene=scene)
    for name in ("centre", "focal", "tilt"):
        np.testing.assert_array_equal(getattr(own, name), getattr(scene, name))
    assert np.abs(own.rotation - scene.rotation).max() > 1e-4
    assert float(motion.streak_lengths(own, 80.0).mean()) == pytest.approx(12.0, rel=0.02)
