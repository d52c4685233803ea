"""Outlines of objects that move on their own in front of a photograph.

Nobody knows where a photograph's objects end. A random outline that cuts through them moves parts
of things, which shows at a glance; one that is drawn to the edges near it mostly moves things.
"""

import jax
import jax.numpy as jnp

Array = jax.Array

# All as fractions of the picture's shorter side: where the sides of the polygon lie from its
# middle, how far corners are rounded, how far sides swing, and how far away an edge attracts.
_REACH = (0.08, 0.42)
_ROUND_MAX = 0.08
_SWING_MAX = 0.06
_ATTRACTION = 0.07
_SIDES = 6
# Colours that differ by less (the square of a distance in RGB, of white one) do not attract.
_CONTRAST_MIN = 0.003


def soft_mask(key: Array, picture: Array) -> Array:
    """The outline of a random object in front of float32[H, W, 3]: float32[H, W] in [0, 1].

    A polygon of up to six rounded sides, for half of the keys with wavy ones, about 2 pixels soft.
    Where the picture has an edge nearby, the outline is drawn to it.
    """
    height, width = picture.shape[:2]
    extent = float(min(height, width))
    u = jax.random.uniform(key, (8 + 2 * _SIDES,))
    centre = 0.15 + 0.7 * u[:2]
    roundness = 1.0 + (_ROUND_MAX * extent - 1.0) * u[2]
    angles = 2 * jnp.pi * (jnp.arange(_SIDES) + u[3 : 3 + _SIDES]) / _SIDES
    reach = extent * (_REACH[0] + (_REACH[1] - _REACH[0]) * u[3 + _SIDES : 3 + 2 * _SIDES])
    y, x = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    a, b = x - centre[0] * width, y - centre[1] * height
    swing, rates, phases = u[-5], 1.0 + 3.0 * u[-4:-2], 2 * jnp.pi * u[-2:]
    swing = 2 * _SWING_MAX * extent * jnp.maximum(swing - 0.5, 0.0)
    turn = 2 * jnp.pi / extent
    a, b = (
        a + swing * jnp.sin(turn * rates[0] * b + phases[0]),
        b + swing * jnp.sin(turn * rates[1] * a + phases[1]),
    )
    inside = reach - a[..., None] * jnp.cos(angles) - b[..., None] * jnp.sin(angles)
    # A smooth minimum over the sides: corners are rounded.
    depth = -roundness * jax.nn.logsumexp(-inside / roundness, axis=-1)
    depth = depth + _pull(depth, picture, _ATTRACTION * extent)
    return jnp.clip(depth / 2 + 0.5, 0.0, 1.0)


def _pull(depth: Array, picture: Array, reach: float) -> Array:
    """float32[H, W] pixels, at most `reach`: how much more like the inside a pixel looks.

    Inside and outside are the mean colours on either side of the outline, within about `reach` of
    it. A third of the resolution is enough, and keeps single pixels from having an outline.
    """
    height, width = depth.shape
    small = (max(height // 3, 1), max(width // 3, 1))
    colours = jax.image.resize(picture, (*small, 3), "linear")
    inward = jax.image.resize(depth, small, "linear")[..., None]
    near = jnp.exp(-((inward / reach) ** 2)) + 1e-6
    sides = []
    for weight in (near * (inward > 0), near * (inward <= 0)):
        mean = jnp.sum(weight * colours, axis=(0, 1)) / (jnp.sum(weight) + 1e-6)
        sides.append((mean, jnp.sum((colours - mean) ** 2, axis=-1)))
    (inner, to_inner), (outer, to_outer) = sides
    likeness = (to_outer - to_inner) / (jnp.sum((inner - outer) ** 2) + _CONTRAST_MIN)
    return jax.image.resize(reach * jnp.clip(likeness, -1.0, 1.0), (height, width), "linear")
