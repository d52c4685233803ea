"""Spatially varying blur: a shaking camera in front of a slanted scene, and a moving object.

A blurred frame is the average of sharp sub-frames, as in GoPro and REDS. Each sub-frame is the
photograph seen from one point of a smooth path (see `motion`). The middle sub-frame is the
photograph itself, so the sharp twin is never resampled. All functions are pure and run under
`jit` and `vmap`.
"""

import jax
import jax.numpy as jnp

from deblur_jax.blur.motion import Motion, displacement, draw_length, sample_motion
from deblur_jax.errors import UsageError

Array = jax.Array


def warp(picture: Array, x: Array, y: Array) -> Array:
    """Bilinear samples of float32[H, W, C] at columns x and rows y; the border is continued."""
    height, width, channels = picture.shape
    x, y = jnp.clip(x, 0.0, width - 1.0), jnp.clip(y, 0.0, height - 1.0)
    column = jnp.minimum(x.astype(jnp.int32), width - 2)
    row = jnp.minimum(y.astype(jnp.int32), height - 2)
    right, down = (x - column)[..., None], (y - row)[..., None]
    pixels, corner = jnp.asarray(picture).reshape(-1, channels), row * width + column

    def tap(offset: int) -> Array:
        return pixels.at[corner + offset].get(mode="promise_in_bounds")

    # Separate taps: XLA fuses them into one loop; packing the four is ten times slower on a CPU.
    above = tap(0) * (1 - right) + tap(1) * right
    below = tap(width) * (1 - right) + tap(width + 1) * right
    return above * (1 - down) + below * down


def soft_mask(key: Array, height: int, width: int) -> Array:
    """float32[height, width] in [0, 1]: a random rounded polygon with an edge of about 2 pixels."""
    sides, extent = 6, float(min(height, width))
    u = jax.random.uniform(key, (3 + 2 * sides,))
    centre = 0.15 + 0.7 * u[:2]
    roundness = 1.0 + (0.08 * extent - 1.0) * u[2]
    angles = 2 * jnp.pi * (jnp.arange(sides) + u[3 : 3 + sides]) / sides
    reach = extent * (0.08 + 0.34 * u[3 + sides :])
    y, x = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    u, v = x - centre[0] * width, y - centre[1] * height
    inside = reach - u[..., None] * jnp.cos(angles) - v[..., None] * jnp.sin(angles)
    # A smooth minimum over the sides: corners are rounded.
    depth = -roundness * jax.nn.logsumexp(-inside / roundness, axis=-1)
    return jnp.clip(depth / 2 + 0.5, 0.0, 1.0)


def expose(
    sharp: Array,
    motion: Motion,
    *,
    margin: int,
    layer: tuple[Array, Motion] | None = None,
    gamma: float | None = None,
) -> Array:
    """The average of the sub-frames of `motion`.

    Args:
      sharp: float32[H, W, 3] in [0, 1], with `margin` more pixels on every side than the output.
      motion: the camera's way; its coordinates start at the output's first pixel.
      margin: pixels cut off on every side, so that borders are real.
      layer: a mask float32[H, W] in [0, 1] and the motion of what it covers. It is composited in
        every sub-frame, so that edges hide and uncover as they do in front of a camera.
      gamma: None averages stored values (GoPro's `blur`), 2.2 linear light (REDS).

    Returns:
      float32[H - 2 margin, W - 2 margin, 3] in [0, 1].
    """
    height, width = sharp.shape[0] - 2 * margin, sharp.shape[1] - 2 * margin
    y, x = jnp.meshgrid(jnp.arange(height) * 1.0, jnp.arange(width) * 1.0, indexing="ij")
    light = sharp if gamma is None else sharp**gamma
    steps: tuple[Array, ...] = (motion.rotation, motion.translation)
    if layer is not None:
        steps += (layer[1].rotation, layer[1].translation)

    def seen(picture: Array, way: Motion, rotation: Array, translation: Array) -> Array:
        dx, dy = displacement(way._replace(rotation=rotation, translation=translation), x, y)
        return warp(picture, x + dx + margin, y + dy + margin)

    def add(total: Array, step: tuple[Array, ...]) -> tuple[Array, None]:
        frame = seen(light, motion, step[0], step[1])
        if layer is not None:
            front = seen(light, layer[1], step[2], step[3])
            covered = seen(layer[0][..., None] * jnp.ones(3), layer[1], step[2], step[3])
            frame = frame + covered * (front - frame)
        return total + frame, None

    total, _ = jax.lax.scan(add, jnp.zeros((height, width, 3), jnp.float32), steps)
    mean = total / motion.rotation.shape[0]
    return mean if gamma is None else jnp.maximum(mean, 0.0) ** (1.0 / gamma)


def camera_blur(
    key: Array,
    sharp: Array,
    *,
    frames: int = 13,
    margin: int = 32,
    length: Array | float | None = None,
    layer_probability: float = 0.3,
    layer_length: Array | float | None = None,
    gamma: float | None = None,
) -> tuple[Array, Array]:
    """Blurs a photograph as a shaking camera does, in front of a still or a moving scene.

    Args:
      key: decides everything that is random.
      sharp: float32[H, W, 3] in [0, 1].
      frames: sub-frames, odd; steps between them above 1.5 pixels begin to show as ghosts.
      margin: pixels cut off on every side (real pixels for streaks that reach over the border).
      length: mean streak length in pixels; None draws it by `draw_length`.
      layer_probability: how often an object with its own motion is in front. Exactly 0 and 1 are
        decided while tracing; anything between computes the object's frames in any case.
      layer_length: mean streak length of the object; None draws it.
      gamma: None averages stored values, 2.2 linear light.

    Returns:
      (blurred, middle): float32[H - 2 margin, W - 2 margin, 3]; `middle` is the cut-out of `sharp`
      itself, bit by bit.

    Raises:
      UsageError: `frames` is even or below 3, or the margin leaves nothing of the picture.
    """
    height, width = sharp.shape[0] - 2 * margin, sharp.shape[1] - 2 * margin
    if height < 1 or width < 1:
        raise UsageError(
            f"a margin of {margin} leaves nothing of {sharp.shape[1]}x{sharp.shape[0]} pixels"
        )
    keys = jax.random.split(key, 6)
    extent = float(max(height, width))
    length = draw_length(keys[0]) if length is None else length
    motion = sample_motion(keys[1], length, frames=frames, extent=extent)
    layer = None
    if layer_probability > 0:
        own = draw_length(keys[2]) if layer_length is None else layer_length
        mask = soft_mask(keys[3], sharp.shape[0], sharp.shape[1])
        present = jax.random.uniform(keys[5]) < layer_probability
        layer = (mask * present, sample_motion(keys[4], own, frames=frames, extent=extent))
    blurred = expose(sharp, motion, margin=margin, layer=layer, gamma=gamma)
    return blurred, sharp[margin : margin + height, margin : margin + width]
