"""The generator that a training run has reached."""

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deblur_jax.errors import UserError
from deblur_jax.models import GeneratorConfig, init_generator
from deblur_jax.models.generator import init_stats
from deblur_jax.weights.checkpoints import FOLDER, Checkpoints
from deblur_jax.weights.registry import Weights


def load_workdir(workdir: str | Path) -> Weights:
    """The weights of a run's latest checkpoint, averaged where the run keeps an average.

    Raises:
      UserError: the folder is no workdir, or has no complete checkpoint.
    """
    if not (Path(workdir) / FOLDER).is_dir():
        raise UserError(f"{workdir} is not the workdir of a training run: it has no {FOLDER}/")
    checkpoints = Checkpoints(workdir, read_only=True)
    try:
        return _load(checkpoints, Path(workdir))
    finally:
        checkpoints.close()


def _load(checkpoints: Checkpoints, workdir: Path) -> Weights:
    step = checkpoints.latest()
    if step is None:
        raise UserError(f"{workdir} has no complete checkpoint yet")
    meta = checkpoints.meta(step)
    try:
        config = GeneratorConfig.from_dict(meta["generator"])
        branch = "average" if meta["averaged"] else "generator"
    except (KeyError, TypeError, UserError) as error:
        raise UserError(
            f"checkpoint {step} of {workdir} describes no generator: {error}"
        ) from error
    like: dict[str, Any] = {
        branch: jax.eval_shape(lambda: init_generator(jax.random.key(0), config)),
        "batch_stats": init_stats(config),
    }
    if not like["batch_stats"]:
        del like["batch_stats"]
    state = checkpoints.restore(step, like)
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(state):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    name = f"{workdir.resolve().name}@{step}"
    card = {"step": step, "averaged": meta["averaged"]}
    return Weights(
        name, digest.hexdigest(), config, state[branch], state.get("batch_stats", {}), card
    )
