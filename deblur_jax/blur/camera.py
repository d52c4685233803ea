"""Spatially varying blur: a shaking camera in front of a slanted scene, and a moving object.

A blurred frame is the average of sharp sub-frames, as in GoPro and REDS. Each sub-frame is the
photograph seen from one point of a smooth path (see `motion`). The middle sub-frame is the
photograph itself, so the sharp twin is never resampled. All functions are pure and run under
`jit` and `vmap`.
"""

import jax
import jax.numpy as jnp

from deblur_jax.blur.light import Light, to_light, to_stored
from deblur_jax.blur.motion import Motion, displacement, draw_length, sample_motion
from deblur_jax.blur.objects import soft_mask
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


def doubled(picture: Array) -> Array:
    """float32[2 H, 2 W, C]: pixel (y, x) at (2 y, 2 x), and between them means of four by a cubic.

    Bilinear samples of it lose little of the finest detail; those of the picture itself soften
    every sub-frame as no camera does, which shows where streaks are short.
    """
    for axis in (0, 1):
        pads = [(0, 0)] * 3
        pads[axis] = (1, 2)
        a, b, c, d = (
            jax.lax.slice_in_dim(
                jnp.pad(picture, pads, mode="edge"), i, i + picture.shape[axis], axis=axis
            )
            for i in range(4)
        )
        between = (9 * (b + c) - a - d) / 16
        shape = [n * (2 if i == axis else 1) for i, n in enumerate(picture.shape)]
        picture = jnp.stack([picture, between], axis=axis + 1).reshape(shape)
    return picture


def expose(
    sharp: Array,
    motion: Motion,
    *,
    margin: int,
    layer: tuple[Array, Motion] | None = None,
    light: Light = "stored",
    fine: bool = False,
) -> Array:
    """The average of the sub-frames of `motion`.

    Args:
      sharp: float32[H, W, 3] in [0, 1], with `margin` more pixels on every side than the output.
      motion: the camera's way; its coordinates start at the output's first pixel.
      margin: pixels cut off on every side, so that borders are real.
      layer: a mask float32[H, W] in [0, 1] and the motion of what it covers. It is composited in
        every sub-frame, so that edges hide and uncover as they do in front of a camera; behind
        it lies the photograph itself.
      light: what is averaged: stored values (GoPro's `blur`), or the light that they stand for
        by `gamma` or `srgb` (as REDS and cameras do).
      fine: samples a `doubled` picture, with four times the memory, instead of the picture.

    Returns:
      float32[H - 2 margin, W - 2 margin, 3] in [0, 1].
    """
    height, width = sharp.shape[0] - 2 * margin, sharp.shape[1] - 2 * margin
    y, x = jnp.meshgrid(jnp.arange(height) * 1.0, jnp.arange(width) * 1.0, indexing="ij")
    exposed, scale = to_light(sharp, light), 1
    if fine:
        exposed, scale = doubled(exposed), 2
    steps: tuple[Array, ...] = (motion.rotation, motion.translation)
    if layer is not None:
        steps += (layer[1].rotation, layer[1].translation)

    def place(way: Motion, rotation: Array, translation: Array) -> tuple[Array, Array]:
        dx, dy = displacement(way._replace(rotation=rotation, translation=translation), x, y)
        return x + dx + margin, y + dy + margin

    def add(total: Array, step: tuple[Array, ...]) -> tuple[Array, None]:
        column, row = place(motion, step[0], step[1])
        frame = warp(exposed, scale * column, scale * row)
        if layer is not None:
            column, row = place(layer[1], step[2], step[3])
            front = warp(exposed, scale * column, scale * row)
            covered = warp(layer[0][..., None], column, row)
            frame = frame + covered * (front - frame)
        return total + frame, None

    total, _ = jax.lax.scan(add, jnp.zeros((height, width, 3), jnp.float32), steps)
    return to_stored(total / motion.rotation.shape[0], light)


def camera_blur(
    key: Array,
    sharp: Array,
    *,
    frames: int = 13,
    margin: int = 32,
    length: Array | float | None = None,
    exposure: Array | float = 1.0,
    layer_probability: float = 0.3,
    layer_length: Array | float | None = None,
    light: Light = "stored",
) -> tuple[Array, Array]:
    """Blurs a photograph as a shaking camera does, in front of a still or a moving scene.

    Args:
      key: decides everything that is random.
      sharp: float32[H, W, 3] in [0, 1].
      frames: sub-frames, odd; steps between them above 1.5 pixels begin to show as ghosts.
      margin: pixels cut off on every side (real pixels for streaks that reach over the border).
      length: mean streak length in pixels; None draws it by `draw_length`.
      exposure: fraction in (0, 1] of that streak during which the shutter is open.
      layer_probability: how often an object with its own motion is in front. Exactly 0 and 1 are
        decided while tracing; anything between computes the object's frames in any case.
      layer_length: mean streak length in pixels of the object's own motion, which comes on top of
        the camera's; None draws it.
      light: as in `expose`.

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
    motion = sample_motion(keys[1], length, frames=frames, extent=extent, exposure=exposure)
    layer = None
    if layer_probability > 0:
        own_length = draw_length(keys[2]) if layer_length is None else layer_length
        own = sample_motion(
            keys[4], own_length, frames=frames, extent=extent, exposure=exposure, scene=motion
        )
        both = own._replace(
            rotation=motion.rotation + own.rotation,
            translation=motion.translation + own.translation,
        )
        mask = soft_mask(keys[3], sharp)
        present = jax.random.uniform(keys[5]) < layer_probability
        layer = (mask * present, both)
    blurred = expose(sharp, motion, margin=margin, layer=layer, light=light, fine=True)
    return blurred, sharp[margin : margin + height, margin : margin + width]
