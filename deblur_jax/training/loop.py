"""A training run: set up or resume, step, log, save, go back, and stop in good order."""

import json
import math
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import jax

from deblur_jax.atomic import write_text
from deblur_jax.data import training_set
from deblur_jax.data.training_set import TrainingSet
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import size_multiple
from deblur_jax.training import balance, health, hosts, parallel, resume
from deblur_jax.training.console import Console
from deblur_jax.training.feed import Feed
from deblur_jax.training.profile import Profile
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.report import Report, Values
from deblur_jax.training.resume import CONFIG, check_workdir
from deblur_jax.training.saving import Saver
from deblur_jax.training.signals import Signals, Stopped
from deblur_jax.training.start import start_state
from deblur_jax.training.state import Recipe, TrainState, init_state
from deblur_jax.training.validation import Validation
from deblur_jax.training.writers import NoWriters, Writers, versions
from deblur_jax.weights.checkpoints import Checkpoints

# Seconds of steps that are given to the device at once: a signal waits for their end.
CHUNK_SECONDS = 2.0


class Place(NamedTuple):
    """How far a run is.

    Attributes:
      state: after `done` steps.
      done: steps that are made.
      sample: number of the next step's first sample.
      returns: how often the run has gone back to a checkpoint.
      best: PSNR of the best checkpoint on the held-out pairs, or None.
      unlogged: scalars of step `done` whose line a signal kept from being written, or None.
    """

    state: TrainState
    done: int
    sample: int
    returns: int = 0
    best: float | None = None
    unlogged: Values | None = None


def train(config: Any, workdir: str | Path, *, profile: bool = False) -> int:
    """Trains until `config.train.steps`, going on from the workdir's latest checkpoint.

    Args:
      config: a configuration as `configs/default.py` describes it.
      workdir: folder of the run; made if missing.
      profile: leaves a trace of a few steps in it.

    Returns:
      0, or 143 and 130 after SIGTERM and SIGINT: the state was saved.

    Raises:
      UserError: the data or the disk is at fault, or the losses are not finite any more.
      UsageError: the configuration is, or the workdir holds a run of another network.
    """
    workdir = Path(workdir)
    console = Console(quiet=not hosts.first())
    with Signals() as signals:
        try:
            recipe = make_recipe(config)
            keep = {"keep": config.train.keep_checkpoints, "keep_best": config.train.keep_best}
            with closing(Checkpoints(workdir, **keep)) as checkpoints, closing(console):
                return _train(config, recipe, workdir, checkpoints, signals, console, profile)
        except Stopped as stopped:
            name = signal.Signals(stopped.number).name
            console.line(f"{name}: the run had not begun to step, and stays as it was saved")
            return 128 + stopped.number


def _train(
    config: Any,
    recipe: Recipe,
    workdir: Path,
    checkpoints: Checkpoints,
    signals: Signals,
    console: Console,
    profile: bool,
) -> int:
    newest = checkpoints.latest() or 0
    if newest:  # a run that never saved binds nobody to its network
        check_workdir(workdir, config)
        resume.check_checkpoint(checkpoints, newest, config)
    if newest >= config.train.steps:
        console.line(f"nothing to do: {workdir} has its {config.train.steps} steps already")
        return 0
    # Before the training pairs, which take longer to decode: what is wrong is said early.
    constants = balance.logged(workdir, config)
    if newest:
        state = init_state(jax.random.key(config.seed), recipe)
        saved = resume.newest(checkpoints, state)
    else:
        saved, state = None, start_state(config, recipe)
    held_out = training_set.validation_pairs(
        config.data,
        size_multiple(recipe.generator),
        report=lambda line: console.line(f"validation: {line}"),
    )
    data = _training_set(config, console)
    feed = _feed(config, recipe, data, console)
    if hosts.first():
        write_text(workdir / CONFIG, json.dumps(config.to_dict(), indent=2) + "\n")
        write_text(workdir / "versions.json", json.dumps(versions(), indent=2) + "\n")
    place = Place(state, 0, 0)
    if saved:
        console.line(f"resuming {workdir} at step {saved.step}")
        sample = resume.next_sample(saved.meta, data, config, feed, saved.step)
        place = _place(saved, sample, int(saved.meta.get("returns", 0)))
    with closing(Writers(workdir, place.done) if hosts.first() else NoWriters()) as writers:
        validation = Validation(held_out, recipe.generator, recipe.dtype) if held_out else None
        report = Report(config, recipe, feed, validation, writers, console, constants)
        tracing = Profile(workdir, place.done, on=profile)
        about = {
            "generator": recipe.generator.to_dict(),
            "averaged": bool(recipe.average_decay),
            "config": json.loads(json.dumps(config.to_dict())),
            "versions": versions(),
        }
        saver = Saver(checkpoints)
        run = _Run(config, recipe, workdir, feed, data, checkpoints, saver, writers, report, about)
        return run.go(place, signals, console, tracing)


