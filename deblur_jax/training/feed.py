"""How data reaches a step: from the host through tf.data, or cut on the device from resident pairs.

Either way the step sees float32[S, B, crop, crop, 3] with the samples' global numbers, and the
numbers decide everything else; see `deblur_jax.data.sampling`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.data import resident
from deblur_jax.data.pairs import Pair
from deblur_jax.errors import UsageError, UserError
from deblur_jax.training import parallel, steps
from deblur_jax.training.state import Recipe, TrainState

PREVIEWS = 4  # crops whose restoration is shown in TensorBoard
Step = Callable[[TrainState], tuple[TrainState, steps.Scalars]]


def first_sample(
    step: Any, pretrain_steps: int, slices: int, batch_size: int, pretrain: bool
) -> Any:
    """Global number of a step's first sample; pretraining steps use one slice each."""
    if pretrain:
        return step * batch_size
    return (pretrain_steps + (step - pretrain_steps) * slices) * batch_size


class Feed:
    """Steps with their data. `step(pretrain)` gives a function of the state alone."""

    def __init__(self, config: Any, recipe: Recipe, pairs: list[Pair] | None) -> None:
        """Compiles nothing yet.

        Args:
          config: the run's configuration.
          recipe: what a step does.
          pairs: files to read on the host, or None where `place` will be given arrays.

        Raises:
          UsageError: the batch does not divide over the devices.
        """
        self._recipe = recipe
        self._batch_size = config.train.batch_size
        self._pretrain_steps = config.train.pretrain_generator_steps if recipe.adversarial else 0
        self._crop, self._augment = config.data.crop, config.data.augment
        self._last = config.train.steps
        self._pairs = pairs
        self._resident: Any = None
        self._entries = None
        devices = jax.device_count()
        if self._batch_size % devices:
            raise UsageError(
                f"train.batch_size is {self._batch_size}, "
                f"which {devices} devices cannot share evenly"
            )

    def place(self, packed: resident.Resident) -> None:
        """Puts packed pairs on the devices.

        Raises:
          UserError: they do not fit.
        """
        try:
            self._resident = parallel.replicate(packed)
            jax.block_until_ready(self._resident.sharp)
        except (jax.errors.JaxRuntimeError, MemoryError) as error:
            size = (packed.blurred.nbytes + packed.sharp.nbytes) / 2**30
            raise UserError(
                f"the pairs ({size:.1f} GiB) do not fit on the device: set data.placement to 'host'"
            ) from error

    def _numbers(self, step: jax.Array, own: jax.Array, pretrain: bool) -> jax.Array:
        slices = 1 if pretrain else self._recipe.slices
        first = first_sample(
            step.astype(jnp.uint32), self._pretrain_steps, slices, self._batch_size, pretrain
        )
        return parallel.sample_numbers(first, slices, self._batch_size, own)

    def _run(
        self, state: TrainState, pixels: dict[str, jax.Array], index: jax.Array, pretrain: bool
    ) -> tuple[TrainState, steps.Scalars]:
        batch = jax.tree.map(resident.to_unit, pixels) | {"index": index}
        return steps.train_step(
            state, batch, recipe=self._recipe, axis=parallel.AXIS, pretrain=pretrain
        )

    def phase(self, start: int, stop: int, pretrain: bool) -> Step:
        """A function that makes the steps from `start` on, up to `stop`, in their order."""
        own = parallel.positions(self._batch_size)
        if self._resident is not None:
            mapped = parallel.pmap_step(self._resident_step(pretrain), (None, 0, None))
            return lambda state: mapped(state, own, self._resident)
        mapped = parallel.pmap_step(self._host_step(pretrain), (None, 0, 0))
        batches = self._batches(start, stop, pretrain)
        return lambda state: mapped(state, own, next(batches))

    def _resident_step(self, pretrain: bool) -> Callable[..., Any]:
        def step(
            state: TrainState, own: jax.Array, packed: resident.Resident
        ) -> tuple[TrainState, steps.Scalars]:
            index = self._numbers(state.step, own, pretrain)
            return self._run(state, self._cut(packed, index), index, pretrain)

        return step

    def _host_step(self, pretrain: bool) -> Callable[..., Any]:
        def step(
            state: TrainState, own: jax.Array, pixels: dict[str, jax.Array]
        ) -> tuple[TrainState, steps.Scalars]:
            return self._run(state, pixels, self._numbers(state.step, own, pretrain), pretrain)

        return step

    def _cut(self, packed: resident.Resident, index: jax.Array) -> dict[str, jax.Array]:
        return resident.cut(
            packed, index, crop=self._crop, seed=self._recipe.seed, augment=self._augment
        )

    def _batches(self, start: int, stop: int, pretrain: bool) -> Iterator[dict[str, np.ndarray]]:
        from deblur_jax.data import pipeline  # TensorFlow is imported on this path alone

        assert self._pairs is not None
        slices = 1 if pretrain else self._recipe.slices
        # The pipeline counts samples from step 0 as if each step had `slices` slices.
        skipped = first_sample(0, self._pretrain_steps, slices, self._batch_size, pretrain)
        batches = pipeline.batches(
            self._pairs,
            seed=self._recipe.seed,
            batch_size=self._batch_size,
            updates=slices,
            crop=self._crop,
            steps=stop,
            start_step=start,
            augment=self._augment,
            offset=skipped,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        local = jax.local_device_count()
        for batch in batches:
            yield jax.tree.map(lambda x: _by_device(x, local), batch)

    def preview(self) -> dict[str, np.ndarray]:
        """The run's first crops, `blurred` and `sharp`, float32[B, crop, crop, 3] in [-1, 1]."""
        count = min(PREVIEWS, self._batch_size)
        if self._resident is not None:
            pixels = jax.jit(self._cut)(self._resident, jnp.arange(count, dtype=jnp.uint32))
        else:
            first = next(self._batches(0, 1, pretrain=True))
            pixels = jax.tree.map(lambda x: x[:, 0].reshape(-1, *x.shape[3:])[:count], first)
        return {name: np.asarray(resident.to_unit(jnp.asarray(x))) for name, x in pixels.items()}


def _by_device(x: np.ndarray, devices: int) -> np.ndarray:
    """uint8[S, B, ...] to [devices, S, B // devices, ...]."""
    slices, batch = x.shape[:2]
    return x.reshape(slices, devices, batch // devices, *x.shape[2:]).swapaxes(0, 1)
