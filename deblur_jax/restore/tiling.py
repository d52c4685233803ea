"""Restoring a large picture piece by piece: where the tiles lie and how they are blended.

A tile's result is wrong near those of its edges that are not the picture's, as far in as the
network's receptive field reaches. That margin is thrown away; between the margins of two
neighbours one result fades into the other. For a network without norm (or with fixed statistics)
the result is that of the whole picture.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deblur_jax import models
from deblur_jax.errors import UsageError
from deblur_jax.restore.memory import bytes_per_pixel
from deblur_jax.restore.shapes import frame_side

Array = NDArray[np.float32]
RAMP = 16  # pixels over which two tiles are blended
SMALLEST_TILE = 64
SMALLEST_CHOSEN = 256  # however little memory there is
MOST_TILES = 64  # along a side that are tried


class Axis(NamedTuple):
    """Tiles along one axis: `starts`, the common `size`, and each tile's weights float32[size]."""

    starts: list[int]
    size: int
    weights: list[Array]


def parse_tile(tile: str | int) -> str | int:
    """Checks 'auto', 'none' or a side in pixels (a number, also as text); UsageError otherwise."""
    if tile in ("auto", "none"):
        return tile
    try:
        side = int(tile)
    except ValueError:
        raise UsageError(f"tile is {tile!r}; it can be auto, none or a number of pixels") from None
    if side < SMALLEST_TILE:
        raise UsageError(f"a tile of {side} pixels is too small; {SMALLEST_TILE} is the least")
    return side


def receptive_radius(config: models.GeneratorConfig) -> int:
    """How many pixels away an input pixel can change an output pixel, norms left aside.

    Counted along the convolutions of the networks in `models`: each adds its radius times the
    stride that it works at, and each change of resolution up to one of its cells less one pixel.
    Exact or a few pixels too many.
    """
    if config.generator == "nafnet":
        # Each block has one convolution of radius 1; head and tail work at the finest resolution.
        strides = [2**level for level in range(1, len(config.outer_blocks) + 2)]
        outer = sum(2 * n * s for n, s in zip(config.outer_blocks, strides, strict=False))
        return 2 * strides[0] + outer + config.blocks * strides[-1] + strides[-1] - 1
    if config.generator == "unshuffle":
        outer = 4 * (1 + 2 * 2 + 1 + 2 * 2 + 1)  # head, two blocks, down, two blocks, tail
        return outer + 8 * 2 * config.blocks + 7
    return 3 + 1 + 2 + 4 * 2 * config.blocks + 4 + 2 + 3 + 3


def is_exact(config: models.GeneratorConfig, batch_stats: Any) -> bool:
    """Whether tiles give what the whole picture gives: no statistics are taken from the picture."""
    return config.norm == "none" or (config.norm == "batch" and bool(batch_stats))


def choose_sides(
    height: int, width: int, tile: str | int, config: models.GeneratorConfig, memory: int
) -> tuple[int, int] | None:
    """Height and width of the tiles for a picture, or None for the whole of it in one piece.

    'auto' takes the whole where it fits into `memory` bytes, and otherwise those tiles that have
    the least to compute among those that fit: few, of one size, none of them much longer than wide.
    """
    if tile == "none":
        return None
    if isinstance(tile, int):
        return (tile, tile) if max(height, width) > tile else None
    most = max(memory // bytes_per_pixel(config), SMALLEST_CHOSEN**2)
    multiple = models.size_multiple(config)
    overlap = 2 * receptive_radius(config) + RAMP

    def sides(length: int) -> list[tuple[int, int]]:
        """(number of tiles, their side) along a side of the picture."""
        found = [(1, length)]
        for count in range(2, MOST_TILES + 1):
            side = -(-(length + (count - 1) * overlap) // (count * multiple)) * multiple
            if side <= overlap:
                break
            found.append((count, side))
        return found

    best: tuple[int, tuple[int, int]] | None = None
    for down, rows in sides(height):
        for across, columns in sides(width):
            area = frame_side(rows, multiple) * frame_side(columns, multiple)
            if area <= most and (best is None or down * across * area < best[0]):
                best = (down * across * area, (rows, columns))
    if best is None:  # the margins alone are more than fits: narrower ones have to do
        return SMALLEST_CHOSEN, SMALLEST_CHOSEN
    return None if best[1] == (height, width) else best[1]


def split_axis(length: int, side: int, radius: int, multiple: int) -> Axis:
    """Tiles along an axis of `length` pixels, a multiple of `multiple` like all starts and sizes.

    Neighbours overlap by twice the radius and a ramp, or by half a tile if that is less (then the
    margin is too narrow to be exact). All tiles have one size, so that one program serves them.
    """
    size = min(-(-side // multiple) * multiple, length)
    if size == length:
        return Axis([0], length, [np.ones(length, np.float32)])
    ramp = min(RAMP, size // 4)
    overlap = min(2 * radius + ramp, size // 2)
    margin = (overlap - ramp) // 2
    step = max((size - overlap) // multiple * multiple, multiple)
    starts = [*range(0, length - size, step), length - size]
    rising = np.ones(size, np.float32)
    rising[:margin] = 0
    rising[margin : margin + ramp] = np.arange(1, ramp + 1, dtype=np.float32) / (ramp + 1)
    weights = []
    for start in starts:
        weight = np.ones(size, np.float32)
        if start > 0:
            weight *= rising
        if start + size < length:
            weight *= rising[::-1]
        weights.append(weight)
    total = np.zeros(length, np.float32)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + size] += weight
    weights = [
        weight / total[start : start + size] for start, weight in zip(starts, weights, strict=True)
    ]
    return Axis(starts, size, weights)


def restore_bands(
    rows: Axis,
    columns: Axis,
    restore: Callable[[int, int], Array],
    watch: Callable[[float], None] | None = None,
) -> Iterator[tuple[int, Array]]:
    """Restores a picture tile by tile and gives away what is finished, from the top down.

    Args:
      rows, columns: from `split_axis`.
      restore: maps a tile's top and left to its result, float32[rows.size, columns.size, 3].
      watch: told the share that is done after each tile.

    Yields:
      The first row of a band, and the band, float32[n, W, 3]; together they are the picture.
    """
    width = columns.starts[-1] + columns.size
    tiles = len(rows.starts) * len(columns.starts)
    if tiles == 1:
        whole = restore(0, 0)
        if watch is not None:
            watch(1.0)
        yield 0, whole
        return
    band = np.zeros((rows.size, width, 3), np.float32)
    done = 0
    for number, (top, down) in enumerate(zip(rows.starts, rows.weights, strict=True)):
        for left, across in zip(columns.starts, columns.weights, strict=True):
            weight = down[:, None, None] * across[None, :, None]
            band[:, left : left + columns.size] += weight * restore(top, left)
            done += 1
            if watch is not None:
                watch(done / tiles)
        if number + 1 == len(rows.starts):
            yield top, band
            return
        finished = rows.starts[number + 1] - top  # no later tile reaches above the next one's top
        yield top, band[:finished].copy()
        band[: rows.size - finished] = band[finished:]
        band[rows.size - finished :] = 0
