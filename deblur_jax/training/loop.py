"""A training run: set up or resume, step, log, save, and stop in good order."""

import json
import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deblur_jax import compiler
from deblur_jax.atomic import reason, write_text
from deblur_jax.data import training_set
from deblur_jax.data.store import Store
from deblur_jax.data.training_set import TrainingSet
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import CriticConfig, GeneratorConfig, apply_generator, size_multiple
from deblur_jax.training import balance
from deblur_jax.training.feed import Feed
from deblur_jax.training.guards import Watch
from deblur_jax.training.recipe import CRITIC, make_recipe
from deblur_jax.training.start import start_state
from deblur_jax.training.state import Recipe, TrainState, init_state
from deblur_jax.training.validation import Validation
from deblur_jax.training.writers import Writers, versions
from deblur_jax.weights.checkpoints import Checkpoints

CONFIG = "config.json"
# Seconds of steps that are given to the device at once: a signal waits for their end.
CHUNK_SECONDS = 2.0


def train(config: Any, workdir: str | Path) -> int:
    """Trains until `config.train.steps`, going on from the workdir's latest checkpoint.

    Args:
      config: a configuration as `configs/default.py` describes it.
      workdir: folder of the run; made if missing.

    Returns:
      0, or 143 and 130 after SIGTERM and SIGINT: the state was saved.

    Raises:
      UserError: the data or the disk is at fault, or the loss is not finite any more.
      UsageError: the configuration is, or the workdir holds a run of another network.
    """
    workdir = Path(workdir)
    recipe = make_recipe(config)
    with closing(Checkpoints(workdir, keep=config.train.keep_checkpoints)) as checkpoints:
        return _train(config, recipe, workdir, checkpoints)


def _train(config: Any, recipe: Recipe, workdir: Path, checkpoints: Checkpoints) -> int:
    done = checkpoints.latest() or 0
    if done:  # a run that never saved binds nobody to its network
        check_workdir(workdir, config)
    if done >= config.train.steps:
        print(f"nothing to do: {workdir} has its {config.train.steps} steps already", flush=True)
        return 0
    # Before the training pairs, which take longer to decode: what is wrong is said early.
    balance.logged(workdir, config)
    if done:
        state = init_state(jax.random.key(config.seed), recipe)
    else:
        state = start_state(config, recipe)
    held_out = training_set.validation_pairs(
        config.data,
        size_multiple(recipe.generator),
        report=lambda line: print(f"validation: {line}", flush=True),
    )
    data = _training_set(config)
    feed = _feed(config, recipe, data)
    write_text(workdir / CONFIG, json.dumps(config.to_dict(), indent=2) + "\n")
    write_text(workdir / "versions.json", json.dumps(versions(), indent=2) + "\n")
    sample = 0
    if done:
        state = checkpoints.restore(done, state._asdict())
        state = TrainState(**state)
        print(f"resuming {workdir} at step {done}", flush=True)
        sample = _next_sample(checkpoints.meta(done), data, config, feed, done)
    with closing(Writers(workdir, done)) as writers:
        fingerprint = data.store.fingerprint
        run = _Run(config, recipe, workdir, feed, held_out, checkpoints, writers, fingerprint)
        return run.go(state, done, sample)


