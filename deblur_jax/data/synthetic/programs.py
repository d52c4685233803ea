"""The jitted programs that blur a pool's batches: one for each kind, as the backend likes them."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.blur import apply, camera, sensor
from deblur_jax.data.synthetic.recipes import FRAMES, Kind, Recipe


class Plan(NamedTuple):
    """How a backend blurs.

    batch: pairs a program takes.
    together: all pictures of a batch at once, and every program compiled before the first batch;
      otherwise one picture after the other, by programs compiled when they are needed.
    frames: the numbers of sub-frames that there are programs for.
    """

    batch: int
    together: bool
    frames: tuple[int, ...]


# One picture after the other fits a CPU's caches.
_ON_CPU = Plan(batch=8, together=False, frames=FRAMES)
# An accelerator wants many at once. More sub-frames than a streak needs cost it less time than to
# compile one more program.
_ON_ACCELERATOR = Plan(batch=64, together=True, frames=FRAMES[-2:])


def plan() -> Plan:
    """What suits the default backend."""
    return _ON_CPU if jax.default_backend() == "cpu" else _ON_ACCELERATOR


def program(kind: Kind, plan: Plan) -> Kind:
    """The kind whose program blurs pairs of `kind`, perhaps with more sub-frames."""
    if kind.name == "trajectory" or not plan.together:
        return kind
    frames = next(count for count in plan.frames if count >= kind.frames)
    return kind._replace(name="camera", frames=frames)


def start(
    kind: Kind, plan: Plan, group: Sequence[tuple[Recipe, np.ndarray]], margin: int
) -> jax.Array:
    """Starts blurring some pairs by one program: uint8[batch, size, size, 3] to come.

    Args:
      kind: that program's.
      plan: the backend's.
      group: at most `plan.batch` recipes and crops uint8[size + 2 margin, size + 2 margin, 3]. One
        that is not full is filled up with its last pair, so that every kind compiles once.
      margin: pixels around the pairs.
    """
    full = [*group, *[group[-1]] * (plan.batch - len(group))]
    numbers = np.array([recipe[2:8] for recipe, _ in full], np.float32)
    seeds = np.array([recipe.key for recipe, _ in full], np.uint32)
    pictures = np.stack([crop for _, crop in full])
    return _blur_batch(kind, margin, plan.together, seeds, pictures, numbers)


def warm(kind: Kind, plan: Plan, size: int, margin: int) -> None:
    """Compiles a program, by running it on a batch of black pictures."""
    crop = np.zeros((size + 2 * margin, size + 2 * margin, 3), np.uint8)
    jax.block_until_ready(start(kind, plan, [(Recipe(kind, key=0, length=1.0), crop)], margin))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _blur_batch(
    kind: Kind,
    margin: int,
    together: bool,
    seeds: jax.Array,
    crops: jax.Array,
    numbers: jax.Array,
) -> jax.Array:
    def one(row: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        seed, crop, (length, layer_length, expl, exposure, read, shot) = row
        key, picture = jax.random.key(seed), crop.astype(jnp.float32) / 255.0
        if kind.name == "trajectory":
            blurred = apply.trajectory_blur(
                key,
                picture,
                constants=kind.constants,
                length=length,
                exposure=exposure,
                canvas=2 * margin,
                expl=expl,
                light=kind.light,
                margin=margin,
                scatter=not together,
            )
        else:
            blurred, _ = camera.camera_blur(
                key,
                picture,
                frames=kind.frames,
                margin=margin,
                length=length,
                exposure=exposure,
                layer_probability=float(kind.layer),
                layer_length=layer_length,
                light=kind.light,
            )
        noisy = functools.partial(sensor.noise, jax.random.fold_in(key, 1), read=read, shot=shot)
        if together:  # a branch would be computed for all; noise of no strength changes nothing
            return sensor.quantize(noisy(blurred))
        return sensor.quantize(jax.lax.cond(read + shot > 0, noisy, lambda same: same, blurred))

    if together:
        return jax.vmap(lambda *row: one(row))(seeds, crops, numbers)
    return jax.lax.map(one, (seeds, crops, numbers))
