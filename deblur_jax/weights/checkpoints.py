"""Checkpoints of a training run, by Orbax; the one file that knows it.

A checkpoint holds three items: `state`, a tree of arrays, `meta`, JSON that says which networks the
arrays belong to, and `metrics`, by which it is decided what stays. Saving is asynchronous and
atomic: one that was cut off is not listed. Among several processes all of them take part in every
call, and see one folder.
"""

import contextlib
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from deblur_jax.atomic import reason
from deblur_jax.errors import UsageError, UserError

FOLDER = "checkpoints"
DAMAGED = "damaged_checkpoints"  # beside it, of what could not be read


class _Preserve:
    """What stays: the latest planned checkpoints, the best ones, and the newest of all.

    Those that were not planned, as when a run is interrupted, come and go and push no other one
    out: the same checkpoints are there whether a run was interrupted or not.
    """

    def __init__(self, keep: int, keep_best: int) -> None:
        self._keep, self._keep_best = keep, keep_best

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        del context
        stay = {len(checkpoints) - 1}
        metrics = [info.metrics or {} for info in checkpoints]
        planned = [i for i, m in enumerate(metrics) if m.get("planned", 1.0)]
        stay |= set(planned[len(planned) - self._keep :] if self._keep < len(planned) else planned)
        scored = sorted((m["score"], i) for i, m in enumerate(metrics) if "score" in m)
        if self._keep_best:
            stay |= {i for _, i in scored[-self._keep_best :]}
        return [i in stay for i in range(len(checkpoints))]


