"""Decoding pairs once, into a store that later runs open.

A store's place in the cache is named by everything that its pixels depend on, so it is never out of
date. Small stores live in memory: decoding them anew takes seconds.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from deblur_jax.data.canvas import CHANNELS, Canvas, FileCanvas, MemoryCanvas, shelves
from deblur_jax.data.keeping import keep, refuse_full_disk
from deblur_jax.data.sources import Source
from deblur_jax.data.store import INDEX_FILE, SCHEMA, Store, open_store, write_index
from deblur_jax.errors import UsageError, UserError

MEMORY_BYTES = 256 * 2**20  # smaller stores are kept in memory
NAMES_SHOWN = 3


class Pool(Protocol):
    """Pairs of one size that are made, not read."""

    @property
    def labels(self) -> Sequence[str]:
        """Of each pair, the part that it belongs to."""

    @property
    def count(self) -> int:
        """How many pairs."""

    @property
    def size(self) -> int:
        """Pixels, their side."""

    @property
    def stamp(self) -> Any:
        """A value for JSON that changes when the pixels do."""

    def make(self, blurred: Any, sharp: Any) -> None:
        """Assigns each picture to `blurred[i]` and `sharp[i]`, uint8[count, size, size, 3]."""


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
      skip_broken: leaves out pairs that cannot be read, instead of raising.
      memory_bytes: stores up to this size are kept in memory.
      workers: threads that decode; None takes what Python thinks right.
      report: gets sentences as work goes on.

    Raises:
      UserError: pairs that cannot be read (all are counted, the first are named), or the disk has
        no room for them.
      UsageError: there are no pairs.
    """
    labelled = [(part.label, source) for part in parts for source in part.sources]
    fingerprint = _fingerprint(labelled, pool, skip_broken)
    place = None if cache is None else cache / fingerprint[:32]
    # Not Path.exists, which raises where a folder may not be looked into.
    if place is not None and os.path.exists(place / INDEX_FILE):  # noqa: PTH110
        # A store that was damaged since is made anew.
        with contextlib.suppress(UserError):
            store = open_store(place)
            report(f"{len(store)} pairs, decoded before, in {place}")
            return _reported(store, report)
    failures: list[str] = []
    labelled, sizes = _sizes(labelled, failures, skip_broken, workers)
    if pool is not None:
        sizes += [(pool.size, pool.size)] * pool.count
    if not sizes:
        raise UsageError(_nothing_left(failures))
    row, column, shape = shelves(*np.array(sizes, np.int32).T)
    boxes = np.stack([row, column, *np.array(sizes, np.int32).T])
    job = _Job(labelled, pool, boxes, shape, failures, skip_broken, fingerprint, workers, report)
    nbytes = 2 * shape[0] * shape[1] * 3
    if place is None or nbytes <= memory_bytes:
        return _reported(job.run([MemoryCanvas(shape), MemoryCanvas(shape)]), report)
    return _reported(_on_disk(job, place, nbytes), report)


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
                _expect(source, pictures[0], self.boxes[2:, number])
            except UserError as error:
                return str(error)
            for canvas, picture in zip(canvases, pictures, strict=True):
                canvas.write(int(self.boxes[0, number]), int(self.boxes[1, number]), picture)
            return None

        outcomes = _in_threads(decode, count, self.workers, "decoding")
        self.failures += [outcome for outcome in outcomes if outcome is not None]
        _raise_failures(self.failures, self.skip_broken)
        if self.pool is not None:
            self.pool.make(*(_Pictures(canvas, self.boxes[:, count:]) for canvas in canvases))
        kept = [n for n, outcome in enumerate(outcomes) if outcome is None]
        kept += range(count, self.boxes.shape[1])
        if not kept:
            raise UsageError(_nothing_left(self.failures))
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

    found = _in_threads(size, len(labelled), workers, "")
    failures += [outcome for outcome in found if isinstance(outcome, str)]
    _raise_failures(failures, skip_broken)
    kept = [number for number, outcome in enumerate(found) if not isinstance(outcome, str)]
    return [labelled[n] for n in kept], [
        outcome for outcome in found if not isinstance(outcome, str)
    ]


def _in_threads(
    work: Callable[[int], Any], count: int, workers: int | None, title: str
) -> list[Any]:
    """`work` of each number, in order; with a title a bar shows how far it is on a terminal."""
    with ThreadPoolExecutor(workers) as pool:
        try:
            done: Iterator[Any] = pool.map(work, range(count))
            if title:
                done = tqdm(done, total=count, desc=title, unit="pair", disable=None)
            return list(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _expect(source: Source, picture: np.ndarray, size: np.ndarray) -> None:
    if picture.shape[:2] != tuple(size):
        height, width = picture.shape[:2]
        raise UserError(
            f"{source.name} is {width}x{height} pixels, but its header says {size[1]}x{size[0]}"
        )


def _raise_failures(failures: Sequence[str], skip_broken: bool) -> None:
    if failures and not skip_broken:
        more = len(failures) - NAMES_SHOWN
        shown = "; ".join(failures[:NAMES_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise UserError(f"{shown} (data.skip_broken=True leaves such pairs out)")


def _nothing_left(failures: Sequence[str]) -> str:
    if not failures:
        return "there are no pairs to train on"
    return f"none of {len(failures)} pairs can be used: {failures[0]}"


def _reported(store: Store, report: Callable[[str], None]) -> Store:
    if store.left_out:
        shown = "; ".join(store.left_out[:NAMES_SHOWN])
        report(f"left out {len(store.left_out)} pairs that cannot be used: {shown}")
    return store


def _fingerprint(
    labelled: Sequence[tuple[str, Source]], pool: Pool | None, skip_broken: bool
) -> str:
    made = None if pool is None else [pool.count, pool.size, pool.stamp]
    stamps = [[label, source.stamp] for label, source in labelled]
    text = json.dumps([SCHEMA, skip_broken, stamps, made], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
