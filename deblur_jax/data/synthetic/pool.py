"""Pairs from sharp photographs: crops worth learning from, blurred by camera or by trajectory.

The figures of blur, crops and noise are chosen so that a pool looks like 256x256 crops of GoPro
and REDS, by `statistics.compare` and by eye. Quartiles of the blurred PSNR in dB, for 96 pairs:
23.2, 26.2, 33.5 of a pool with the default shares, 22.7, 25.2, 30.0 of its camera pairs. Of 51
crops of GoPro at half size they are 22.8, 25.0, 29.3, of 69 crops of REDS 22.0, 26.4, 30.4.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np

from deblur_jax.blur import sensor
from deblur_jax.data.synthetic import crops, programs, recipes
from deblur_jax.data.synthetic.dealing import cropped, deal
from deblur_jax.data.synthetic.programs import Plan
from deblur_jax.data.synthetic.recipes import STREAK_SCALE_MAX, Kind, Recipe, Shares, draw_recipe
from deblur_jax.errors import UsageError

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
    streak_scale: float = 1.0,
    times: Mapping[Path, int] | None = None,
    out: tuple[np.ndarray, np.ndarray] | None = None,
    progress: Progress | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Makes `count` pairs; the same arguments give the same bits again on the same machine.

    Photographs are read and cropped by threads, one for each core. Accelerators blur many pairs at
    once, with no fewer sub-frames than CPUs.

    Args:
      photographs: picture files, in any order. Those whose shorter side is below `size` are left
        out; those without room for the margin are mirrored at their borders.
      count: number of pairs; photographs are used equally often but for `times`.
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
      streak_scale: factor on the lengths of streaks, above 0 and up to 2. One suits crops of frames
        at half of GoPro's size, where streaks are half as long.
      times: how often some of the photographs are used for once that the others are.
      out: arrays or memory maps uint8[count, size, size, 3] for (blurred, sharp), filled in place
        and in no particular order; no more than some batches are then held in memory.
      progress: called with (pairs done, count).

    Returns:
      (blurred, sharp): uint8[count, size, size, 3] each, in random order; `out` if given.

    Raises:
      UserError: no photograph is large enough, or one cannot be read.
      UsageError: shares that are no fractions or sum to more than one, a streak scale or times out
        of range, or an `out` of another shape or type.
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
    check(shares, streak_scale)
    shape = (count, size, size, 3)
    blurred, sharp = out if out is not None else (np.zeros(shape, np.uint8) for _ in range(2))
    for array in (blurred, sharp):
        if array.shape != shape or array.dtype != np.uint8:
            raise UsageError(
                f"out must be uint8{list(shape)}, not {array.dtype}{list(array.shape)}"
            )
    paths = crops.usable(photographs, size)
    often = [(times or {}).get(path, 1) for path in paths]
    if min(often) < 1:
        raise UsageError(f"a photograph is to be used {min(often)} times; it must be 1, 2, 3 …")
    turns = deal(paths, often, count, seed)
    drawn = _drawn(count, seed, shares, streak_scale)
    margin = recipes.margin(streak_scale)
    done = 0
    with ThreadPoolExecutor() as workers:
        try:
            members = (
                (index, drawn[index], crop)
                for index, crop in cropped(turns, size, margin, seed, workers)
            )
            plan = programs.plan()
            kinds = dict.fromkeys(programs.program(recipe.kind, plan) for recipe in drawn)
            # Compiling takes an accelerator seconds, and its threads do not wait for each other.
            ready = {
                kind: workers.submit(programs.warm, kind, plan, size, margin)
                for kind in (kinds if plan.together else ())
            }
            for group, pictures in _blurred(members, plan, ready, margin):
                for (index, recipe, crop), picture in zip(group, pictures, strict=False):
                    sharp[index] = crop[margin:-margin, margin:-margin]
                    quality = recipe.quality
                    blurred[index] = sensor.jpeg(picture, quality) if quality else picture
                done += len(group)
                if progress is not None:
                    progress(done, count)
        except BaseException:
            workers.shutdown(cancel_futures=True)
            raise
    return blurred, sharp


def _drawn(count: int, seed: int, shares: Shares, streak_scale: float) -> list[Recipe]:
    """How each pair is blurred, which depends on nothing but its index and these."""
    rngs = (np.random.default_rng([seed, 2, index]) for index in range(count))
    return [draw_recipe(rng, shares, streak_scale) for rng in rngs]


def _blurred(
    members: Iterator[Member], plan: Plan, ready: dict[Kind, Future[None]], margin: int
) -> Iterator[tuple[list[Member], np.ndarray]]:
    """Yields batches of one kind and their pictures; the next is cut while one is blurred."""
    running: tuple[list[Member], jax.Array] | None = None
    for kind, group in _groups(members, plan):
        if kind in ready:
            ready[kind].result()
        pictures = programs.start(kind, plan, [member[1:] for member in group], margin)
        last, running = running, (group, pictures)
        if last is not None:
            yield last[0], np.asarray(last[1])
    if running is not None:
        yield running[0], np.asarray(running[1])


def _groups(members: Iterator[Member], plan: Plan) -> Iterator[tuple[Kind, list[Member]]]:
    """Gathers members of one program into batches; those left over come at the end."""
    waiting: dict[Kind, list[Member]] = {}
    for member in members:
        kind = programs.program(member[1].kind, plan)
        group = waiting.setdefault(kind, [])
        group.append(member)
        if len(group) == plan.batch:
            yield kind, waiting.pop(kind)
    yield from waiting.items()


def check(shares: Shares, streak_scale: float) -> None:
    """UsageError for shares that are no fractions, or a streak scale out of range."""
    for name, share in shares._asdict().items():
        if not 0 <= share <= 1:
            raise UsageError(f"{name}_share must be a fraction from 0 to 1, not {share:g}")
    for one, other in (("camera", "trajectory"), ("gamma", "srgb")):
        if getattr(shares, one) + getattr(shares, other) > 1 + 1e-9:
            raise UsageError(f"{one}_share and {other}_share must be fractions of one together")
    if not 0 < streak_scale <= STREAK_SCALE_MAX:
        raise UsageError(
            f"streak_scale must be above 0 and at most {STREAK_SCALE_MAX:g}, not {streak_scale:g}"
        )


def kinds(count: int, seed: int, shares: Shares) -> list[str]:
    """What each pair of `make_pool` with the same seed and shares is: a name of `recipes.label`."""
    return [recipes.label(recipe) for recipe in _drawn(count, seed, shares, 1.0)]
