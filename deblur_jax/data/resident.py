"""Pairs that live on the accelerator as 8-bit arrays, with crops cut inside the jitted step.

Pictures of any sizes are packed side by side on shelves of one wide canvas, so that a crop is one
dynamic slice and small pictures waste no memory. No TensorFlow is involved.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.data import sampling
from deblur_jax.errors import UserError


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


def pack(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    repeats: Sequence[int] | None = None,
) -> Resident:
    """Packs pairs into a `Resident` of NumPy arrays.

    Args:
      pairs: (blurred, sharp), each uint8[H, W, 3], the same size within a pair.
      repeats: how often each pair stands in an epoch; None for once.

    Raises:
      UserError: there are no pairs.
    """
    if not pairs:
        raise UserError("there are no pairs to train on")
    heights = np.array([blurred.shape[0] for blurred, _ in pairs], np.int32)
    widths = np.array([blurred.shape[1] for blurred, _ in pairs], np.int32)
    rows, columns, canvas = _shelves(heights, widths)
    blurred = np.zeros((*canvas, 3), np.uint8)
    sharp = np.zeros((*canvas, 3), np.uint8)
    for i, (b, s) in enumerate(pairs):
        box = (slice(rows[i], rows[i] + heights[i]), slice(columns[i], columns[i] + widths[i]))
        blurred[box], sharp[box] = b, s
    counts = np.ones(len(pairs), np.int64) if repeats is None else np.asarray(repeats)
    entries = np.repeat(np.arange(len(pairs), dtype=np.int32), counts)
    return Resident(blurred, sharp, rows, columns, heights, widths, entries)


def _shelves(
    heights: np.ndarray, widths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Places boxes on shelves, tallest first; returns rows, columns and the canvas' size."""
    canvas_width = int(widths.max())
    rows, columns = np.zeros_like(heights), np.zeros_like(widths)
    top, left, shelf = 0, 0, 0
    for i in np.argsort(-heights, kind="stable"):
        if left + widths[i] > canvas_width:
            top, left, shelf = top + shelf, 0, 0
        rows[i], columns[i] = top, left
        left += int(widths[i])
        shelf = max(shelf, int(heights[i]))
    return rows, columns, (top + shelf, canvas_width)


def cut(
    resident: Resident, index: jax.Array, *, crop: int, seed: int, augment: str
) -> dict[str, jax.Array]:
    """Cuts the crops of the given samples.

    Args:
      resident: the packed pairs, as arrays on the device.
      index: uint32[...], global sample numbers.
      crop, seed, augment: as in `sampling.plan`.

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
        xp=jnp,
    )
    rows, columns = resident.row[plan.pair] + plan.top, resident.column[plan.pair] + plan.left

    def one(canvas: jax.Array) -> jax.Array:
        crops = jax.vmap(
            lambda r, c: jax.lax.dynamic_slice(canvas, (r, c, 0), (crop, crop, 3))
        )(rows, columns)  # fmt: skip
        return mirror(crops, plan).reshape(*index.shape, crop, crop, 3)

    return {"blurred": one(resident.blurred), "sharp": one(resident.sharp)}


def mirror(crops: jax.Array, plan: sampling.Plan) -> jax.Array:
    """Applies a plan's flip, flop and turn, in this order, to crops `[B, S, S, 3]`."""
    pick = lambda wanted, new, old: jnp.where(wanted[:, None, None, None], new, old)  # noqa: E731
    crops = pick(plan.flip, crops[:, :, ::-1], crops)
    crops = pick(plan.flop, crops[:, ::-1], crops)
    return pick(plan.turn, crops.transpose(0, 2, 1, 3), crops)


def to_unit(pixels: jax.Array) -> jax.Array:
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return pixels.astype(jnp.float32) / 127.5 - 1.0
