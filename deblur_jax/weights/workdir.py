"""The generator and the critic that a training run has reached."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError
from deblur_jax.models import CriticConfig, GeneratorConfig, init_critic, init_generator
from deblur_jax.models.generator import init_stats
from deblur_jax.weights import tensor_file
from deblur_jax.weights.checkpoints import FOLDER, Checkpoints
from deblur_jax.weights.registry import CriticWeights, Weights

CONFIG = "config.json"  # a run's whole configuration
_CRITIC = "critic_"  # what fields of its `model` begin with that are the critic's alone
_SHARED = ("norm_epsilon", "norm_momentum", "init")  # that both networks have in common
_PERCEPTUAL = ("perceptual", "vgg", "vgg_source")  # fields of the configuration's `loss`

_Loaded = TypeVar("_Loaded", Weights, CriticWeights)


def load_workdir(workdir: str | Path) -> Weights:
    """The weights of a run's latest checkpoint, averaged where the run keeps an average.

    Raises:
      UserError: the folder is no workdir, or has no complete checkpoint.
    """
    return _from_latest(Path(workdir), _load)


def load_workdir_critic(workdir: str | Path) -> CriticWeights:
    """The critic of a run's latest checkpoint, in the shape that the run's `config.json` gives it.

    Raises:
      UserError: the folder is no workdir, has no complete checkpoint, or its run trains no critic.
    """
    return _from_latest(Path(workdir), _load_critic)


def _from_latest(workdir: Path, load: Callable[[Checkpoints, int, Path], _Loaded]) -> _Loaded:
    if not (workdir / FOLDER).is_dir():
        raise UserError(f"{workdir} is not the workdir of a training run: it has no {FOLDER}/")
    checkpoints = Checkpoints(workdir, read_only=True)
    try:
        step = checkpoints.latest()
        if step is None:
            raise UserError(f"{workdir} has no complete checkpoint yet")
        return load(checkpoints, step, workdir)
    finally:
        checkpoints.close()


def _load(checkpoints: Checkpoints, step: int, workdir: Path) -> Weights:
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
    card = {"step": step, "averaged": meta["averaged"]} | _trained_by(workdir / CONFIG)
    return Weights(
        _name(workdir, step),
        _digest(state),
        config,
        state[branch],
        state.get("batch_stats", {}),
        card,
    )


def _trained_by(path: Path) -> dict[str, Any]:
    """What a run's configuration says of where the weights come from, as far as it says it.

    `preset`: its name; `loss`: the perceptual term, {"perceptual": distance of features, "vgg",
    "vgg_source": whose weights, "weight"}, the first three null where the weight is 0.
    """
    try:
        config = json.loads(path.read_bytes())
        preset, loss = config.get("preset"), config.get("loss", {})
        weight = loss.get("perceptual_weight")
        words = {key: loss.get(key) if weight else None for key in _PERCEPTUAL}
    except (OSError, ValueError, AttributeError):
        return {}  # the weights are whole without it
    said = {} if preset is None else {"preset": preset}
    return said if weight is None else said | {"loss": words | {"weight": weight}}


def _load_critic(checkpoints: Checkpoints, step: int, workdir: Path) -> CriticWeights:
    held = checkpoints.shapes(step).get("critic")
    if not held:
        raise UserError(
            f"{workdir} has no critic: its run trains none, as loss.adversarial_weight is 0"
        )
    config = _critic_config(workdir / CONFIG)
    wanted = jax.eval_shape(lambda: init_critic(jax.random.key(0), config))
    # The configuration lies beside the checkpoint, not in it: the two can differ.
    tensor_file.check_tree(held, wanted, f"checkpoint {step} of {workdir}", "critic")
    params = checkpoints.restore(step, {"critic": wanted})["critic"]
    return CriticWeights(_name(workdir, step), _digest(params), config, params, {"step": step})


def _critic_config(path: Path) -> CriticConfig:
    try:
        model = dict(json.loads(path.read_bytes())["model"])
        own = {k.removeprefix(_CRITIC): v for k, v in model.items() if k.startswith(_CRITIC)}
        return CriticConfig.from_dict(own | {k: model[k] for k in _SHARED if k in model})
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    except (ValueError, KeyError, TypeError, UserError) as error:
        raise UserError(f"{path} describes no critic: {reason(error)}") from error


def _name(workdir: Path, step: int) -> str:
    return f"{workdir.resolve().name}@{step}"


def _digest(tree: Any) -> str:
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
