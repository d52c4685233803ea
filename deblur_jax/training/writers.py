"""Where a run's numbers and pictures go: `metrics.jsonl`, TensorBoard events, a line on the
terminal.

clu and TensorFlow stay behind this file, and a machine without them trains all the same: it writes
the JSON lines, which hold every number, and leaves the events out.
"""

import contextlib
import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax.atomic import reason, write_text
from deblur_jax.errors import UserError
from deblur_jax.version import __version__

METRICS = "metrics.jsonl"
_PACKAGES = (
    "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "clu", "ml_collections",
    "tensorflow-cpu", "tensorflow-datasets",
)  # fmt: skip


class Writers:
    """The outputs of one run; `step` is the number of generator updates done."""

    def __init__(self, workdir: Path, resume_step: int) -> None:
        """Opens the outputs and drops lines after `resume_step`, which will be written again.

        Raises:
          UserError: the folder cannot be written.
        """
        self._path = workdir / METRICS
        kept = [line for line in _lines(self._path) if line["step"] <= resume_step]
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in kept))
        self._board = _tensorboard(workdir)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """One flat line of numbers; a number that is not finite becomes null."""
        line = {"step": step} | {
            name: (value if np.isfinite(value) else None) for name, value in values.items()
        }
        # One write call, so that a line is there as a whole or not at all.
        try:
            with self._path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise UserError(f"cannot write {self._path}: {error.strerror}") from error
        if self._board:
            with self._events():
                self._board.write_scalars(step, values)

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
        """Returns when everything is on disk."""
        if self._board:
            with self._events():
                self._board.flush()

    def close(self) -> None:
        """Flushes and closes."""
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
            raise UserError(f"cannot write TensorBoard events in {folder}: {cause}") from error


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
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
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
