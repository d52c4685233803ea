"""How data reaches a step: from the host through tf.data, or cut on the device from resident pairs.

Either way the step sees float32[S, B, crop, crop, 3] with the samples' global numbers, and the
numbers decide everything else; see `deblur_jax.data.sampling`.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from deblur_jax import compiler
from deblur_jax.data import augment, resident
from deblur_jax.data.training_set import TrainingSet, augmentation
from deblur_jax.errors import UsageError
from deblur_jax.training import parallel, steps
from deblur_jax.training.state import Recipe, TrainState

PREVIEWS = 4  # crops whose restoration is shown in TensorBoard
AHEAD = 2  # batches that are on their way to the devices while a step runs
# Share of an accelerator's free memory that pairs may take; the rest is for the training itself.
MEMORY_SHARE = 0.6

# (state, how many steps) to the state after them and the last step's scalars.
Advance = Callable[[TrainState, int], tuple[TrainState, steps.Scalars]]


class Feed:
    """Steps with their data."""

    def __init__(self, config: Any, recipe: Recipe, data: TrainingSet) -> None:
        """Compiles nothing yet, and leaves the pairs on the host.

        Args:
          config: the run's configuration.
          recipe: what a step does.
          data: the decoded pairs.

        Raises:
          UsageError: the batch does not divide over the devices.
        """
        self._recipe = recipe
        self.batch_size = config.train.batch_size
        self._crop, self._flips = config.data.crop, config.data.augment
        self._crop_last = config.data.crop_last
        self._augmentation = augmentation(config.data)
        self._window = self._augmentation.window(self._crop)
        self._data = data
        self._resident: Any = None
        self.waited = 0.0  # seconds that this process has waited for the host's batches
        devices = jax.device_count()
        if self.batch_size % devices:
            raise UsageError(
                f"train.batch_size is {self.batch_size}, "
                f"which {devices} devices cannot share evenly"
            )
        share = self.batch_size // devices
        if share % recipe.accumulate:
            raise UsageError(
                f"train.accumulate is {recipe.accumulate}: each device's share of train.batch_size "
                f"is {share} pairs, which do not divide into so many parts"
            )

    def place(self) -> str | None:
        """Puts the pairs on the devices; a sentence says why where they do not fit."""
        store = self._data.store
        room = _room()
        size = f"the pairs ({store.nbytes / 1e9:.1f} GB) do not fit on the device"
        if room is not None and store.nbytes > MEMORY_SHARE * room:
            return f"{size}, which has {room / 1e9:.1f} GB free: they are fed from the host"
        try:
            packed = parallel.replicate(resident.of_store(store, self._data.entries))
            self._resident = jax.block_until_ready(packed)
        except (jax.errors.JaxRuntimeError, MemoryError):
            return f"{size}: they are fed from the host"
        return None

    @property
    def on_device(self) -> bool:
        """Whether the pairs lie on the devices."""
        return self._resident is not None

    def samples(self, pretrain: bool) -> int:
        """How many samples one step uses, over all devices."""
        return (1 if pretrain else self._recipe.slices) * self.batch_size

    def phase(self, start: int, stop: int, first: int, pretrain: bool) -> Advance:
        """A function that makes the steps from `start` on, up to `stop`, in their order.

        Args:
          start: number of the first step.
          stop: number of the step to stop before.
          first: number of the first step's first sample.
          pretrain: steps without the critic.
        """
        own = parallel.positions(self.batch_size)
        # An argument, not a constant: a run that resumes finds its program in the cache.
        origin = np.array([start, first], np.uint32)
        if self._resident is not None and not compiler.loops_are_slow():
            return self._looping(own, origin, pretrain)
        one = parallel.pmap_step(self._given_step(pretrain), (None, 0, None, 0))
        if self._resident is not None:
            return self._stepping(one, own, origin, pretrain)
        batches = self.batches(stop - start, first, pretrain)

        def advance(state: TrainState, count: int) -> tuple[TrainState, steps.Scalars]:
            for batch in islice(batches, count):
                state, scalars = one(state, own, origin, batch)
            return state, scalars

        return advance

    def _looping(self, own: np.ndarray, origin: np.ndarray, pretrain: bool) -> Advance:
        """Any number of steps in one program, so that an accelerator never waits for the host.

        A loop whose count is an argument, not a scan: scans of other lengths are other programs,
        which take time to compile and may round otherwise, so that a resumed run would differ.
        """
        packed = self._resident
        one = self._resident_step(pretrain)

        def several(state: TrainState, *data: Any) -> tuple[TrainState, steps.Scalars]:
            *arguments, count = data
            scalars = jax.eval_shape(one, state, *arguments)[1]
            blank = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), scalars)
            return lax.fori_loop(0, count, lambda _, c: one(c[0], *arguments), (state, blank))

        mapped = parallel.pmap_step(several, (None, 0, None, None, None))
        return lambda state, count: mapped(state, own, origin, packed, np.int32(count))

    def _stepping(
        self, one: Callable[..., Any], own: np.ndarray, origin: np.ndarray, pretrain: bool
    ) -> Advance:
        """One step after the other, each on windows that a program of its own has cut.

        XLA:CPU would repeat a window's turning wherever the step reads it, which costs 7 % of a
        step of `small`; what is cut before costs 1 % (two cores of an AMD EPYC, 2026-11-23).
        """
        packed = self._resident

        def windows(
            step: jax.Array, own: jax.Array, origin: jax.Array, packed: resident.Resident
        ) -> dict[str, jax.Array]:
            return self._windows(packed, self._numbers(step, own, origin, pretrain))

        cut = parallel.pmap_data(windows, (None, 0, None, None))

        def advance(state: TrainState, count: int) -> tuple[TrainState, steps.Scalars]:
            for _ in range(count):
                state, scalars = one(state, own, origin, cut(state.step, own, origin, packed))
            return state, scalars

        return advance

    def _resident_step(self, pretrain: bool) -> Callable[..., Any]:
        def step(
            state: TrainState, own: jax.Array, origin: jax.Array, packed: resident.Resident
        ) -> tuple[TrainState, steps.Scalars]:
            index = self._numbers(state.step, own, origin, pretrain)
            return self._run(state, self.crops(packed, index), index, pretrain)

        return step

    def _given_step(self, pretrain: bool) -> Callable[..., Any]:
        def step(
            state: TrainState, own: jax.Array, origin: jax.Array, pixels: dict[str, jax.Array]
        ) -> tuple[TrainState, steps.Scalars]:
            index = self._numbers(state.step, own, origin, pretrain)
            return self._run(state, self._finish(pixels, index), index, pretrain)

        return step

    def _numbers(
        self, step: jax.Array, own: jax.Array, origin: jax.Array, pretrain: bool
    ) -> jax.Array:
        done = step.astype(jnp.uint32) - origin[0]
        first = origin[1] + done * jnp.uint32(self.samples(pretrain))
        slices = 1 if pretrain else self._recipe.slices
        return parallel.sample_numbers(first, slices, self.batch_size, own)

    def _run(
        self, state: TrainState, crops: dict[str, jax.Array], index: jax.Array, pretrain: bool
    ) -> tuple[TrainState, steps.Scalars]:
        batch = crops | {"index": index}
        return steps.train_step(
            state, batch, recipe=self._recipe, axis=parallel.AXIS, pretrain=pretrain
        )

    def crops(self, packed: resident.Resident, index: jax.Array) -> dict[str, jax.Array]:
        """The samples uint32[...] of resident pairs, float32[..., crop, crop, 3] in [-1, 1]."""
        return self._finish(self._windows(packed, index), index)

    def _windows(self, packed: resident.Resident, index: jax.Array) -> dict[str, jax.Array]:
        return resident.cut(
            packed,
            index,
            crop=self._window,
            seed=self._recipe.seed,
            augment=self._flips,
            crop_last=self._crop_last,
        )

    def _finish(self, pixels: dict[str, jax.Array], index: jax.Array) -> dict[str, jax.Array]:
        return augment.apply(
            pixels,
            index,
            crop=self._crop,
            seed=self._recipe.seed,
            augmentation=self._augmentation,
        )

    def batches(self, count: int, first: int, pretrain: bool) -> Iterator[dict[str, jax.Array]]:
        """The host's batches, uint8[devices, S, B, W, W, 3], on this process' devices already."""
        from deblur_jax.data import pipeline  # TensorFlow is imported on this path alone

        batches = pipeline.batches(
            self._data.store,
            seed=self._recipe.seed,
            batch_size=self.batch_size,
            updates=1 if pretrain else self._recipe.slices,
            crop=self._window,
            steps=count,
            first=first,
            augment=self._flips,
            entries=self._data.entries,
            crop_last=self._crop_last,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        mesh = Mesh(np.array(jax.local_devices()), (parallel.AXIS,))
        sharding = NamedSharding(mesh, PartitionSpec(parallel.AXIS))
        local = jax.local_device_count()
        waiting: deque[Any] = deque()
        for batch in self._timed(batches):
            split = jax.tree.map(lambda x: _by_device(x, local), batch)
            waiting.append(jax.device_put(split, sharding))
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        yield from waiting

    def _timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The same batches; `waited` grows by the time that each of them took to come."""
        while True:
            begun = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - begun
            if batch is None:
                return
            yield batch

    def take(self, count: int, first: int, most: int | None = None) -> Iterator[steps.Batch]:
        """Batches of one slice each, for what looks at samples without training on them.

        Args:
          count: how many batches.
          first: number of the first one's first sample.
          most: only the first so many of each batch.

        Yields:
          `blurred` and `sharp`, float32[B, crop, crop, 3] in [-1, 1], and `index`, uint32[B], of
          this process' share of the batch.
        """
        own = parallel.positions(self.batch_size).reshape(-1)[:most]
        if self._resident is not None:
            crops = jax.jit(self.crops)
            for batch in range(count):
                index = own + np.uint32(first + batch * self.batch_size)
                yield crops(self._resident, index) | {"index": index}
            return
        finish = jax.jit(self._finish)
        for batch, pixels in enumerate(self.batches(count, first, pretrain=True)):
            index = own + np.uint32(first + batch * self.batch_size)
            flat = {name: np.asarray(x)[:, 0] for name, x in pixels.items()}
            flat = {name: x.reshape(-1, *x.shape[2:])[:most] for name, x in flat.items()}
            yield finish(flat, index) | {"index": index}

    def preview(self) -> dict[str, np.ndarray]:
        """The first crops of this process, `blurred` and `sharp`, float32[B, crop, crop, 3]."""
        batch = next(self.take(1, 0, PREVIEWS))
        return {name: np.asarray(batch[name]) for name in ("blurred", "sharp")}


def _room() -> int | None:
    """Bytes free on the fullest of this process' accelerators; None where nobody counts them."""
    stats = [device.memory_stats() for device in jax.local_devices()]
    known = [s["bytes_limit"] - s["bytes_in_use"] for s in stats if s and "bytes_limit" in s]
    return min(known) if known else None


def _by_device(x: np.ndarray, devices: int) -> np.ndarray:
    """uint8[S, B, ...] to [devices, S, B // devices, ...]."""
    slices, batch = x.shape[:2]
    return x.reshape(slices, devices, batch // devices, *x.shape[2:]).swapaxes(0, 1)