class Checkpoints:
    """The checkpoints of one workdir."""

    def __init__(
        self,
        workdir: str | Path,
        *,
        keep: int = 3,
        keep_best: int = 0,
        read_only: bool = False,
    ) -> None:
        """Opens, or makes, `workdir/checkpoints`.

        Args:
          workdir: the run's folder.
          keep: how many of the latest planned checkpoints stay.
          keep_best: how many of those with the highest score stay besides.
          read_only: never writes; the folder must exist.

        Raises:
          UserError: the folder is missing or cannot be made.
        """
        self.path = Path(workdir).resolve() / FOLDER
        if read_only and not self.path.is_dir():
            raise UserError(f"{workdir} has no checkpoints")
        self._options = ocp.CheckpointManagerOptions(
            preservation_policy=_Preserve(keep, keep_best),
            best_fn=lambda metrics: metrics.get("score", 0.0),  # without it no metrics are kept
            create=not read_only,
            read_only=read_only,
        )
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        try:
            return ocp.CheckpointManager(
                self.path, item_names=("state", "meta"), options=self._options
            )
        except OSError as error:
            raise UserError(f"cannot open {self.path}: {error.strerror or error}") from error

    def steps(self) -> list[int]:
        """Steps of all complete checkpoints, the oldest first."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """Step of the newest complete checkpoint, or None."""
        return self._manager.latest_step()

    def save(
        self,
        step: int,
        state: Any,
        meta: dict[str, Any],
        *,
        planned: bool = True,
        score: float | None = None,
    ) -> None:
        """Starts saving; the arrays are copied before it returns.

        Args:
          step: of the run; one that was saved before is replaced.
          state: a tree of arrays, the same in every process.
          meta: ready for JSON.
          planned: by the run's steps, not by the clock or a signal.
          score: the higher the better, or None.

        Raises:
          UserError: an earlier save failed, or this one could not start.
        """
        metrics = {"planned": float(planned)} | ({} if score is None else {"score": score})
        try:
            if step in self._manager.all_steps():
                self._manager.wait_until_finished()
                self._manager.delete(step)
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.PyTreeSave(jax.tree.map(_savable, state)),
                    meta=ocp.args.JsonSave(meta),
                ),
                metrics=metrics,
            )
        except (OSError, ValueError) as error:
            raise self._cannot_save(error) from error

    def wait(self) -> None:
        """Returns when all saves are complete on disk; raises a UserError where one failed."""
        try:
            self._manager.wait_until_finished()
        except (OSError, ValueError) as error:
            raise self._cannot_save(error) from error

    @property
    def saving(self) -> bool:
        """Whether a save is still under way."""
        return self._manager.is_saving_in_progress()

    def recover(self) -> None:
        """After a save that failed: gives back the room that it took, and is as new."""
        with contextlib.suppress(OSError, ValueError):
            self._manager.close()
        if jax.process_index() == 0:
            for rest in self.path.glob("*.orbax-checkpoint-tmp*"):
                shutil.rmtree(rest, ignore_errors=True)
        self._manager = self._open()

    def drop_after(self, step: int) -> None:
        """Deletes the checkpoints of later steps."""
        for later in self.steps():
            if later > step:
                self._manager.delete(later)

    def set_aside(self, step: int) -> Path:
        """Moves a damaged checkpoint out of the way, beside the others; returns where it is now."""
        place = self.path.parent / DAMAGED / str(step)
        if jax.process_index() == 0:
            try:
                place.parent.mkdir(exist_ok=True)
                shutil.rmtree(place, ignore_errors=True)
                (self.path / str(step)).rename(place)
            except OSError as error:
                raise UserError(
                    f"cannot move the damaged {self.path / str(step)}: {reason(error)}"
                ) from error
        if jax.process_count() > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices(f"set aside {step}")
        self._manager.reload()
        return place

    def meta(self, step: int) -> dict[str, Any]:
        """What the checkpoint says of itself."""
        restored = self._restore(step, meta=ocp.args.JsonRestore())
        return restored["meta"]

    def shapes(self, step: int) -> dict[str, Any]:
        """The tree of a checkpoint's arrays as `jax.ShapeDtypeStruct`; none of them is read.

        Raises:
          UserError: the checkpoint is damaged.
        """
        with closing(ocp.PyTreeCheckpointHandler()) as handler:
            try:
                tree = handler.metadata(self.path / str(step) / "state").tree
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise self._cannot_read(step, error) from error
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)

    def restore(self, step: int, like: Any) -> Any:
        """The arrays of a checkpoint.

        Args:
          step: a step that was saved.
          like: a tree of arrays or shapes. Where it is a dict it may lack branches of what was
            saved, which are then not read.

        Returns:
          A tree of NumPy arrays with the structure of `like`.

        Raises:
          UserError: the checkpoint is damaged or holds other shapes.
          UsageError: it lacks something, as one of another version of this package may.
        """
        # Orbax would leave what is not there as it finds it in the memory.
        held = set(_names(self.shapes(step)))
        missing = [name for name in _names(like) if name not in held]
        if missing:
            raise UsageError(
                f"checkpoint {step} in {self.path} has no {missing[0]}, so it is of another "
                "version of this package: choose another --workdir, and go on from its weights "
                "with --config.train.start_from"
            )
        shapes = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), like)
        arguments = ocp.args.PyTreeRestore(
            item=shapes,
            restore_args=jax.tree.map(lambda a: ocp.RestoreArgs(restore_type=np.ndarray), shapes),
            partial_restore=True,
        )
        return self._restore(step, state=arguments)["state"]

    def close(self) -> None:
        """Waits for saves and releases the folder; raises a UserError where one failed."""
        try:
            self._manager.close()
        except (OSError, ValueError) as error:
            raise self._cannot_save(error) from error

    def _cannot_save(self, error: Exception) -> UserError:
        return UserError(f"cannot save a checkpoint in {self.path}: {_reason(error)}")

    def _restore(self, step: int, **items: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._cannot_read(step, error) from error

    def _cannot_read(self, step: int, error: Exception) -> UserError:
        return UserError(
            f"cannot read checkpoint {step} in {self.path}, which is damaged or incomplete: "
            f"{_reason(error)}"
        )


def _savable(array: Any) -> Any:
    """The array itself where its parts lie in several processes, else its numbers."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        return array
    return np.asarray(array)


def _reason(error: Exception) -> str:
    """The cause alone: TensorStore adds everything that it was configured with."""
    text = str(error)
    for words in ("No space left on device", "Disk quota exceeded", "checksum verification failed"):
        if words in text:
            return words[:1].lower() + words[1:]
    if "OUT_OF_RANGE" in text:
        return "a file is shorter than it should be"
    return reason(error)[:200]


def _names(tree: Any) -> list[str]:
    """Where leaves stand, whether in dicts, in tuples with names, or in others."""
    return [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    ]
