"""The host's way of feeding pairs: decode, cut, batch and prefetch with tf.data.

Which crop a sample is comes from `sampling`, so a step's batch is a pure function of the seed and
the step's number: resuming means starting at a later step, a host takes its slice of the one global
batch, and crops kept on the device (`resident`) are the same bit for bit.
"""

import atexit
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from deblur_jax.data import sampling
from deblur_jax.data.pairs import Pair, pair_size, read_pair
from deblur_jax.errors import UsageError, UserError

if TYPE_CHECKING:
    import tensorflow as tf

# Some 390 GoPro pairs of 1280x720 (5.5 MB each), whose PNGs take about 60 ms of a core to decode.
CACHE_BYTES = 2 * 2**30
PREFETCH_STEPS = 2
Batch = dict[str, np.ndarray]


def batches(
    pairs: Sequence[Pair],
    *,
    seed: int,
    batch_size: int,
    updates: int,
    crop: int,
    steps: int,
    start_step: int = 0,
    offset: int = 0,
    augment: str = "flip",
    entries: np.ndarray | None = None,
    process_index: int = 0,
    process_count: int = 1,
    cache_bytes: int = CACHE_BYTES,
    workers: int | None = None,
) -> Iterator[Batch]:
    """The batches of the steps `start_step` to `steps - 1`, in order.

    Position b of update u of step s is the sample of number
    (s * updates + u) * batch_size + b + offset.
    This process gets positions process_index * B to (process_index + 1) * B - 1 of each update,
    with B = batch_size / process_count.

    Args:
        pairs: the training pairs, in an order that is the same on every host.
        seed: of the run.
        batch_size: pairs per update over all processes, a multiple of `process_count`.
        updates: batches per step (the critic's updates and the generator's).
        crop: side of the square crops in pixels.
        steps: number of the step to stop before.
        start_step: number of the first step, for resuming.
        offset: added to the numbers, where earlier steps had another number of updates; may be
            negative.
        augment: `none`, `flip` or `dihedral`, see `sampling.plan`.
        entries: int32[E], the pair of each entry of an epoch; None lets each pair stand once.
        process_index, process_count: this host and the number of hosts.
        cache_bytes: decoded pairs are kept until they fill this much memory; 0 keeps none.
        workers: threads that decode; None takes one per CPU core.

    Returns:
        An iterator over {"blurred", "sharp"}, each uint8[updates, B, crop, crop, 3].

    Raises:
        UsageError: no pairs, or a batch that does not divide over the processes.
        UserError: at once, a file whose header cannot be read, twins that differ in size, or a
            picture smaller than the crop; while iterating, a file that turns out to be broken.
    """
    if not pairs:
        raise UsageError("no pairs to train on")
    if batch_size % process_count:
        raise UsageError(f"a batch of {batch_size} does not divide over {process_count} processes")
    threads = workers or os.cpu_count() or 1
    heights, widths = pair_sizes(pairs, crop, workers=threads)
    local = batch_size // process_count
    positions = np.arange(process_index * local, (process_index + 1) * local)

    def plan_step(step: np.ndarray) -> np.ndarray:
        """int32[updates * B, 6], one row of a `sampling.Plan` per sample."""
        first = (int(step) * updates + np.arange(updates)) * batch_size + offset
        index = (first[:, None] + positions).reshape(-1).astype(np.uint32)
        plan = sampling.plan(
            index, heights, widths, crop=crop, seed=seed, augment=augment, entries=entries
        )
        return np.stack([np.asarray(field, np.int32) for field in plan], axis=1)

    reader = _Reader(pairs, heights, widths, crop, cache_bytes)
    shape = (updates, local, crop, crop, 3)
    return _iterate(_dataset(range(start_step, steps), plan_step, reader, shape, threads), reader)


