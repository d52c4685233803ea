"""What a training step eats, and what it pays for cutting its crops itself."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from benchmarks import random_values, throughput, timing
from deblur_jax.data import resident
from deblur_jax.data.store import Store
from deblur_jax.data.training_set import TrainingSet
from deblur_jax.training import parallel, steps
from deblur_jax.training.feed import Feed
from deblur_jax.training.state import Recipe, TrainState

ENDLESS = 2**30  # steps
TARGET = 1.05  # of the step's time with cutting, by its time without


def feed_of(config: Any, store: Store) -> tuple[Recipe, Feed, TrainingSet]:
    """The recipe, and the store's pairs with their feed. Changes `config` as `prepare` does."""
    recipe, _, _ = throughput.prepare(config)
    data = TrainingSet(store, np.arange(len(store), dtype=np.int32))
    return recipe, Feed(config, recipe, data), data


def cutting_step(feed: Feed, recipe: Recipe, data: TrainingSet) -> throughput.Step:
    """The step of a run with resident pairs, which cuts its own crops."""
    del recipe, data  # the feed has them
    feed.place()
    advance = feed.phase(0, ENDLESS, 0, False)
    return lambda state: advance(state, 1)


def fixed_step(feed: Feed, recipe: Recipe, data: TrainingSet) -> throughput.Step:
    """The same step on its first batch over and over, which lies on the devices already cut."""
    slices = np.arange(recipe.slices, dtype=np.uint32)[:, None] * np.uint32(feed.batch_size)
    index = parallel.positions(feed.batch_size)[:, None, :] + slices  # [devices, S, share]
    cut = jax.jit(feed.crops)(jax.device_put(resident.of_store(*data)), index)
    mesh = Mesh(np.array(jax.local_devices()), (parallel.AXIS,))
    sharding = NamedSharding(mesh, PartitionSpec(parallel.AXIS))
    batch = jax.device_put(cut | {"index": index}, sharding)

    def one(state: TrainState, batch: steps.Batch) -> Any:
        return steps.train_step(state, batch, recipe=recipe, axis=parallel.AXIS)

    mapped = parallel.pmap_step(one, (None, 0))
    return lambda state: mapped(state, batch)


def compare(
    one: throughput.Step,
    other: throughput.Step,
    state: TrainState,
    count: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[list[float], list[float], list[float]]:
    """Times two steps in turn, so that what else the machine does meets both alike.

    Each is called twice before: the first call compiles, the second warms up. Then each is called
    `count` times, the two taking turns in coming first.

    Returns:
      Seconds of the first call of each, then the `count` seconds of `one` and those of `other`.
    """
    both = (one, other)
    seconds: tuple[list[float], list[float]] = ([], [])

    def advance(which: int) -> float:
        nonlocal state
        # The state before is gone: its buffers serve the next one.
        passed, (state, _) = timing.once(lambda: both[which](state), clock=clock)
        return passed

    first = [advance(0), advance(1)]
    for which in (0, 1):
        advance(which)
    for turn in range(count):
        for which in (turn % 2, 1 - turn % 2):
            seconds[which].append(advance(which))
    return first, *seconds


def measure(config: Any, store: Store, count: int) -> dict[str, Any]:
    """The step's time, what it eats, and how much longer it takes for cutting its own crops.

    Args:
      config: of the run; `throughput.prepare` changes it.
      store: pairs large enough for its crop.
      count: timed steps of each kind.

    Returns:
      Measures whose keys begin with `step_`. A ratio is that of two steps in a row, the one that
      cuts by the one that does not.
    """
    recipe, feed, data = feed_of(config, store)
    cutting, fixed = (make(feed, recipe, data) for make in (cutting_step, fixed_step))
    first, own, given = compare(cutting, fixed, random_values.train_state(recipe), count)
    median, without = (float(np.median(seconds)) for seconds in (own, given))
    p10, ratio, p90 = (float(q) for q in np.quantile(np.divide(own, given), (0.1, 0.5, 0.9)))
    pairs = feed.samples(False)
    return {
        "step_crop": config.data.crop,
        "step_batch": feed.batch_size,
        "step_pairs": pairs,
        "step_perceptual": recipe.features is not None,
        "step_precision": config.train.precision,
        "step_count": count,
        "step_seconds": sum(own),
        "step_warmup_s": max(first[0] - median, 0.0),
        "step_median_s": median,
        "step_already_cut_seconds": sum(given),
        "step_already_cut_warmup_s": max(first[1] - without, 0.0),
        "step_already_cut_median_s": without,
        "step_cutting_ratio_median": ratio,
        "step_cutting_ratio_p10": p10,
        "step_cutting_ratio_p90": p90,
        "step_cutting_ratio_target": TARGET,
        "step_cutting_within_target": ratio <= TARGET,
        "step_consumes_pairs_per_second": pairs / median,
    }
