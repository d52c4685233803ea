"""Pairs that live on the accelerator as 8-bit arrays, with crops cut inside the jitted step.

Pictures of any sizes are packed side by side on shelves of one wide canvas, so that a crop is one
dynamic slice and small pictures waste no memory. No TensorFlow is involved.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.data import sampling
from deblur_jax.data.store import Store


class Resident(NamedTuple):
    """Packed pairs.

    Attributes:
      blurred, sharp: uint8[R, C, 3], the canvases.
      row, column: int32[N], each picture's upper left corner on its canvas.
      height, width: int32[N], sizes in pixels.
      entries: int32[E], the pairs of an epoch; a pair with more weight stands more often.
    """

    blurred: Any
    sharp: Any
    row: Any
    column: Any
    height: Any
    width: Any
    entries: Any


def of_store(store: Store, entries: np.ndarray) -> Resident:
    """A store's pairs, as NumPy arrays or memory maps that a device can copy."""
    row, column, height, width = store.boxes
    return Resident(store.blurred.pixels, store.sharp.pixels, row, column, height, width, entries)


def cut(
    resident: Resident,
    index: jax.Array,
    *,
    crop: int,
    seed: int,
    augment: str,
    crop_last: bool = True,
) -> dict[str, jax.Array]:
    """Cuts the crops of the given samples.

    Args:
      resident: the packed pairs, as arrays on the device.
      index: uint32[...], global sample numbers.
      crop, seed, augment, crop_last: as in `sampling.plan`.

    Returns:
      `blurred` and `sharp`, uint8[..., crop, crop, 3].
    """
    plan = sampling.plan(
        index.reshape(-1),
        resident.height,
        resident.width,
        crop=crop,
        seed=seed,
        augment=augment,
        entries=resident.entries,
        crop_last=crop_last,
        xp=jnp,
    )
    if index.size == 1:
        plan = _drawn_once(plan)
    rows, columns = resident.row[plan.pair] + plan.top, resident.column[plan.pair] + plan.left

    def one(canvas: jax.Array) -> jax.Array:
        crops = jax.vmap(
            lambda r, c: jax.lax.dynamic_slice(canvas, (r, c, 0), (crop, crop, 3))
        )(rows, columns)  # fmt: skip
        return mirror(crops, plan).reshape(*index.shape, crop, crop, 3)

    return {"blurred": one(resident.blurred), "sharp": one(resident.sharp)}


def _drawn_once(plan: sampling.Plan) -> sampling.Plan:
    """The plan itself, behind a loop that never runs.

    XLA:CPU draws a single sample's plan again for each pixel, and a barrier does not stop it:
    87 ms for a crop of 128x128 pixels where four take 0.1 (jax 0.10.2, two cores of Zen 5,
    2026-11-27). What enters a loop is computed before it.
    """
    never = plan.top[0] < 0
    change = functools.partial(jax.tree.map, jnp.invert)
    return jax.lax.while_loop(lambda carried: carried[0], change, (never, plan))[1]


def mirror(crops: jax.Array, plan: sampling.Plan) -> jax.Array:
    """Applies a plan's flip, flop and turn, in this order, to crops `[B, S, S, 3]`."""
    pick = lambda wanted, new, old: jnp.where(wanted[:, None, None, None], new, old)  # noqa: E731
    crops = pick(plan.flip, crops[:, :, ::-1], crops)
    crops = pick(plan.flop, crops[:, ::-1], crops)
    return pick(plan.turn, crops.transpose(0, 2, 1, 3), crops)
