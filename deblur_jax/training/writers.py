"""Where a run's numbers and pictures go: `metrics.jsonl`, TensorBoard events, a line on the
terminal.

clu and TensorFlow stay behind this file, and a machine without them trains all the same: it writes
the JSON lines, which hold every number, and leaves the events out.
"""

import contextlib
import errno
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax.atomic import reason, write_text
from deblur_jax.version import __version__

METRICS = "metrics.jsonl"
_PACKAGES = (
    "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "clu", "ml_collections",
    "tensorflow-cpu", "tensorflow-datasets",
)  # fmt: skip


class Writers:
    """The outputs of one run; `step` is the number of generator updates done.

    A disk that is full does not end the run: lines wait in memory and are written when there is
    room again, and events are left out meanwhile.
    """

    def __init__(self, workdir: Path, resume_step: int) -> None:
        """Opens the outputs and drops lines after `resume_step`, which will be written again.

        Raises:
          UserError: the folder cannot be written.
        """
        self._path = workdir / METRICS
        self._waiting: list[str] = []  # lines that a full disk keeps from being written
        self._said: set[str] = set()
        self.rewind(resume_step)
        self._board = _tensorboard(workdir)

    def rewind(self, step: int) -> None:
        """Drops lines after `step`, and one that was cut off. UserError if that cannot be done."""
        self.retry()
        kept = [line for line in _lines(self._path) if line["step"] <= step]
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._waiting = [text for text in self._waiting if json.loads(text)["step"] <= step]

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """One flat line of numbers; a number that is not finite becomes null."""
        line = {"step": step} | {
            name: (value if np.isfinite(value) else None) for name, value in values.items()
        }
        self._waiting.append(json.dumps(line) + "\n")
        self.retry()
        if self._board:
            with self._events():
                self._board.write_scalars(step, values)

    def retry(self) -> bool:
        """Writes the lines that wait; says whether none waits any more."""
        try:
            while self._waiting:
                _append(self._path, self._waiting[0].encode())
                del self._waiting[0]
        except OSError as error:
            self._say(f"cannot write {self._path}: {reason(error)}; its lines wait in memory")
        return not self._waiting

    def images(self, step: int, images: dict[str, np.ndarray]) -> None:
        """Pictures, each float32[B, H, W, 3] in [0, 1], for TensorBoard."""
        if self._board:
            with self._events():
                self._board.write_images(step, images)

    def layers(self, step: int, trees: dict[str, Any]) -> None:
        """A table of each tree's arrays, for TensorBoard."""
        if self._board:
            from clu import parameter_overview

            overview = parameter_overview.get_parameter_overview
            tables = {f"layers/{name}": f"```\n{overview(t)}\n```" for name, t in trees.items()}
            with self._events():
                self._board.write_texts(step, tables)

    def flush(self) -> None:
        """Returns when everything is on disk that can be."""
        if self.retry():
            self._said.clear()
        if self._board:
            with self._events():
                self._board.flush()

    def close(self) -> None:
        """Flushes and closes."""
        self.retry()
        if self._board:
            with self._events():
                self._board.close()

    @contextlib.contextmanager
    def _events(self) -> Iterator[None]:
        """Makes TensorFlow's errors, whose types only it knows, a sentence."""
        try:
            yield
        except Exception as error:
            text = str(error)
            full = "No space left" in text or "quota" in text
            cause = "no space left on device" if full else reason(error)[:200]
            folder = self._path.parent
            self._say(f"cannot write TensorBoard events in {folder}: {cause}")

    def _say(self, sentence: str) -> None:
        """Once for all lines, not for each."""
        if sentence not in self._said:
            self._said.add(sentence)
            print(f"warning: {sentence}", file=sys.stderr, flush=True)


class NoWriters(Writers):
    """Of a process that is not the one which writes."""

    def __init__(self) -> None:
        self._waiting, self._said, self._board = [], set(), None

    def rewind(self, step: int) -> None:
        """Does nothing."""

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Does nothing."""


def _append(path: Path, data: bytes) -> None:
    """Appends in one call, so that a line is there as a whole or not at all."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(handle).st_size
        if os.write(handle, data) < len(data):  # the disk took a part of it
            os.ftruncate(handle, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(handle)


def _tensorboard(workdir: Path) -> Any | None:
    try:
        from clu import metric_writers
    except ImportError:
        print(
            "TensorBoard events are left out: clu or TensorFlow is not installed", file=sys.stderr
        )
        return None
    return metric_writers.SummaryWriter(str(workdir))


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics file; a line that was cut off by a crash is dropped."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_bytes().split(b"\n"):
        try:
            line = json.loads(text)
            lines.append(line | {"step": int(line["step"])})
        except (ValueError, TypeError, KeyError):
            break
    return lines


def versions() -> dict[str, Any]:
    """Versions of everything that a run's numbers depend on."""
    import jax

    found = {"deblur_jax": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    devices = jax.devices()
    return found | {
        "device": devices[0].device_kind,
        "device_count": len(devices),
        "platform": platform.platform(),
    }
