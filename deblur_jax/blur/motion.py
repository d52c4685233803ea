"""How a camera and a scene move against each other during one exposure.

The picture seen at one point of the path is out(x) = sharp(x + d(x, time)), in pixels, with

    d = rotation about three axes (exact, pinhole)  +  translation / depth (a slanted plane)

Every component of the path is a sum of a few slow sinusoids, like the tremor of a hand, and is
zero at the middle of the exposure.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from deblur_jax.errors import UsageError

Array = jax.Array

# Mean streak length over the picture, log-normal, in pixels of the output. Chosen so that pairs of
# 256x256 have the PSNR quantiles of real GoPro (half size) and REDS crops; see data/synthetic.
LENGTH_MEDIAN = 9.0
LENGTH_SPREAD = 0.85
LENGTH_MAX = 48.0

_WAVES = 3
# Waves per exposure: far below one, a streak is nearly straight; towards one, it is a hook.
_WAVES_PER_EXPOSURE = (0.06, 0.8)
# Pitch, yaw, roll, shift x, shift y, approach: typical share of each in a point's movement.
_SHARES = (1.0, 1.0, 0.45, 0.7, 0.7, 0.3)


class Motion(NamedTuple):
    """A camera's way through one exposure of T sub-frames.

    rotation: float32[T, 3] pitch, yaw, roll in radians.
    translation: float32[T, 3] shift x, shift y in pixels at depth one; approach, relative.
    centre: float32[2] the principal point (x, y) in pixels; it may lie outside of the picture.
    focal: float32[] focal length in pixels.
    tilt: float32[2] change of inverse depth per pixel along x and y (zero: a frontal plane).
    """

    rotation: Array
    translation: Array
    centre: Array
    focal: Array
    tilt: Array


def draw_length(key: Array) -> Array:
    """float32[] mean streak length in pixels: log-normal, at most LENGTH_MAX."""
    length = LENGTH_MEDIAN * jnp.exp(LENGTH_SPREAD * jax.random.normal(key))
    return jnp.minimum(length, LENGTH_MAX)


def tremor(key: Array, times: Array, components: int) -> Array:
    """float32[T, components]: sums of slow sinusoids of `times` in [-1, 1], zero at time zero.

    Each wave has the same mean speed (amplitude 1 / frequency), so slow waves, which draw nearly
    straight streaks, go farthest.
    """
    speed_key, wave_key = jax.random.split(key)
    # Few draws of many numbers instead of many draws: each costs a tenth of a second to compile.
    u = jax.random.uniform(wave_key, (_WAVES, components + 1))
    slow, fast = _WAVES_PER_EXPOSURE
    # One rate per wave for all components: they draw lines and arcs instead of scribbles.
    waves = slow * (fast / slow) ** u[:, :1]
    phase = 2 * jnp.pi * u[:, 1:]
    amplitude = jax.random.normal(speed_key, phase.shape) / waves
    turn = jnp.pi * waves * times[:, None, None] + phase
    return jnp.sum(amplitude * (jnp.sin(turn) - jnp.sin(phase)), axis=1)


def displacement(motion: Motion, x: Array, y: Array) -> tuple[Array, Array]:
    """Where sub-frame pixels (x, y) come from, relative to themselves.

    `motion` holds a single sub-frame (leaves without the axis T). Returns (dx, dy) in pixels,
    zero for zero rotation and translation.
    """
    u, v, f = x - motion.centre[0], y - motion.centre[1], motion.focal
    pitch, yaw, roll = motion.rotation[0], motion.rotation[1], motion.rotation[2]
    # Roll in the picture plane, then yaw about the vertical, then pitch about the horizontal axis.
    a = jnp.cos(roll) * u - jnp.sin(roll) * v
    b = jnp.sin(roll) * u + jnp.cos(roll) * v
    a, c = jnp.cos(yaw) * a + jnp.sin(yaw) * f, jnp.cos(yaw) * f - jnp.sin(yaw) * a
    b, c = jnp.cos(pitch) * b + jnp.sin(pitch) * c, jnp.cos(pitch) * c - jnp.sin(pitch) * b
    nearness = jnp.clip(1.0 + motion.tilt[0] * u + motion.tilt[1] * v, 0.2, 3.0)
    shift_x = motion.translation[0] + motion.translation[2] * u
    shift_y = motion.translation[1] + motion.translation[2] * v
    return (f * a - c * u) / c + nearness * shift_x, (f * b - c * v) / c + nearness * shift_y


def sample_motion(
    key: Array,
    length: Array | float,
    *,
    frames: int,
    extent: float,
    longest: bool = False,
    exposure: Array | float = 1.0,
    scene: Motion | None = None,
) -> Motion:
    """A random motion whose streaks are `length` pixels long over the picture.

    Args:
      key: decides everything.
      length: mean streak length in pixels, or with `longest` that of the longest streak.
      frames: sub-frames, odd (a middle one exists).
      extent: longer side of the output in pixels; coordinates run from 0 to `extent`.
      longest: what `length` means.
      exposure: fraction in (0, 1] of the time, about its middle, during which the shutter is
        open; `length` is the streak of the whole time.
      scene: another motion whose centre, focal length and tilt are taken over.

    Raises:
      UsageError: `frames` is even or below 3.
    """
    if frames < 3 or frames % 2 == 0:
        raise UsageError(f"frames must be odd and at least 3, not {frames}")
    path_key, scene_key, tilt_key = jax.random.split(key, 3)
    # The crop is part of a larger frame: its principal point lies anywhere around.
    u = jax.random.uniform(scene_key, (9,))
    centre = extent * (-0.75 + 2.5 * u[:2])
    focal = extent * (1.5 + 3.5 * u[2])
    tilt = jnp.clip(jax.random.normal(tilt_key, (2,)) * 0.35, -0.7, 0.7) / extent
    if scene is not None:
        centre, focal, tilt = scene.centre, scene.focal, scene.tilt
    shares = jnp.asarray(_SHARES) * (0.05 + 0.95 * u[3:])
    shares = shares / jnp.stack([focal, focal, extent, 1.0, 1.0, extent])

    def at(times: Array) -> Motion:
        path = tremor(path_key, times, 6) * shares
        return Motion(path[:, :3], path[:, 3:], centre, focal, tilt)

    middle = frames // 2
    times = (jnp.arange(frames) - middle) / middle
    # A small path first, to measure; streaks then grow in proportion (angles stay small).
    unit = at(times)
    streaks = streak_lengths(unit, extent)
    scale = length / jnp.maximum(jnp.max(streaks) if longest else jnp.mean(streaks), 1e-6)
    if not (isinstance(exposure, float) and exposure == 1.0):
        unit = at(times * exposure)
    return unit._replace(rotation=unit.rotation * scale, translation=unit.translation * scale)


def streak_lengths(motion: Motion, extent: float) -> Array:
    """float32[3, 3] lengths in pixels of the ways of 3x3 points, from corner to corner."""
    grid = jnp.asarray([0.0, 0.5, 1.0]) * extent
    x, y = jnp.meshgrid(grid, grid)

    def places(rotation: Array, translation: Array) -> tuple[Array, Array]:
        return displacement(motion._replace(rotation=rotation, translation=translation), x, y)

    dx, dy = jax.vmap(places)(motion.rotation, motion.translation)
    return jnp.sum(jnp.hypot(jnp.diff(dx, axis=0), jnp.diff(dy, axis=0)), axis=0)
