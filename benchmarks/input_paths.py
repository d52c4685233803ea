"""The ways by which pairs reach a training step, each timed by itself in pairs a second.

Every path is called once before it is timed: that call compiles and fills queues.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import timing
from benchmarks.machine import MEGABYTE
from deblur_jax.data import pipeline, resident
from deblur_jax.data.sources import Source
from deblur_jax.data.store import Store
from deblur_jax.data.synthetic import make_pool
from deblur_jax.data.training_set import TrainingSet, photograph_paths
from deblur_jax.training.feed import Feed

POOL = 96  # synthetic pairs of one call; a few batches that are not full cost it some 10 %
MEMORY_BATCHES = 32  # during which the host path's memory is watched
_ENDLESS = 10**7  # steps; no machine reaches the last one

Measures = dict[str, Any]
Clock = Callable[[], float]

# Shares of `make_pool` that leave one kind of blur, by the names of `synthetic.kinds`.
KINDS: dict[str, dict[str, Any]] = {
    "trajectory": {"camera_share": 0.0, "trajectory_share": 1.0},
    "camera": {"camera_share": 1.0, "trajectory_share": 0.0, "layer_share": 0.0},
    "camera_object": {"camera_share": 1.0, "trajectory_share": 0.0, "layer_share": 1.0},
    "nearly_sharp": {"camera_share": 0.0, "trajectory_share": 0.0},
}


def until(
    call: Callable[[], Any], seconds: float, *, pairs: int, clock: Clock = time.perf_counter
) -> Measures:
    """Calls again and again until `seconds` are over, after one call that is not counted.

    Args:
      call: gives any tree of arrays, which is waited for.
      seconds: after which no further call is made; one is made at least.
      pairs: how many a call gives.
      clock: gives seconds.

    Returns:
      `warmup_s`, what the first call took beyond a later one, `count` (pairs), `seconds` and
      `pairs_per_second`.
    """
    first, _ = timing.once(call, clock=clock)
    start = clock()
    calls, passed = 0, 0.0
    while not calls or passed < seconds:
        jax.block_until_ready(call())
        calls, passed = calls + 1, clock() - start
    return {
        "warmup_s": max(first - passed / calls, 0.0),
        "count": calls * pairs,
        "seconds": passed,
        "pairs_per_second": calls * pairs / passed,
    }


def files(sources: Sequence[Source], seconds: float) -> Measures:
    """Decoding each pair anew whenever it is wanted, by one thread per CPU core.

    Whatever is cut out of a frame, all of it is decoded.
    """
    workers = os.cpu_count() or 1
    group = max(2 * workers, len(sources))  # long enough that threads seldom wait for the last one
    picked = [sources[number % len(sources)] for number in range(group)]
    with ThreadPoolExecutor(workers) as threads:
        decode = lambda: list(threads.map(lambda source: source.read(), picked))  # noqa: E731
        return until(decode, seconds, pairs=group) | {"workers": workers}


def read_through(store: Store) -> None:
    """Reads a store's files from end to end, so that the page cache holds what it has room for."""
    if store.folder is None:
        return
    for name in ("blurred", "sharp"):
        with (store.folder / f"{name}.npy").open("rb") as stream:
            while stream.read(2**20):
                pass


def host(store: Store, seconds: float, *, batch: int, crop: int, augment: str) -> Measures:
    """Crops that tf.data cuts out of the store, as NumPy arrays; and the memory that it takes.

    Memory is watched for MEMORY_BATCHES batches after the timed ones. `peak_rss_mb` is the
    process' own since it began, `rss_mb` and `rss_anonymous_mb` the largest seen during these
    batches, in 10^6 bytes; None where the system does not tell.
    """
    batches = pipeline.batches(
        store, seed=0, batch_size=batch, updates=1, crop=crop, steps=_ENDLESS, augment=augment
    )
    with closing(batches):  # type: ignore[type-var]  # else it goes on cutting behind the next path
        measures = until(lambda: next(batches), seconds, pairs=batch)
        return measures | watch_memory(lambda: next(batches))


def watch_memory(call: Callable[[], Any]) -> Measures:
    """The memory of `host`, over MEMORY_BATCHES calls."""
    seen = []
    for _ in range(MEMORY_BATCHES):
        call()
        seen.append(status_mb())

    def most(field: str) -> float | None:
        return max((sample[field] for sample in seen if field in sample), default=None)

    return {
        "peak_rss_mb": most("VmHWM"),
        "rss_mb": most("VmRSS"),
        "rss_anonymous_mb": most("RssAnon"),
    }


def status_mb(path: Path = Path("/proc/self/status")) -> dict[str, float]:
    """What Linux says about this process' memory, in 10^6 bytes; {} on other systems."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): int(value) * 1024 / MEGABYTE for name, value, _ in fields}


def host_to_device(feed: Feed, seconds: float) -> Measures:
    """The host's crops again, put on the devices ahead of their use as in a run."""
    batches = feed.batches(_ENDLESS, 0, pretrain=True)
    with closing(batches):  # type: ignore[type-var]
        return until(lambda: next(batches), seconds, pairs=feed.batch_size)


def on_device(feed: Feed, data: TrainingSet, seconds: float) -> Measures:
    """Crops that one device cuts out of pairs that lie on it, one call of a jitted program each."""
    packed = jax.device_put(resident.of_store(*data), jax.local_devices()[0])
    cut = jax.jit(feed.crops)
    starts = count(step=feed.batch_size)
    positions = np.arange(feed.batch_size, dtype=np.uint32)
    return until(
        lambda: cut(packed, positions + np.uint32(next(starts))), seconds, pairs=feed.batch_size
    )


def synthetic(size: int, seconds: float) -> Measures:
    """Making pairs of each kind out of scikit-image's photographs: `<kind>_pairs_per_second`, ….

    Each call makes the same POOL pairs, so the first one compiles all that the others need.
    """
    photographs = photograph_paths("scikit-image")
    measures: Measures = {}
    for kind, shares in KINDS.items():

        def make(shares: dict[str, Any] = shares) -> Any:
            return make_pool(photographs, POOL, size=size, seed=0, **shares)

        measures |= prefixed(kind, until(make, seconds, pairs=POOL))
    return measures


def prefixed(name: str, measures: Measures) -> Measures:
    """The measures with `name_` before their keys."""
    return {f"{name}_{key}": value for key, value in measures.items()}
