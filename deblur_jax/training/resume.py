"""Where a run goes on: its newest checkpoint that can be read, and the data after it."""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax

from deblur_jax.atomic import reason
from deblur_jax.data.training_set import TrainingSet
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.training.feed import Feed
from deblur_jax.training.health import healthy
from deblur_jax.training.recipe import CRITIC
from deblur_jax.training.state import TrainState
from deblur_jax.weights.checkpoints import Checkpoints

CONFIG = "config.json"


class Saved(NamedTuple):
    """A checkpoint that could be read: its step, the state, and what it says of itself."""

    step: int
    state: TrainState
    meta: dict[str, Any]


def restore(checkpoints: Checkpoints, step: int, like: TrainState) -> Saved:
    """Reads one checkpoint; UserError if it is damaged."""
    meta = checkpoints.meta(step)
    wanted = like._asdict()
    if "health" not in checkpoints.shapes(step):  # from before steps could be left out
        del wanted["health"]
    state = checkpoints.restore(step, wanted)
    return Saved(step, TrainState(**({"health": healthy()} | state)), meta)


def newest(checkpoints: Checkpoints, like: TrainState) -> Saved | None:
    """The newest checkpoint that can be read; None where there is none at all.

    A damaged one is named and put aside, and the one before it is taken.

    Raises:
      UserError: all of them are damaged.
      UsageError: the newest is of another version of this package.
    """
    steps = checkpoints.steps()
    for step in reversed(steps):
        try:
            saved = restore(checkpoints, step, like)
        except UsageError:  # whole, but of another version
            raise
        except UserError as error:
            if step == steps[0]:
                raise
            place = checkpoints.set_aside(step)
            if jax.process_index() == 0:
                print(
                    f"warning: {error}; it is in {place} now, and the one before it is taken",
                    file=sys.stderr,
                    flush=True,
                )
        else:
            return saved
    return None


def last_planned(checkpoints: Checkpoints, like: TrainState) -> Saved | None:
    """The newest checkpoint that the run's steps called for, not the clock or a signal."""
    for step in reversed(checkpoints.steps()):
        saved = restore(checkpoints, step, like)
        if saved.meta.get("planned", True):
            return saved
    return None


def check_workdir(workdir: Path, config: Any) -> None:
    """Raises a UsageError where the workdir's run has another network or optimizer."""
    path = workdir / CONFIG
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text())
        check_config(before, config, str(workdir))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"cannot read {path}, which says what network the run has: {reason(error)}"
        ) from error


def check_config(before: dict[str, Any], config: Any, name: str) -> None:
    """Raises a UsageError where a run with the configuration `before` cannot go on with `config`.

    KeyError, TypeError or ValueError where `before` is no configuration.
    """
    _check_model(dict(before["model"]), config, name)
    was, wanted = dict(before["train"]).get("optimizer", "adam"), config.train.optimizer
    if was != wanted:
        raise UsageError(
            f"{name} was trained with train.optimizer = {was!r}, whose state {wanted!r} cannot go "
            "on from: choose another --workdir or the same optimizer"
        )


def _check_model(before: dict[str, Any], config: Any, name: str) -> None:
    now = json.loads(json.dumps(config.model.to_dict()))
    # A run from before a field existed had what is now its default.
    usual = GeneratorConfig().to_dict()
    usual |= {f"{CRITIC}{name}": value for name, value in CriticConfig().to_dict().items()}
    for field in sorted(set(before) | set(now)):
        was, wanted = (model.get(field, usual.get(field)) for model in (before, now))
        if was != wanted:
            raise UsageError(
                f"{name} was trained with model.{field} = {was!r}, not {wanted!r}: "
                "choose another --workdir or the same network"
            )


def check_checkpoint(checkpoints: Checkpoints, step: int, config: Any) -> None:
    """The same for what a checkpoint says of itself, which holds wherever it was copied to."""
    try:
        meta = checkpoints.meta(step)
    except UserError:
        return  # it is damaged: `newest` says so
    if "config" in meta:
        check_config(meta["config"], config, f"checkpoint {step} of {checkpoints.path}")


def next_sample(meta: dict[str, Any], data: TrainingSet, config: Any, feed: Feed, done: int) -> int:
    """Number of the first sample after a checkpoint, which says where its iterator stood."""
    saved = meta.get("data")
    if saved is None:  # a checkpoint from before this was kept
        pretrain = min(done, pretrain_steps(config))
        return pretrain * feed.samples(True) + (done - pretrain) * feed.samples(False)
    if saved["fingerprint"] != data.store.fingerprint and jax.process_index() == 0:
        print(
            f"the pairs are not those that the run had before step {done}: it goes on with these",
            flush=True,
        )
    return int(saved["sample"])


def pretrain_steps(config: Any) -> int:
    """Steps without a critic at the start of the run."""
    return config.train.pretrain_generator_steps if config.loss.adversarial_weight else 0