def check_workdir(workdir: Path, config: Any) -> None:
    """Raises a UsageError where the workdir's run has another network than `config`."""
    path = workdir / CONFIG
    if not path.exists():
        return
    try:
        before = dict(json.loads(path.read_text())["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"cannot read {path}, which says what network the run has: {reason(error)}"
        ) from error
    now = json.loads(json.dumps(config.model.to_dict()))
    # A run from before a field existed had what is now its default.
    usual = GeneratorConfig().to_dict()
    usual |= {f"{CRITIC}{name}": value for name, value in CriticConfig().to_dict().items()}
    for field in sorted(set(before) | set(now)):
        was, wanted = (model.get(field, usual.get(field)) for model in (before, now))
        if was != wanted:
            raise UsageError(
                f"{workdir} was trained with model.{field} = {was!r}, not {wanted!r}: "
                "choose another --workdir or the same network"
            )


def _training_set(config: Any) -> TrainingSet:
    """Decodes the pairs that the configuration names."""
    data = config.data
    if data.placement not in ("host", "device"):
        raise UsageError(f"data.placement is {data.placement!r}; it can be host, device")
    return training_set.gather(
        data,
        seed=config.seed,
        report=lambda line: print(line, flush=True),
    )


def _feed(config: Any, recipe: Recipe, data: TrainingSet) -> Feed:
    """Makes steps with their data ready, on the device if that is wanted and they fit."""
    feed = Feed(config, recipe, data)
    refused = feed.place() if config.data.placement == "device" else None
    if refused:
        print(refused, flush=True)
    return feed


def _next_sample(
    meta: dict[str, Any], data: TrainingSet, config: Any, feed: Feed, done: int
) -> int:
    """Number of the first sample after a checkpoint, which says where its iterator stood."""
    saved = meta.get("data")
    if saved is None:  # a checkpoint from before this was kept
        pretrain = min(done, _pretrain_steps(config))
        return pretrain * feed.samples(True) + (done - pretrain) * feed.samples(False)
    if saved["fingerprint"] != data.store.fingerprint:
        print(
            f"the pairs are not those that the run had before step {done}: it goes on with these",
            flush=True,
        )
    return int(saved["sample"])


def _pretrain_steps(config: Any) -> int:
    """Steps without a critic at the start of the run."""
    return config.train.pretrain_generator_steps if config.loss.adversarial_weight else 0


class _Run:
    """The loop around the steps."""

    def __init__(
        self,
        config: Any,
        recipe: Recipe,
        workdir: Path,
        feed: Feed,
        held_out: Store | None,
        checkpoints: Checkpoints,
        writers: Writers,
        fingerprint: str,
    ) -> None:
        self._config, self._recipe, self._workdir = config, recipe, workdir
        self._fingerprint = fingerprint
        self._feed, self._checkpoints, self._writers = feed, checkpoints, writers
        self._last = config.train.steps
        self._balance = balance.logged(workdir, config)
        self._watch = Watch()
        self._preview = feed.preview()
        self._restore = compiler.jit(
            lambda params, stats, x: apply_generator(
                params, x, recipe.generator, batch_stats=stats or None, dtype=recipe.dtype
            )
        )
        self._validation = None
        if held_out is not None:
            self._validation = Validation(held_out, recipe.generator, recipe.dtype)

    def go(self, state: TrainState, done: int, sample: int) -> int:
        """Makes all steps from `done` on, whose first sample has a number; returns the exit code.

        Args:
          state: after `done` steps.
          done: steps that are made already.
          sample: number of the next step's first sample.
        """
        self._writers.layers(done, {"generator": state.generator} | (
            {"critic": state.critic} if self._recipe.adversarial else {}
        ))  # fmt: skip
        pretrain = _pretrain_steps(self._config)
        with _signals() as caught:
            for start, stop, alone in (
                (0, min(pretrain, self._last), True),
                (pretrain, self._last, False),
            ):
                if max(start, done) < stop:
                    state, done, sample = self._phase(state, done, stop, sample, alone, caught)
                if caught:
                    break
        self._save(state, done, sample)
        self._checkpoints.wait()
        if caught:
            name = signal.Signals(caught[0]).name
            print(f"{name}: saved at step {done} of {self._last} in {self._workdir}", flush=True)
            return 128 + caught[0]
        print(f"done: {done} steps, in {self._workdir}", flush=True)
        return 0

    def _phase(
        self,
        state: TrainState,
        done: int,
        stop: int,
        sample: int,
        alone: bool,
        caught: list[int],
    ) -> tuple[TrainState, int, int]:
        """Steps of one kind; returns the state, the steps done, and the next sample's number."""
        train = self._config.train
        advance = self._feed.phase(done, stop, sample, alone)
        clock, since, pace = time.perf_counter(), done, math.inf
        while done < stop and not caught:
            count = self._count(done, stop, pace)
            begun = time.perf_counter()
            state, scalars = advance(state, count)
            if self._feed.on_device:
                jax.block_until_ready(scalars)
                pace = min(pace, (time.perf_counter() - begun) / count)
            done += count
            sample += count * self._feed.samples(alone)
            if done % train.log_every == 0 or done in (1, stop):
                values = {name: float(value) for name, value in scalars.items()}
                seconds = time.perf_counter() - clock
                self._log(state, done, values, (done - since) / seconds)
                clock, since = time.perf_counter(), done
            if done % train.checkpoint_every == 0 and done < self._last:
                self._save(state, done, sample)
        return state, done, sample

    def _count(self, done: int, stop: int, pace: float) -> int:
        """Steps to make at once: up to the next one that is logged or saved, but not for long."""
        train = self._config.train
        due = [every - done % every for every in (train.log_every, train.checkpoint_every)]
        nearest = min(*due, stop - done, 1 if done == 0 else stop)
        return max(1, min(nearest, int(CHUNK_SECONDS / pace)))

    def _log(self, state: TrainState, step: int, values: dict[str, float], rate: float) -> None:
        lost = [name for name, value in values.items() if "loss" in name and not np.isfinite(value)]
        if lost:
            saved = self._checkpoints.latest()
            raise UserError(
                f"{lost[0]} is not finite at step {step}; "
                f"the latest checkpoint is of step {saved or 0}"
            )
        due = lambda every: every and (step % every == 0 or step == self._last)  # noqa: E731
        params = state.average if self._recipe.average_decay else state.generator
        if self._validation and due(self._config.train.validate_every):
            values |= self._validation.scores(params, state.batch_stats)
        often = self._config.train.images_every
        if often and (due(often) or step == 1):
            self._show(params, state.batch_stats, step)
        values |= self._balance
        values["time/steps_per_second"] = rate
        values["time/images_per_second"] = rate * self._config.train.batch_size
        self._writers.scalars(step, values)
        left = time.strftime("%H:%M:%S", time.gmtime((self._last - step) / max(rate, 1e-9)))
        score = (
            f"  validation {values['validation/psnr']:.3f} dB"
            if "validation/psnr" in values
            else ""
        )
        print(
            f"step {step}/{self._last}  loss {values['loss/generator']:.5f}  "
            f"psnr {values['psnr/restored']:.2f} ({values['psnr/blurred']:.2f} blurred){score}  "
            f"{values['time/images_per_second']:.1f} images/s  {left} left",
            flush=True,
        )
        for warning in self._watch.look(step, values):
            print(f"warning: {warning}", file=sys.stderr, flush=True)

    def _show(self, params: Any, batch_stats: Any, step: int) -> None:
        """Blurred, restored and sharp side by side, for TensorBoard."""
        blurred, sharp = self._preview["blurred"], self._preview["sharp"]
        restored = np.asarray(self._restore(params, batch_stats, blurred))
        row = np.concatenate([blurred, restored, sharp], axis=2)
        self._writers.images(step, {"blurred_restored_sharp": row / 2 + 0.5})

    def _save(self, state: TrainState, step: int, sample: int) -> None:
        meta = {
            "generator": self._recipe.generator.to_dict(),
            "averaged": bool(self._recipe.average_decay),
            # All that the data's iterator is: where it stands, and over what.
            "data": {"sample": sample, "fingerprint": self._fingerprint},
        }
        self._writers.flush()
        self._checkpoints.save(step, state._asdict(), meta)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Notes SIGTERM and SIGINT in the list it gives, instead of letting them end the process."""
    caught: list[int] = []
    handled = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in handled}

    def note(number: int, frame: Any) -> None:
        caught.append(number)
        signal.signal(number, before[signal.Signals(number)])  # a second one ends it at once

    try:
        for number in handled:
            signal.signal(number, note)
    except ValueError:  # not in the main thread: then nobody sends us signals
        before = {}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
