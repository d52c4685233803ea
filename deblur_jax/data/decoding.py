"""Decoding pairs once, into a store that later runs open.

A store's place in the cache is named by what its pixels depend on: of each file the name, the size,
the time of the last change, and a hash of samples of its contents. Where it lies is no part of it.
Small stores live in memory: decoding them anew takes seconds.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deblur_jax.data import left_out
from deblur_jax.data.canvas import CHANNELS, Canvas, FileCanvas, MemoryCanvas, shelves
from deblur_jax.data.keeping import keep, refuse_full_disk
from deblur_jax.data.made import Pool
from deblur_jax.data.sources import Source, expect_size
from deblur_jax.data.store import INDEX_FILE, SCHEMA, Store, open_store, write_index
from deblur_jax.data.threads import in_threads
from deblur_jax.errors import UsageError, UserError

MEMORY_BYTES = 256 * 2**20  # smaller stores are kept in memory


@dataclass(frozen=True)
class Part:
    """Sources that belong together, such as those of one folder."""

    label: str
    sources: Sequence[Source]


def make_store(
    parts: Sequence[Part],
    pool: Pool | None = None,
    *,
    cache: Path | None,
    skip_broken: bool = False,
    memory_bytes: int = MEMORY_BYTES,
    workers: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Store:
    """Decodes pairs, or opens what an earlier call has decoded.

    Args:
      parts: what to read.
      pool: what to make besides.
      cache: folder for stores on disk; None keeps every store in memory.
      skip_broken: leaves out pairs and photographs that cannot be read, instead of raising.
        Another call tries those again.
      memory_bytes: stores up to this size are kept in memory.
      workers: threads that decode; None takes what Python thinks right.
      report: gets sentences as work goes on.

    Raises:
      UserError: pairs or photographs that cannot be read (all are counted, the first are named), or
        the disk has no room for them.
      UsageError: there are no pairs.
    """
    labelled = [(part.label, source) for part in parts for source in part.sources]
    fingerprint = _fingerprint(labelled, pool, skip_broken, workers)
    place = None if cache is None else cache / fingerprint[:32]
    # Not Path.exists, which raises where a folder may not be looked into.
    if place is not None and os.path.exists(place / INDEX_FILE):  # noqa: PTH110
        # A store that was damaged since is made anew.
        with contextlib.suppress(UserError):
            store = open_store(place)
            if not left_out.can_be_used(store, labelled, pool, workers):
                report(f"{len(store)} pairs, decoded before, in {place}")
                return left_out.reported(store, report)
            report("what was left out before can be used now")
    failures: list[str] = []
    if pool is not None:  # first: it takes seconds, the pairs minutes
        pool, lost = pool.sound()
        left_out.refuse(lost, skip_broken, "photographs")
        failures += left_out.of_photographs(lost)
    labelled, sizes = _sizes(labelled, failures, skip_broken, workers)
    if pool is not None:
        sizes += [(pool.size, pool.size)] * pool.count
    if not sizes:
        raise UsageError(left_out.nothing(failures))
    row, column, shape = shelves(*np.array(sizes, np.int32).T)
    boxes = np.stack([row, column, *np.array(sizes, np.int32).T])
    job = _Job(labelled, pool, boxes, shape, failures, skip_broken, fingerprint, workers, report)
    nbytes = 2 * shape[0] * shape[1] * 3
    if place is None or nbytes <= memory_bytes:
        return left_out.reported(job.run([MemoryCanvas(shape), MemoryCanvas(shape)]), report)
    return left_out.reported(_on_disk(job, place, nbytes), report)


def _on_disk(job: "_Job", place: Path, nbytes: int) -> Store:
    def fill(folder: Path) -> None:
        canvases = [FileCanvas(folder / f"{name}.npy", job.shape) for name in ("blurred", "sharp")]
        store = job.run(canvases)
        for canvas in canvases:
            canvas.close()
        write_index(store, folder)

    refuse_full_disk(place, nbytes)
    job.report(f"decoding {job.boxes.shape[1]} pairs once, {nbytes / 1e9:.2f} GB, into {place}")
    return keep(place, fill)


@dataclass
class _Job:
    """One making of a store."""

    labelled: Sequence[tuple[str, Source]]
    pool: Pool | None
    boxes: np.ndarray  # int32[4, N]: row, column, height, width
    shape: tuple[int, int]
    failures: list[str]
    skip_broken: bool
    fingerprint: str
    workers: int | None
    report: Callable[[str], None]

    def run(self, canvases: Sequence[Canvas]) -> Store:
        """Fills the canvases."""
        count = len(self.labelled)

        def decode(number: int) -> str | None:
            source = self.labelled[number][1]
            try:
                pictures = source.read()
                expect_size(source, pictures[0], self.boxes[2:, number])
            except UserError as error:
                return str(error)
            for canvas, picture in zip(canvases, pictures, strict=True):
                canvas.write(int(self.boxes[0, number]), int(self.boxes[1, number]), picture)
            return None

        outcomes = in_threads(decode, count, self.workers, "decoding")
        self.failures += [outcome for outcome in outcomes if outcome is not None]
        left_out.refuse(self.failures, self.skip_broken)
        if self.pool is not None:
            self.pool.make(*(_Pictures(canvas, self.boxes[:, count:]) for canvas in canvases))
        kept = [n for n, outcome in enumerate(outcomes) if outcome is None]
        kept += range(count, self.boxes.shape[1])
        if not kept:
            raise UsageError(left_out.nothing(self.failures))
        names, parts = self._names()
        blurred, sharp = canvases
        return Store(
            blurred,
            sharp,
            self.boxes[:, kept],
            names=tuple(names[n] for n in kept),
            parts=tuple(parts[n] for n in kept),
            left_out=tuple(self.failures),
            fingerprint=self.fingerprint,
        )

    def _names(self) -> tuple[list[str], list[str]]:
        names = [source.name for _, source in self.labelled]
        parts = [label for label, _ in self.labelled]
        if self.pool is not None:
            names += [f"{number:06d}" for number in range(self.pool.count)]
            parts += self.pool.labels
        return names, parts


class _Pictures:
    """Boxes of a canvas, all of one size, as an array whose first axis a pool assigns to."""

    def __init__(self, canvas: Canvas, boxes: np.ndarray) -> None:
        self._canvas, self._boxes = canvas, boxes
        self.shape = (boxes.shape[1], *(int(side) for side in boxes[2:, 0]), CHANNELS)
        self.dtype = np.dtype(np.uint8)

    def __setitem__(self, number: int, picture: np.ndarray) -> None:
        row, column = self._boxes[:2, number]
        self._canvas.write(int(row), int(column), picture)


def _sizes(
    labelled: Sequence[tuple[str, Source]],
    failures: list[str],
    skip_broken: bool,
    workers: int | None,
) -> tuple[list[tuple[str, Source]], list[tuple[int, int]]]:
    """Sources that say their size, and the sizes; the others' sentences go to `failures`."""

    def size(number: int) -> tuple[int, int] | str:
        try:
            return labelled[number][1].size()
        except UserError as error:
            return str(error)

    found = in_threads(size, len(labelled), workers)
    failures += [outcome for outcome in found if isinstance(outcome, str)]
    left_out.refuse(failures, skip_broken)
    kept = [number for number, outcome in enumerate(found) if not isinstance(outcome, str)]
    return [labelled[n] for n in kept], [
        outcome for outcome in found if not isinstance(outcome, str)
    ]


def _fingerprint(
    labelled: Sequence[tuple[str, Source]],
    pool: Pool | None,
    skip_broken: bool,
    workers: int | None,
) -> str:
    made = None if pool is None else [pool.count, pool.size, pool.stamp]
    # In threads, as a disk may be slow to answer.
    stamps = in_threads(lambda n: [labelled[n][0], labelled[n][1].stamp], len(labelled), workers)
    text = json.dumps([SCHEMA, skip_broken, stamps, made], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
