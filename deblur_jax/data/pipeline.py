"""The host's way of feeding pairs: cut decoded pairs, batch and prefetch with tf.data.

Which crop a sample is comes from `sampling`, so a batch is a pure function of the seed and of its
samples' numbers: the state of the iterator is one number, resuming means starting at a later one, a
host takes its slice of the one global batch, and crops kept on the device (`resident`) are the same
bit for bit. The pairs lie on disk or in memory as a `Store`; nothing is decoded here.
"""

import atexit
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from deblur_jax.data import sampling
from deblur_jax.data.store import Store
from deblur_jax.errors import UsageError, UserError

if TYPE_CHECKING:
    import tensorflow as tf

PREFETCH_STEPS = 2
Batch = dict[str, np.ndarray]


def batches(
    store: Store,
    *,
    seed: int,
    batch_size: int,
    updates: int,
    crop: int,
    steps: int,
    first: int = 0,
    augment: str = "flip",
    entries: np.ndarray | None = None,
    crop_last: bool = True,
    process_index: int = 0,
    process_count: int = 1,
    workers: int | None = None,
) -> Iterator[Batch]:
    """The batches of `steps` steps, in order.

    Position b of update u of the s-th step (from 0) is the sample of number
    first + (s * updates + u) * batch_size + b.
    This process gets positions process_index * B to (process_index + 1) * B - 1 of each update,
    with B = batch_size / process_count.

    Args:
        store: the decoded pairs, in an order that is the same on every host.
        seed: of the run.
        batch_size: pairs per update over all processes, a multiple of `process_count`.
        updates: batches per step (the critic's updates and the generator's).
        crop: side of the square crops in pixels; no pair may be smaller.
        steps: how many there are.
        first: number of the first sample: the state of an earlier iterator, for resuming.
        augment: `none`, `flip` or `dihedral`, see `sampling.plan`.
        entries: int32[E], the pair of each entry of an epoch; None lets each pair stand once.
        crop_last: whether crops may touch the lower and right border, see `sampling.plan`.
        process_index, process_count: this host and the number of hosts.
        workers: threads that cut; None takes one per CPU core.

    Returns:
        An iterator over {"blurred", "sharp"}, each uint8[updates, B, crop, crop, 3].

    Raises:
        UsageError: a batch that does not divide over the processes.
        UserError: while iterating, if the store on disk is damaged.
    """
    if batch_size % process_count:
        raise UsageError(f"a batch of {batch_size} does not divide over {process_count} processes")
    local = batch_size // process_count
    positions = np.arange(process_index * local, (process_index + 1) * local)
    _, _, heights, widths = store.boxes

    def plan_step(step: np.ndarray) -> np.ndarray:
        """int32[updates * B, 6], one row of a `sampling.Plan` per sample."""
        start = (int(step) * updates + np.arange(updates)) * batch_size + first
        index = (start[:, None] + positions).reshape(-1).astype(np.uint32)
        plan = sampling.plan(
            index,
            heights,
            widths,
            crop=crop,
            seed=seed,
            augment=augment,
            entries=entries,
            crop_last=crop_last,
        )
        return np.stack([np.asarray(field, np.int32) for field in plan], axis=1)

    cutter = _Cutter(store, crop)
    shape = (updates, local, crop, crop, 3)
    dataset = _dataset(steps, plan_step, cutter, shape, workers or os.cpu_count() or 1)
    return _iterate(dataset, cutter)


class _Cutter:
    """Cuts crops out of a store and remembers why it could not."""

    def __init__(self, store: Store, crop: int) -> None:
        self.failure: UserError | None = None
        self._store, self._crop = store, crop

    def crops(self, row: np.ndarray) -> np.ndarray:
        """uint8[2, crop, crop, 3], blurred and sharp, of one row of a plan."""
        pair, top, left, flip, flop, turn = (int(value) for value in row)
        try:
            cut = self._store.crop(pair, top, left, self._crop, self._crop)
        except UserError as error:
            self.failure = error  # TensorFlow would bury it in an error of its own
            raise
        if flip:
            cut = cut[:, :, ::-1]
        if flop:
            cut = cut[:, ::-1]
        return np.ascontiguousarray(cut.swapaxes(1, 2) if turn else cut)


def _dataset(
    steps: int, plan_step: Any, cutter: _Cutter, shape: tuple[int, ...], workers: int
) -> "tf.data.Dataset":
    tf = _tensorflow()
    updates, local, crop = shape[:3]

    def planned(step: Any) -> Any:
        return tf.ensure_shape(
            tf.numpy_function(plan_step, [step], tf.int32, stateful=False), (updates * local, 6)
        )

    def cut(row: Any) -> Any:
        crops = tf.numpy_function(cutter.crops, [row], tf.uint8, stateful=False)
        return tf.ensure_shape(crops, (2, crop, crop, 3))

    def named(both: Any) -> dict[str, Any]:
        grouped = tf.reshape(both, (updates, local, 2, crop, crop, 3))
        return {"blurred": grouped[:, :, 0], "sharp": grouped[:, :, 1]}

    dataset = tf.data.Dataset.range(steps).map(planned).unbatch()
    dataset = dataset.map(cut, num_parallel_calls=workers, deterministic=True)
    dataset = dataset.batch(updates * local, drop_remainder=True).map(named)
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = workers
    return dataset.prefetch(PREFETCH_STEPS).with_options(options)


def _iterate(dataset: "tf.data.Dataset", cutter: _Cutter) -> Iterator[Batch]:
    failed = _tensorflow().errors.OpError  # held here: at the very end the module is gone
    # An iterator that is let go while the interpreter shuts down waits for its threads, which wait
    # for the interpreter: the program would never end. So it is let go just before.
    held = [dataset.as_numpy_iterator()]
    atexit.register(held.clear)
    try:
        while held and (batch := next(held[0], None)) is not None:
            yield batch
    except failed:
        if cutter.failure is None:
            raise
        raise cutter.failure from None
    finally:
        atexit.unregister(held.clear)
        held.clear()


def _tensorflow() -> Any:
    """TensorFlow, kept off the GPU: it would take all of the memory that JAX needs."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    return tf
