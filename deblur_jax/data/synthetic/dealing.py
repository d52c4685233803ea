"""Which photograph each pair of a pool is made of, and the crops of all of them, cut by threads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from deblur_jax.data.synthetic import crops
from deblur_jax.data.synthetic.ahead import ahead
from deblur_jax.images import read_rgb

# Crops, and photographs, that threads prepare while earlier ones are blurred.
_CROPS_AHEAD = 64
_PHOTOGRAPHS_AHEAD = 8

Turn = tuple[Path, list[int]]  # a photograph, and the indices of the pairs that are made of it


def deal(paths: list[Path], times: list[int], count: int, seed: int) -> list[Turn]:
    """Deals the pool's pairs, in random order, to the photographs; each of these stands once.

    Those that are used more often stand in line again after all the others.
    """
    line = [
        path for turn in range(max(times)) for path, n in zip(paths, times, strict=True) if n > turn
    ]
    order = np.random.default_rng([seed, 0]).permutation(max(count, 1))[:count]
    shift = int(np.random.default_rng([seed, 4]).integers(len(line)))
    dealt: dict[Path, list[int]] = {}
    for turn in range(min(len(line), count)):
        path = line[(turn + shift) % len(line)]
        dealt.setdefault(path, []).extend(map(int, order[turn :: len(line)]))
    return list(dealt.items())


def cropped(
    turns: list[Turn], size: int, margin: int, seed: int, workers: ThreadPoolExecutor
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the index of each pair and its crop with margin, every photograph read once."""
    side = size + 2 * margin

    def load(turn: Turn) -> tuple[np.ndarray, Image.Image, list[int]]:
        photograph = crops.fit(read_rgb(turn[0]), side)
        return photograph, Image.fromarray(photograph), turn[1]

    def cut(place: tuple[np.ndarray, Image.Image, int]) -> tuple[int, np.ndarray]:
        photograph, picture, index = place
        rng = np.random.default_rng([seed, 1, index])
        return index, crops.draw_crop(rng, photograph, side, margin, picture=picture)

    places = (
        (photograph, picture, index)
        for photograph, picture, indices in ahead(workers, load, turns, _PHOTOGRAPHS_AHEAD)
        for index in indices
    )
    return ahead(workers, cut, places, _CROPS_AHEAD)
