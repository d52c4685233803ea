"""Pairs from sharp photographs: crops worth learning from, blurred by camera or by trajectory.

The figures of blur, crops and noise are chosen so that a pool looks like 256x256 crops of GoPro
(half size) and REDS: blurred PSNR from 18 to 40 dB with a median near 25.5 dB.
"""

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from deblur_jax.blur import apply, camera, motion, psf, trajectory
from deblur_jax.data import crops
from deblur_jax.errors import UsageError
from deblur_jax.images import read_rgb

# Real pixels around each crop, so that streaks enter from outside as they do in a camera.
MARGIN = 32
BATCH = 8
# Sub-frames by streak length: steps stay below 1.5 pixels, where ghosts begin to show.
_FRAMES = (9, 17, 33)
_STEP_MAX = 1.5
# Streaks of nearly sharp pairs, in pixels; half of these pairs are not blurred at all.
_NEARLY_SHARP_MAX = 2.0
# Arc lengths of Algorithm 1 in pixels (60 in the paper) and the p_s of the authors' driver script.
_ARC_LENGTHS = (8.0, 70.0)
_EXPL = (0.01, 0.009, 0.008, 0.007, 0.005, 0.003)
_CANVAS = 2 * MARGIN
# Grey levels: at most 1.2 of read noise, and shot noise of 1.6 at white.
_READ_NOISE_MAX = 1.2
_SHOT_NOISE_MAX = 1.6
_JPEG_QUALITIES = (80, 98)

Progress = Callable[[int, int], None]


class Recipe(NamedTuple):
    """How one pair is blurred. Pairs that agree in `kind` share a compiled program."""

    kind: tuple[str, int, bool, bool]  # camera | trajectory | sharp, frames, layer, linear light
    length: float  # pixels
    layer_length: float  # pixels
    expl: float
    key: int


