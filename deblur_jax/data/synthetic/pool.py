"""Pairs from sharp photographs: crops worth learning from, blurred by camera or by trajectory.

The figures of blur, crops and noise are chosen so that a pool looks like 256x256 crops of GoPro
and REDS, by `statistics.compare` and by eye. Quartiles of the blurred PSNR in dB, for 96 pairs:
23.2, 26.2, 33.5 of a pool with the default shares, 22.7, 25.2, 30.0 of its camera pairs. Of 51
crops of GoPro at half size they are 22.8, 25.0, 29.3, of 69 crops of REDS 22.0, 26.4, 30.4.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from deblur_jax.blur import sensor
from deblur_jax.data.synthetic import crops, recipes
from deblur_jax.data.synthetic.recipes import (
    BATCH,
    MARGIN,
    Kind,
    Recipe,
    Shares,
    draw_recipe,
    start,
)
from deblur_jax.errors import UsageError
from deblur_jax.images import read_rgb

# Goes up when the same seed gives other pairs, for those who keep pools.
VERSION = 2

Progress = Callable[[int, int], None]
Member = tuple[int, Recipe, np.ndarray]  # index in the pool, how to blur it, crop with margin


def make_pool(
    photographs: Sequence[Path],
    count: int,
    *,
    size: int = 256,
    seed: int,
    camera_share: float = 0.7,
    trajectory_share: float = 0.2,
    layer_share: float = 0.5,
    paper_share: float = 0.5,
    short_share: float = 0.3,
    gamma_share: float = 0.0,
    srgb_share: float = 0.0,
    noise_share: float = 0.5,
    jpeg_share: float = 0.15,
    out: tuple[np.ndarray, np.ndarray] | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Makes `count` pairs; the same arguments give the same bits again on the same machine.

    Args:
      photographs: picture files, in any order. Those whose shorter side is below `size` are left
        out; those without room for the margin are mirrored at their borders.
      count: number of pairs; photographs are used equally often.
      size: side of the pairs in pixels.
      seed: decides everything that is random.
      camera_share: fraction blurred by `camera.camera_blur`.
      trajectory_share: fraction blurred with a kernel of Algorithm 1. The rest is nearly sharp:
        half identical to its twin (but for noise and JPEG), half with streaks below 2 pixels.
      layer_share: fraction of the camera's pairs with an object that moves on its own.
      paper_share: fraction of the trajectories with the preset `paper` instead of `code`.
      short_share: fraction whose shutter is open for a quarter to all of the path.
      gamma_share, srgb_share: fractions averaged in light by these curves, as in REDS, whose
        blurred frames are brighter for it; the rest on stored values, as GoPro's `blur`.
      noise_share: fraction with shot and read noise, up to about 2 grey levels.
      jpeg_share: fraction whose blurred twin went through JPEG at quality 80 to 98.
      out: arrays or memory maps uint8[count, size, size, 3] for (blurred, sharp), filled in place
        and in no particular order; no more than some batches are then held in memory.
      progress: called with (pairs done, count).

    Returns:
      (blurred, sharp): uint8[count, size, size, 3] each, in random order; `out` if given.

    Raises:
      UserError: no photograph is large enough, or one cannot be read.
      UsageError: shares that are no fractions or sum to more than one, or an `out` of another
        shape or type.
    """
    shares = Shares(
        camera_share,
        trajectory_share,
        layer_share,
        paper_share,
        short_share,
        gamma_share,
        srgb_share,
        noise_share,
        jpeg_share,
    )
    _check(shares)
    shape = (count, size, size, 3)
    blurred, sharp = out if out is not None else (np.zeros(shape, np.uint8) for _ in range(2))
    for array in (blurred, sharp):
        if array.shape != shape or array.dtype != np.uint8:
            raise UsageError(
                f"out must be uint8{list(shape)}, not {array.dtype}{list(array.shape)}"
            )
    paths = crops.usable(photographs, size)
    order = np.random.default_rng([seed, 0]).permutation(max(count, 1))[:count]
    done = 0
    for group, pictures in _blurred(_members(paths, order, size, seed, shares)):
        for (index, recipe, crop), picture in zip(group, pictures, strict=False):
            sharp[index] = crop[MARGIN:-MARGIN, MARGIN:-MARGIN]
            blurred[index] = sensor.jpeg(picture, recipe.quality) if recipe.quality else picture
        done += len(group)
        if progress is not None:
            progress(done, count)
    return blurred, sharp


def _members(
    paths: list[Path], order: np.ndarray, size: int, seed: int, shares: Shares
) -> Iterator[Member]:
    """Yields the pool's members, every photograph read once."""
    shift = int(np.random.default_rng([seed, 4]).integers(len(paths)))
    for turn in range(min(len(paths), len(order))):
        path = paths[(turn + shift) % len(paths)]
        photograph = crops.fit(read_rgb(path), size + 2 * MARGIN)
        for index in map(int, order[turn :: len(paths)]):
            rng = np.random.default_rng([seed, 1, index])
            crop = crops.draw_crop(rng, photograph, size + 2 * MARGIN, MARGIN)
            yield index, draw_recipe(np.random.default_rng([seed, 2, index]), shares), crop


def _blurred(members: Iterator[Member]) -> Iterator[tuple[list[Member], np.ndarray]]:
    """Yields batches of one kind and their pictures; the next is cut while one is blurred."""
    running: tuple[list[Member], jax.Array] | None = None
    for group in _groups(members):
        last, running = running, (group, start([member[1:] for member in group]))
        if last is not None:
            yield last[0], np.asarray(last[1])
    if running is not None:
        yield running[0], np.asarray(running[1])


def _groups(members: Iterator[Member]) -> Iterator[list[Member]]:
    """Gathers members of one kind into batches; those left over come at the end."""
    waiting: dict[Kind, list[Member]] = {}
    for member in members:
        group = waiting.setdefault(member[1].kind, [])
        group.append(member)
        if len(group) == BATCH:
            yield waiting.pop(member[1].kind)
    yield from waiting.values()


def _check(shares: Shares) -> None:
    for name, share in shares._asdict().items():
        if not 0 <= share <= 1:
            raise UsageError(f"{name}_share must be a fraction from 0 to 1, not {share:g}")
    for one, other in (("camera", "trajectory"), ("gamma", "srgb")):
        if getattr(shares, one) + getattr(shares, other) > 1 + 1e-9:
            raise UsageError(f"{one}_share and {other}_share must be fractions of one together")


def kinds(count: int, seed: int, shares: Shares) -> list[str]:
    """What each pair of `make_pool` with the same seed and shares is: a name of `recipes.label`."""
    rngs = (np.random.default_rng([seed, 2, index]) for index in range(count))
    return [recipes.label(draw_recipe(rng, shares)) for rng in rngs]