def pair_sizes(
    pairs: Sequence[Pair], crop: int, *, workers: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(heights, widths) of the pairs, int32[N] each, from the files' headers.

    Raises:
        UserError: an unreadable header, twins that differ in size, or a pair smaller than `crop`.
    """
    with ThreadPoolExecutor(workers) as pool:  # headers may lie on a slow network disk
        sizes = np.array(list(pool.map(pair_size, pairs)), np.int32).reshape(-1, 2)
    small = np.flatnonzero((sizes < crop).any(axis=1))
    if small.size:
        height, width = sizes[small[0]]
        more = f" (and {small.size - 1} more such pairs)" if small.size > 1 else ""
        raise UserError(
            f"{pairs[small[0]].blurred} is {width}x{height} pixels, smaller than the crop of"
            f" {crop}x{crop}{more}"
        )
    return sizes[:, 0], sizes[:, 1]


class _Reader:
    """Cuts crops out of pairs and keeps decoded pairs while there is room for them.

    The cache fills once and then stays: an epoch visits every pair once, so throwing the oldest
    out would leave nothing to be found again.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        heights: np.ndarray,
        widths: np.ndarray,
        crop: int,
        cache_bytes: int,
    ) -> None:
        self.failure: UserError | None = None
        self._pairs = pairs
        self._heights, self._widths = heights, widths
        self._crop = crop
        self._room = cache_bytes
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._lock = threading.Lock()

    def crops(self, row: np.ndarray) -> np.ndarray:
        """uint8[2, crop, crop, 3], blurred and sharp, of one row of a plan."""
        pair, top, left, flip, flop, turn = (int(value) for value in row)
        area = np.s_[top : top + self._crop, left : left + self._crop]
        cut = np.stack([picture[area] for picture in self._pair(pair)])
        if flip:
            cut = cut[:, :, ::-1]
        if flop:
            cut = cut[:, ::-1]
        return np.ascontiguousarray(cut.swapaxes(1, 2) if turn else cut)

    def _pair(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        if number in self._kept:
            return self._kept[number]
        try:
            pictures = read_pair(self._pairs[number])
            self._check_size(number, pictures[0])
        except UserError as error:
            self.failure = error  # TensorFlow would bury it in an error of its own
            raise
        size = sum(picture.nbytes for picture in pictures)
        with self._lock:
            if number not in self._kept and size <= self._room:
                self._room -= size
                self._kept[number] = pictures
        return pictures

    def _check_size(self, number: int, picture: np.ndarray) -> None:
        height, width = picture.shape[:2]
        if (height, width) != (self._heights[number], self._widths[number]):
            raise UserError(
                f"{self._pairs[number].blurred} is {width}x{height} pixels, but was"
                f" {self._widths[number]}x{self._heights[number]} when the run began"
            )


def _dataset(
    steps: range, plan_step: Any, reader: _Reader, shape: tuple[int, ...], workers: int
) -> "tf.data.Dataset":
    tf = _tensorflow()
    updates, local, crop = shape[:3]

    def planned(step: Any) -> Any:
        return tf.ensure_shape(
            tf.numpy_function(plan_step, [step], tf.int32, stateful=False), (updates * local, 6)
        )

    def cut(row: Any) -> Any:
        # Pillow decodes, here as everywhere: TensorFlow cannot read WebP, and another JPEG decoder
        # gives other bits. It lets go of the interpreter's lock, so the threads do run at once.
        crops = tf.numpy_function(reader.crops, [row], tf.uint8, stateful=False)
        return tf.ensure_shape(crops, (2, crop, crop, 3))

    def named(both: Any) -> dict[str, Any]:
        grouped = tf.reshape(both, (updates, local, 2, crop, crop, 3))
        return {"blurred": grouped[:, :, 0], "sharp": grouped[:, :, 1]}

    dataset = tf.data.Dataset.range(steps.start, steps.stop).map(planned).unbatch()
    dataset = dataset.map(cut, num_parallel_calls=workers, deterministic=True)
    dataset = dataset.batch(updates * local, drop_remainder=True).map(named)
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = workers
    return dataset.prefetch(PREFETCH_STEPS).with_options(options)


def _iterate(dataset: "tf.data.Dataset", reader: _Reader) -> Iterator[Batch]:
    failed = _tensorflow().errors.OpError  # held here: at the very end the module is gone
    # An iterator that is let go while the interpreter shuts down waits for its threads, which wait
    # for the interpreter: the program would never end. So it is let go just before.
    held = [dataset.as_numpy_iterator()]
    atexit.register(held.clear)
    try:
        while held and (batch := next(held[0], None)) is not None:
            yield batch
    except failed:
        if reader.failure is None:
            raise
        raise reader.failure from None
    finally:
        atexit.unregister(held.clear)
        held.clear()


def _tensorflow() -> Any:
    """TensorFlow, kept off the GPU: it would take all of the memory that JAX needs."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    return tf