def make_pool(
    photographs: Sequence[Path],
    count: int,
    *,
    size: int = 256,
    seed: int,
    camera_share: float = 0.7,
    trajectory_share: float = 0.2,
    layer_share: float = 0.35,
    linear_light_share: float = 0.0,
    noise_share: float = 0.5,
    jpeg_share: float = 0.15,
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
        half identical to its twin, half with streaks below 2 pixels.
      layer_share: fraction of the camera's pairs with an object that moves on its own.
      linear_light_share: fraction averaged in linear light (as REDS; GoPro's `blur` is 0).
      noise_share: fraction with shot and read noise, up to about 2 grey levels.
      jpeg_share: fraction whose blurred twin went through JPEG at quality 80 to 98.
      progress: called with (pairs done, count).

    Returns:
      (blurred, sharp): uint8[count, size, size, 3] each, in random order.

    Raises:
      UserError: no photograph is large enough, or one cannot be read.
      UsageError: shares that are negative or sum to more than one.
    """
    if min(camera_share, trajectory_share) < 0 or camera_share + trajectory_share > 1 + 1e-9:
        raise UsageError("camera_share and trajectory_share must be fractions of one together")
    paths = crops.usable(photographs, size)
    order = np.random.default_rng([seed, 0]).permutation(max(count, 1))[:count]
    shares = (camera_share, trajectory_share, layer_share, linear_light_share)
    blurred = np.zeros((count, size, size, 3), np.uint8)
    sharp = np.zeros_like(blurred)
    waiting: dict[tuple[str, int, bool, bool], list[tuple[int, Recipe, np.ndarray]]] = {}
    done = 0

    def flush(group: list[tuple[int, Recipe, np.ndarray]]) -> None:
        nonlocal done
        for (index, _, source), picture in zip(group, _blur([g[1:] for g in group]), strict=True):
            sharp[index] = source[MARGIN:-MARGIN, MARGIN:-MARGIN]
            rng = np.random.default_rng([seed, 3, index])
            blurred[index] = finish(rng, picture, noise_share, jpeg_share)
        done += len(group)
        if progress is not None:
            progress(done, count)

    for index, source in _sources(paths, order, size, seed):
        recipe = draw_recipe(np.random.default_rng([seed, 2, index]), *shares)
        group = waiting.setdefault(recipe.kind, [])
        group.append((index, recipe, source))
        if len(group) == BATCH:
            flush(waiting.pop(recipe.kind))
    for group in waiting.values():
        flush(group)
    return blurred, sharp


def _sources(
    paths: list[Path], order: np.ndarray, size: int, seed: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (index in the pool, crop with margin), every photograph read once."""
    shift = int(np.random.default_rng([seed, 4]).integers(len(paths)))
    for turn in range(min(len(paths), len(order))):
        path = paths[(turn + shift) % len(paths)]
        photograph = crops.fit(read_rgb(path), size + 2 * MARGIN)
        for index in order[turn :: len(paths)]:
            rng = np.random.default_rng([seed, 1, int(index)])
            yield int(index), crops.draw_crop(rng, photograph, size + 2 * MARGIN, MARGIN)


def draw_recipe(
    rng: np.random.Generator,
    camera_share: float,
    trajectory_share: float,
    layer_share: float,
    linear_light_share: float,
) -> Recipe:
    """Decides how a pair is blurred; always draws the same amount of random numbers."""
    kind, layer, linear, still, small = rng.uniform(size=5)
    normal = rng.normal(size=2)
    lengths = np.minimum(
        motion.LENGTH_MEDIAN * np.exp(motion.LENGTH_SPREAD * normal), motion.LENGTH_MAX
    )
    arc, expl, key = rng.uniform(*_ARC_LENGTHS), rng.choice(_EXPL), int(rng.integers(2**31))
    light = bool(linear < linear_light_share)
    if kind < camera_share:
        moving = bool(layer < layer_share)
        longest = lengths.max() if moving else lengths[0]
        frames = next((n for n in _FRAMES if longest <= _STEP_MAX * (n - 1)), _FRAMES[-1])
        how = ("camera", frames, moving, light)
        return Recipe(how, float(lengths[0]), float(lengths[1]), 0.0, key)
    if kind < camera_share + trajectory_share:
        return Recipe(("trajectory", 0, False, light), float(arc), 0.0, float(expl), key)
    length = 0.0 if still < 0.5 else _NEARLY_SHARP_MAX * small
    return Recipe(("sharp", _FRAMES[0], False, False), float(length), 0.0, 0.0, key)


def _blur(group: Sequence[tuple[Recipe, np.ndarray]]) -> np.ndarray:
    """Blurs pairs of one kind: float32[n, size, size, 3] in grey levels."""
    # A group that is not full is filled up: every kind compiles once.
    full = [*group, *[group[-1]] * (BATCH - len(group))]
    recipes = [recipe for recipe, _ in full]
    columns = np.array([[r.length, r.layer_length, r.expl] for r in recipes], np.float32).T
    seeds = np.array([recipe.key for recipe in recipes], np.uint32)
    sources = np.stack([source for _, source in full])
    blurred = _blur_batch(recipes[0].kind, seeds, sources, *columns)
    return np.asarray(blurred)[: len(group)]


@functools.partial(jax.jit, static_argnums=0)
def _blur_batch(
    kind: tuple[str, int, bool, bool],
    seeds: jax.Array,
    sources: jax.Array,
    lengths: jax.Array,
    layer_lengths: jax.Array,
    expls: jax.Array,
) -> jax.Array:
    """float32[BATCH, size, size, 3] in grey levels; one picture after the other fits the caches."""
    name, frames, layer, linear = kind
    gamma = 2.2 if linear else None

    def one(row: tuple[jax.Array, ...]) -> jax.Array:
        seed, source, length, layer_length, expl = row
        key, picture = jax.random.key(seed), source.astype(jnp.float32) / 255.0
        if name == "trajectory":
            path = trajectory.sample_trajectory(key, length=length, expl=expl)
            kernel = psf.rasterize(trajectory.centre(path, canvas=_CANVAS), canvas=_CANVAS)
            whole = apply.convolve(picture, kernel, gamma=gamma)
            return whole[MARGIN:-MARGIN, MARGIN:-MARGIN] * 255.0
        blurred, _ = camera.camera_blur(
            key,
            picture,
            frames=frames,
            margin=MARGIN,
            length=length,
            layer_probability=float(layer),
            layer_length=layer_length,
            gamma=gamma,
        )
        return blurred * 255.0

    return jax.lax.map(one, (seeds, sources, lengths, layer_lengths, expls))


def finish(
    rng: np.random.Generator, picture: np.ndarray, noise_share: float, jpeg_share: float
) -> np.ndarray:
    """Noise, rounding to 8 bits and JPEG, each at times: float32 in grey levels to uint8."""
    noisy, read, shot, packed = rng.uniform(size=4)
    quality = int(rng.integers(_JPEG_QUALITIES[0], _JPEG_QUALITIES[1] + 1))
    if noisy < noise_share:
        variance = (read * _READ_NOISE_MAX) ** 2
        variance = variance + (shot * _SHOT_NOISE_MAX) ** 2 * np.clip(picture, 0, 255) / 255.0
        normal = rng.standard_normal(picture.shape, dtype=np.float32)
        picture = picture + np.sqrt(variance) * normal
    rounded = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
    if packed >= jpeg_share:
        return rounded
    stream = io.BytesIO()
    Image.fromarray(rounded).save(stream, "JPEG", quality=quality)
    return np.array(Image.open(io.BytesIO(stream.getvalue())).convert("RGB"))
