"""Checkpoints of a training run, by Orbax; the one file that knows it.

A checkpoint holds two items: `state`, a tree of arrays, and `meta`, JSON that says which generator
the arrays belong to. Saving is asynchronous and atomic: one that was cut off is not listed.
"""

from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError

FOLDER = "checkpoints"


class Checkpoints:
    """The checkpoints of one workdir."""

    def __init__(self, workdir: str | Path, *, keep: int = 3, read_only: bool = False) -> None:
        """Opens, or makes, `workdir/checkpoints`.

        Args:
          workdir: the run's folder.
          keep: how many of the latest checkpoints stay.
          read_only: never writes; the folder must exist.

        Raises:
          UserError: the folder is missing or cannot be made.
        """
        self.path = Path(workdir).resolve() / FOLDER
        if read_only and not self.path.is_dir():
            raise UserError(f"{workdir} has no checkpoints")
        try:
            self._manager = ocp.CheckpointManager(
                self.path,
                item_names=("state", "meta"),
                options=ocp.CheckpointManagerOptions(
                    preservation_policy=ocp.checkpoint_managers.LatestN(keep),
                    create=not read_only,
                    read_only=read_only,
                ),
            )
        except OSError as error:
            raise UserError(f"cannot open {self.path}: {error.strerror or error}") from error

    def latest(self) -> int | None:
        """Step of the newest complete checkpoint, or None."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any, meta: dict[str, Any]) -> None:
        """Starts saving; the arrays are copied before it returns.

        Raises:
          UserError: an earlier save failed, or this one could not start.
        """
        try:
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.PyTreeSave(jax.tree.map(np.asarray, state)),
                    meta=ocp.args.JsonSave(meta),
                ),
            )
        except (OSError, ValueError) as error:
            raise self._cannot_save(error) from error

    def wait(self) -> None:
        """Returns when all saves are complete on disk; raises a UserError where one failed."""
        try:
            self._manager.wait_until_finished()
        except (OSError, ValueError) as error:
            raise self._cannot_save(error) from error

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
        """
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


def _reason(error: Exception) -> str:
    """The cause alone: TensorStore adds everything that it was configured with."""
    text = str(error)
    for words in ("No space left on device", "Disk quota exceeded", "checksum verification failed"):
        if words in text:
            return words[:1].lower() + words[1:]
    return reason(error)[:200]