def _place(saved: resume.Saved, sample: int, returns: int) -> Place:
    meta = saved.meta
    return Place(saved.state, saved.step, sample, returns, meta.get("best"), meta.get("unlogged"))


def _training_set(config: Any, console: Console) -> TrainingSet:
    """Decodes the pairs that the configuration names."""
    data = config.data
    if data.placement not in ("host", "device"):
        raise UsageError(f"data.placement is {data.placement!r}; it can be host, device")
    return training_set.gather(data, seed=config.seed, report=console.line)


def _feed(config: Any, recipe: Recipe, data: TrainingSet, console: Console) -> Feed:
    """Makes steps with their data ready, on the device if that is wanted and they fit."""
    feed = Feed(config, recipe, data)
    refused = feed.place() if config.data.placement == "device" else None
    if refused:
        console.line(refused)
    return feed


class _Run:
    """The loop around the steps.

    What the loop does to the state depends on the numbers of steps alone, never on the clock or on
    how many steps the device is given at once: so an interrupted run ends in the same bits.
    """

    def __init__(
        self,
        config: Any,
        recipe: Recipe,
        workdir: Path,
        feed: Feed,
        data: TrainingSet,
        checkpoints: Checkpoints,
        saver: Saver,
        writers: Writers,
        report: Report,
        about: dict[str, Any],
    ) -> None:
        self._config, self._recipe, self._workdir = config, recipe, workdir
        self._feed, self._fingerprint = feed, data.store.fingerprint
        self._checkpoints, self._saver = checkpoints, saver
        self._writers, self._report, self._about = writers, report, about
        self._last = config.train.steps
        self._saved_at = time.monotonic()
        self._agreed = 0  # among several processes: the signal that one of them got

    def go(self, place: Place, signals: Signals, console: Console, tracing: Profile) -> int:
        """Makes all steps from a place on; returns the exit code."""
        self._console, self._signals, self._tracing = console, signals, tracing
        trees = {"generator": place.state.generator}
        trees |= {"critic": place.state.critic} if self._recipe.adversarial else {}
        self._writers.layers(place.done, trees)
        signals.noting = True
        if place.unlogged is not None:
            place = self._boundary(place, place.unlogged)
        pretrain = resume.pretrain_steps(self._config)
        while place.done < self._last and not self._caught():
            alone = place.done < pretrain
            place = self._phase(place, min(pretrain, self._last) if alone else self._last, alone)
        tracing.close()
        return self._end(place)

    def _end(self, place: Place) -> int:
        """Saves the last state, says how it ended, and gives the exit code."""
        done, caught = place.done, self._caught()
        if int(place.state.health["in_a_row"]) and done < self._last:
            kept = self._checkpoints.latest() or 0
            words = f"steps are being left out since: going on from step {kept} then"
        else:
            self._finish(place)
            words = f"saved at step {done} of {self._last}"
        if caught:
            self._console.line(f"{signal.Signals(caught).name}: {words} in {self._workdir}")
            return 128 + caught
        self._console.line(f"done: {done} steps, in {self._workdir}")
        return 0

    def _finish(self, place: Place) -> None:
        self._writers.flush()
        planned = self._planned(place.done)
        if place.unlogged is None and place.done in self._checkpoints.steps():
            self._saver.look(wait=True)
            if place.done in self._checkpoints.steps():
                return
        arguments = (
            place.done,
            parallel.savable(place.state._asdict()),
            self._meta(place, planned),
        )
        self._saver.finish(*arguments, planned=planned)

    def _phase(self, place: Place, stop: int, alone: bool) -> Place:
        """Steps of one kind up to `stop`, or until the run goes back or a signal comes."""
        train = self._config.train
        advance = self._feed.phase(place.done, stop, place.sample, alone)
        place = place._replace(state=parallel.unplaced(place.state))
        self._report.start(place.done)
        start, pace = place.done, math.inf
        blocking = self._feed.on_device or jax.process_count() > 1
        while place.done < stop and not self._caught():
            count = self._count(place.done, start, stop, pace)
            begun = time.perf_counter()
            state, scalars = advance(place.state, count)
            if blocking:
                jax.block_until_ready(scalars)
                pace = min(pace, (time.perf_counter() - begun) / count)
            sample = place.sample + count * self._feed.samples(alone)
            place = place._replace(state=state, done=place.done + count, sample=sample)
            pace, timed = self._agree(pace)
            traced = self._tracing.look(place.done)
            if traced:
                self._console.line(traced)
            self._report.progress(place.done)
            if place.done % train.log_every == 0 or place.done in (1, stop):
                values = {name: float(value) for name, value in scalars.items()}
                if values[health.IN_A_ROW] >= train.most_left_out:
                    return self._go_back(place, values)
                place = self._boundary(place, values)
                if place.unlogged is not None:
                    return place
            elif place.done % train.checkpoint_every == 0:
                self._save(place, planned=True)
            elif timed or self._saver.due():
                self._save(place, planned=False)
        return place

    def _agree(self, pace: float) -> tuple[float, bool]:
        """The pace, and whether it is time to save, the same in all processes; signals, too."""
        minutes = self._config.train.checkpoint_minutes
        timed = bool(minutes) and time.monotonic() - self._saved_at > 60 * minutes
        if jax.process_count() == 1:
            return pace, timed
        caught, pace, late = hosts.largest([self._signals.caught, pace, timed])
        self._agreed = int(caught)
        return pace, bool(late)

    def _caught(self) -> int:
        """The signal to end at: what this process got, or what all of them have agreed on."""
        return self._signals.caught if jax.process_count() == 1 else self._agreed

    def _count(self, done: int, start: int, stop: int, pace: float) -> int:
        """Steps to make at once: up to the next one that is logged or saved, but not for long."""
        train = self._config.train
        due = [every - done % every for every in (train.log_every, train.checkpoint_every)]
        due.append(self._tracing.due(done))
        # The first call of a kind compiles, and tells nothing of the pace.
        nearest = min(*due, stop - done, 1 if done in (0, start) else stop)
        return max(1, min(nearest, int(CHUNK_SECONDS / pace)))

    def _boundary(self, place: Place, values: Values) -> Place:
        """What is due at a step that is logged: the line, and a checkpoint."""
        written = self._report.log(place.state, place.done, values, self._signals)
        if written is None:
            return place._replace(unlogged=values)
        again, place = place.unlogged is not None, place._replace(unlogged=None)
        score = written.get("validation/psnr")
        best = score is not None and score > (-math.inf if place.best is None else place.best)
        place = place._replace(best=score if best else place.best)
        planned = self._planned(place.done) or (best and self._config.train.keep_best > 0)
        if planned and (place.done < self._last or score is not None):
            self._save(place, planned=True, score=score, again=again)
        return place

    def _planned(self, done: int) -> bool:
        return done % self._config.train.checkpoint_every == 0 or done == self._last

    def _meta(self, place: Place, planned: bool) -> dict[str, Any]:
        meta = self._about | {
            "planned": planned,
            "returns": place.returns,
            "best": place.best,
            # All that the data's iterator is: where it stands, and over what.
            "data": {"sample": place.sample, "fingerprint": self._fingerprint},
        }
        return meta if place.unlogged is None else meta | {"unlogged": place.unlogged}

    def _save(
        self, place: Place, *, planned: bool, score: float | None = None, again: bool = False
    ) -> None:
        """Starts saving a state that is well; `again` saves a step that is saved already."""
        self._saved_at = time.monotonic()
        if int(place.state.health["in_a_row"]):
            return  # to go back to it would lead into the same
        if place.done in self._checkpoints.steps() and not again:
            return
        self._writers.flush()
        state = parallel.savable(place.state._asdict())
        meta = self._meta(place, planned)
        self._saver.save(place.done, state, meta, planned=planned, score=score)

    def _go_back(self, place: Place, values: Values) -> Place:
        """After too many steps in a row that had to be left out: to the last planned checkpoint.

        The samples go on where they are, so that the steps after it see other data.

        Raises:
          UserError: that has been done often enough.
        """
        count, seen = int(values[health.IN_A_ROW]), health.say(int(values[health.CAUSE]))
        where = f"steps {place.done - count + 1} to {place.done} were left out"
        if place.returns >= self._config.train.most_returns:
            raise UserError(
                f"stopped at step {place.done}: {where}, as {seen}, after going back to a "
                f"checkpoint {place.returns} times; the latest checkpoint is of step "
                f"{self._checkpoints.latest() or 0}; try a lower train.learning_rate"
            )
        self._saver.look(wait=True)
        saved = resume.last_planned(self._checkpoints, place.state)
        if saved is None:
            saved = resume.Saved(0, start_state(self._config, self._recipe), {})
        self._checkpoints.drop_after(saved.step)
        self._report.forget(saved.step)
        self._console.warn(
            f"{where}, as {seen}: going back to step {saved.step}, with the data that follow"
        )
        place = _place(saved, place.sample, place.returns + 1)
        # The total goes on: what was left out before is not forgotten.
        total = jax.numpy.asarray(int(values[health.LEFT_OUT]), jax.numpy.int32)
        counts = dict(place.state.health) | {"left_out": total}
        return place._replace(state=place.state._replace(health=counts))
