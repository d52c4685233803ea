"""Algorithm 1: the random camera trajectory of Boracchi and Foi, as DeblurGAN uses it.

With M `iterations`, `length` L and step s = L / (M - 1), from x_0 = 0 and v_0 of a random angle:

    nextDir = 2 v exp(i (pi + U - 1/2))   if U' < p_b p_s, else 0
    code:   dv = nextDir + p_s s (p_g (N + i N') - I x_t)
    paper:  dv = nextDir + p_s (p_g (N + i N') - I x_t s)
    v = (v + dv) / |v + dv| s,            x_{t+1} = x_t + v

U, U' uniform in [0, 1), N, N' standard normal, drawn anew at every step; hence the arc length is
exactly L. The two presets differ in their constants *and* in what s multiplies; mixing them gives
curves that neither makes (chord / arc about .15 for `code`, .34 for `paper`), so a preset holds
both. The paper's text compares a normal number in the first line, which would turn the camera
round at every other step; both presets compare a uniform one, as the authors' code does.

References: Boracchi and Foi, "Modeling the Performance of Image Restoration from Motion Blur",
2012; Kupyn et al., arXiv 1711.07064, Algorithm 1; motion_blur/generate_trajectory.py of
KupynOrest/DeblurGAN at dd9e940.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from deblur_jax.errors import UsageError

Array = jax.Array
Constants = Literal["code", "paper"]
CONSTANTS: tuple[Constants, ...] = ("code", "paper")

# p_s when `expl` is None: .1 U in the code, .001 in the paper.
_CODE_EXPL_MAX = 0.1
_PAPER_EXPL = 0.001
# Upper ends of the uniform draws of inertia I, p_b, p_g.
_INERTIA_MAX = 0.7
_BIG_SHAKE_MAX = 0.2
_GAUSSIAN_SHAKE_MAX: dict[str, float] = {"code": 10.0, "paper": 0.7}


class Character(NamedTuple):
    """What one trajectory keeps all its way: float32[] each; `angle` in radians."""

    expl: Array
    inertia: Array
    big_shake: Array
    gaussian_shake: Array
    angle: Array


class Shakes(NamedTuple):
    """The random numbers of every step: float32[M - 1] each, two uniform and two normal."""

    impulse: Array
    turn: Array
    normal_x: Array
    normal_y: Array


def draw_character(
    key: Array, constants: Constants = "code", expl: Array | float | None = None
) -> Character:
    """Draws the five constants of one trajectory from a preset's ranges."""
    if constants not in CONSTANTS:
        raise UsageError(f"constants must be one of {', '.join(CONSTANTS)}, not {constants!r}")
    u = jax.random.uniform(key, (5,))
    if expl is None:
        expl = _CODE_EXPL_MAX * u[0] if constants == "code" else _PAPER_EXPL
    return Character(
        expl=jnp.asarray(expl, jnp.float32),
        inertia=_INERTIA_MAX * u[1],
        big_shake=_BIG_SHAKE_MAX * u[2],
        gaussian_shake=_GAUSSIAN_SHAKE_MAX[constants] * u[3],
        angle=2 * jnp.pi * u[4],
    )


def draw_shakes(key: Array, iterations: int) -> Shakes:
    """Draws the random numbers of all steps at once."""
    uniform_key, normal_key = jax.random.split(key)
    uniform = jax.random.uniform(uniform_key, (2, iterations - 1))
    normal = jax.random.normal(normal_key, (2, iterations - 1))
    return Shakes(uniform[0], uniform[1], normal[0], normal[1])


def walk(
    character: Character,
    shakes: Shakes,
    *,
    length: Array | float,
    constants: Constants = "code",
) -> Array:
    """Runs Algorithm 1 on given random numbers: float32[M, 2] positions (x, y), from (0, 0)."""
    steps = shakes.impulse.shape[0]
    step = jnp.asarray(length, jnp.float32) / steps
    expl, inertia, big, gauss, angle = character
    # What the bracket, and what the pull back within it, are multiplied by.
    gain, pull = (expl * step, 1.0) if constants == "code" else (expl, step)
    direction = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    # In the code the first speed is expl (its size matters for the first step only).
    first = jnp.where((expl > 0) & (constants == "code"), expl, step)

    def advance(carry: tuple[Array, Array], shake: Shakes) -> tuple[tuple[Array, Array], Array]:
        x, v = carry
        back = jnp.pi + shake.turn - 0.5
        cosine, sine = jnp.cos(back), jnp.sin(back)
        turned = jnp.stack([cosine * v[0] - sine * v[1], sine * v[0] + cosine * v[1]])
        next_direction = jnp.where(shake.impulse < big * expl, 2.0 * turned, 0.0)
        normal = jnp.stack([shake.normal_x, shake.normal_y])
        v = v + next_direction + gain * (gauss * normal - inertia * pull * x)
        v = v / jnp.maximum(jnp.hypot(v[0], v[1]), 1e-20) * step
        x = x + v
        return (x, v), x

    start = jnp.zeros((2,), jnp.float32)
    _, path = jax.lax.scan(advance, (start, direction * first), shakes)
    return jnp.concatenate([start[None], path])


def sample_trajectory(
    key: Array,
    *,
    length: Array | float = 60.0,
    iterations: int = 2000,
    constants: Constants = "code",
    expl: Array | float | None = None,
) -> Array:
    """One random trajectory by Algorithm 1; pure, for `jit` and `vmap` over keys.

    Args:
      key: decides everything.
      length: arc length L in pixels (60 in the paper and the code).
      iterations: positions M (2000 in both).
      constants: the preset, `code` or `paper`: ranges and grouping together.
      expl: p_s; None takes the preset's (the code's driver draws it from .003 to .01).

    Returns:
      float32[M, 2] positions (x, y) in pixels, starting at (0, 0); arc length exactly `length`.

    Raises:
      UsageError: an unknown preset, or fewer than two iterations.
    """
    if iterations < 2:
        raise UsageError(f"iterations must be at least 2, not {iterations}")
    character_key, shakes_key = jax.random.split(key)
    character = draw_character(character_key, constants, expl)
    shakes = draw_shakes(shakes_key, iterations)
    return walk(character, shakes, length=length, constants=constants)


def centre(
    trajectory: Array,
    *,
    canvas: int = 64,
    rule: Literal["centroid", "official"] = "centroid",
    weights: Array | None = None,
) -> Array:
    """Moves a trajectory float32[M, 2] into a canvas of `canvas` x `canvas` pixels.

    `centroid` puts the mean position on pixel canvas // 2, so that a blurred picture does not
    move against its sharp twin; `weights` float32[M] says how long the shutter was open at each
    position (None: equally long at all). `official` is the authors' rule: the bounding box's
    corner at one, the start on whole pixels, then about the middle by a whole number of pixels.
    """
    if rule == "centroid":
        return trajectory - centroid(trajectory, weights) + canvas // 2
    moved = trajectory - jnp.min(trajectory, axis=0)
    moved = moved - jnp.mod(moved[0], 1.0) + 1.0
    return moved + jnp.ceil((canvas - jnp.max(moved, axis=0)) / 2)


def centroid(trajectory: Array, weights: Array | None = None) -> Array:
    """float32[2]: the mean position, weighted by how long the shutter was open at each."""
    if weights is None:
        return jnp.mean(trajectory, axis=0)
    # Not a matrix product, which accelerators round to ten bits.
    return jnp.sum(weights[:, None] * trajectory, axis=0) / jnp.sum(weights)
