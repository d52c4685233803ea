"""A training run: set up or resume, step, log, save, and stop in good order."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deblur_jax import compiler
from deblur_jax.atomic import reason, write_text
from deblur_jax.data import resident, training_set
from deblur_jax.data.pairs import find_pairs
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import apply_generator, size_multiple
from deblur_jax.training.feed import Feed, Step
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.state import Recipe, TrainState, init_state
from deblur_jax.training.validation import Validation
from deblur_jax.training.writers import Writers, versions
from deblur_jax.weights.checkpoints import Checkpoints

CONFIG = "config.json"


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
    checkpoints = Checkpoints(workdir, keep=config.train.keep_checkpoints)
    done = checkpoints.latest() or 0
    if done:  # a run that never saved binds nobody to its network
        check_workdir(workdir, config)
    if done >= config.train.steps:
        print(f"nothing to do: {workdir} has its {config.train.steps} steps already", flush=True)
        return 0
    feed = _feed(config, recipe)
    write_text(workdir / CONFIG, json.dumps(config.to_dict(), indent=2) + "\n")
    write_text(workdir / "versions.json", json.dumps(versions(), indent=2) + "\n")
    state = init_state(jax.random.key(config.seed), recipe)
    if done:
        state = checkpoints.restore(done, state._asdict())
        state = TrainState(**state)
        print(f"resuming {workdir} at step {done}", flush=True)
    writers = Writers(workdir, done)
    run = _Run(config, recipe, workdir, feed, checkpoints, writers)
    try:
        return run.go(state, done)
    finally:
        try:
            writers.close()
        finally:
            checkpoints.close()


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
    for field in sorted(set(before) | set(now)):
        if before.get(field) != now.get(field):
            raise UsageError(
                f"{workdir} was trained with model.{field} = {before.get(field)!r}, not "
                f"{now.get(field)!r}: choose another --workdir or the same network"
            )


def _feed(config: Any, recipe: Recipe) -> Feed:
    """Reads the data that the configuration names and makes steps ready for it."""
    data = config.data
    if data.placement not in ("host", "device"):
        raise UsageError(f"data.placement is {data.placement!r}; it can be host, device")
    if data.placement == "host":
        if not data.pairs:
            raise UsageError("data.pairs names no folder: give one, or data.placement='device'")
        return Feed(config, recipe, find_pairs(data.pairs))
    feed = Feed(config, recipe, None)
    root = Path(data.root).expanduser()
    # A folder of the user's own takes the place of everything that the preset would train on.
    own = bool(data.pairs)
    bundled = data.photographs == "scikit-image"
    pairs, repeats = training_set.gather(
        folders=[(data.pairs, 1)]
        if own
        else [(root / name, times) for name, times in data.mixture],
        photographs=data.photographs if bundled else root / data.photographs,
        synthetic=0 if own else data.synthetic,
        synthetic_size=data.synthetic_size,
        camera_share=data.camera_share,
        trajectory_share=data.trajectory_share,
        crop=data.crop,
        seed=config.seed,
        match_means=data.match_means,
        report=lambda line: print(line, flush=True),
    )
    if not pairs:
        raise UsageError("data.pairs names no folder, and this preset has no data of its own")
    feed.place(resident.pack(pairs, repeats))
    return feed


class _Run:
    """The loop around the steps."""

    def __init__(
        self,
        config: Any,
        recipe: Recipe,
        workdir: Path,
        feed: Feed,
        checkpoints: Checkpoints,
        writers: Writers,
    ) -> None:
        self._config, self._recipe, self._workdir = config, recipe, workdir
        self._feed, self._checkpoints, self._writers = feed, checkpoints, writers
        self._last = config.train.steps
        self._preview = feed.preview()
        self._restore = compiler.jit(
            lambda params, stats, x: apply_generator(
                params, x, recipe.generator, batch_stats=stats or None, dtype=recipe.dtype
            )
        )
        self._validation = None
        folder = training_set.validation_folder(config.data)
        if folder is not None:
            held_out = training_set.read_pairs(folder, crop=size_multiple(recipe.generator))
            self._validation = Validation(held_out, recipe.generator, recipe.dtype)

    def go(self, state: TrainState, done: int) -> int:
        """Makes all steps from `done` on; returns the exit code."""
        self._writers.layers(done, {"generator": state.generator} | (
            {"critic": state.critic} if self._recipe.adversarial else {}
        ))  # fmt: skip
        pretrain = self._config.train.pretrain_generator_steps if self._recipe.adversarial else 0
        with _signals() as caught:
            for start, stop, alone in (
                (0, min(pretrain, self._last), True),
                (pretrain, self._last, False),
            ):
                if max(start, done) < stop:
                    step = self._feed.phase(max(start, done), stop, alone)
                    state, done = self._phase(state, max(start, done), stop, step, caught)
                if caught:
                    break
        self._save(state, done)
        self._checkpoints.wait()
        if caught:
            name = signal.Signals(caught[0]).name
            print(f"{name}: saved at step {done} of {self._last} in {self._workdir}", flush=True)
            return 128 + caught[0]
        print(f"done: {done} steps, in {self._workdir}", flush=True)
        return 0

    def _phase(
        self, state: TrainState, done: int, stop: int, step: Step, caught: list[int]
    ) -> tuple[TrainState, int]:
        train = self._config.train
        clock, since = time.perf_counter(), done
        while done < stop and not caught:
            state, scalars = step(state)
            done += 1
            if done % train.log_every == 0 or done in (1, stop):
                values = {name: float(value) for name, value in scalars.items()}
                seconds = time.perf_counter() - clock
                self._log(state, done, values, (done - since) / seconds)
                clock, since = time.perf_counter(), done
            if done % train.checkpoint_every == 0 and done < self._last:
                self._save(state, done)
        return state, done

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
        if due(self._config.train.images_every) or step == 1:
            self._show(params, state.batch_stats, step)
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

    def _show(self, params: Any, batch_stats: Any, step: int) -> None:
        """Blurred, restored and sharp side by side, for TensorBoard."""
        blurred, sharp = self._preview["blurred"], self._preview["sharp"]
        restored = np.asarray(self._restore(params, batch_stats, blurred))
        row = np.concatenate([blurred, restored, sharp], axis=2)
        self._writers.images(step, {"blurred_restored_sharp": row / 2 + 0.5})

    def _save(self, state: TrainState, step: int) -> None:
        meta = {
            "generator": self._recipe.generator.to_dict(),
            "averaged": bool(self._recipe.average_decay),
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
