"""Restoring a large picture piece by piece: where the tiles lie and how they are blended.

A tile's result is wrong near those of its edges that are not the picture's, as far in as the
network's receptive field reaches. That margin is thrown away; between the margins of two
neighbours one result fades into the other. For a network without norm (or with fixed statistics)
the result is that of the whole picture. An instance norm takes its statistics from what it sees,
so there tiles differ from the whole picture, and from each other.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deblur_jax import models
from deblur_jax.errors import UsageError

Array = NDArray[np.float32]
RAMP = 16  # pixels over which two tiles are blended
SMALLEST_TILE = 64
# Tiling an exact network costs only the margins, so memory is kept low for it on any machine.
EXACT_BUDGET = 4 * 2**30
# Share of the free memory that one whole picture may take where tiles would change the result.
WHOLE_SHARE = 0.75
UNKNOWN_MEMORY = 16 * 2**30


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


def bytes_per_pixel(config: models.GeneratorConfig) -> int:
    """Memory that restoring takes, a pixel of the picture: twice what was measured.

    At width 64 on a CPU (jax 0.10.2, float32) the paper's network takes 550 bytes a pixel,
    `unshuffle`, which works at a sixteenth of the pixels, 116, and `nafnet`, which works at a
    quarter of them, 390 (two cores of Zen 5, 2026-11-27); all grow with the width.
    """
    return 64 + {"resnet": 16, "unshuffle": 3, "nafnet": 12}[config.generator] * config.width


def free_memory() -> int:
    """Bytes of memory that this machine has left, as far as it tells."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return UNKNOWN_MEMORY


def choose_side(
    height: int,
    width: int,
    tile: str | int,
    config: models.GeneratorConfig,
    *,
    exact: bool,
    memory: int,
) -> int | None:
    """The side of the tiles for a picture, or None for the whole of it in one piece.

    'auto' tiles an exact network above a fixed memory budget (4 GiB: about 4 megapixels of the
    paper's network without norm, 16 of `unshuffle` with width 64), and any other only where the
    whole picture would not fit into `memory` bytes.
    """
    if tile == "none":
        return None
    if isinstance(tile, int):
        return tile if max(height, width) > tile else None
    budget = EXACT_BUDGET if exact else int(WHOLE_SHARE * memory)
    if height * width * bytes_per_pixel(config) <= budget:
        return None
    side = int((min(budget, EXACT_BUDGET) / bytes_per_pixel(config)) ** 0.5)
    return max(side // 64 * 64, 4 * SMALLEST_TILE)


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


def restore_in_tiles(
    picture: Array,
    side: int,
    radius: int,
    multiple: int,
    restore: Callable[[Array], Array],
    watch: Callable[[float], None] | None = None,
) -> Array:
    """Restores float32[H, W, 3] tile by tile; H and W are multiples of `multiple`.

    `restore` maps one tile to a result of the same shape; it is called for one shape only. `watch`
    is told the share that is done after each tile.
    """
    rows = split_axis(picture.shape[0], side, radius, multiple)
    columns = split_axis(picture.shape[1], side, radius, multiple)
    blended = np.zeros_like(picture)
    tiles = len(rows.starts) * len(columns.starts)
    done = 0
    for top, down in zip(rows.starts, rows.weights, strict=True):
        for left, across in zip(columns.starts, columns.weights, strict=True):
            place = np.s_[top : top + rows.size, left : left + columns.size]
            weight = down[:, None, None] * across[None, :, None]
            blended[place] += weight * restore(picture[place])
            done += 1
            if watch is not None:
                watch(done / tiles)
    return blended
