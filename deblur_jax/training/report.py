"""What a step leaves for its readers: a line of numbers, pictures, words on the terminal."""

import math
import resource
import time
from typing import Any

import jax
import numpy as np

from deblur_jax import compiler
from deblur_jax.models import apply_generator
from deblur_jax.training import health
from deblur_jax.training.console import Console
from deblur_jax.training.feed import Feed
from deblur_jax.training.guards import Watch
from deblur_jax.training.signals import Signals
from deblur_jax.training.state import Recipe, TrainState
from deblur_jax.training.validation import Validation
from deblur_jax.training.writers import Writers

Values = dict[str, float]


class Report:
    """Logs the steps that are due, on the process that writes; validates on all of them."""

    def __init__(
        self,
        config: Any,
        recipe: Recipe,
        feed: Feed,
        validation: Validation | None,
        writers: Writers,
        console: Console,
        constants: Values,
    ) -> None:
        """`constants` are numbers that stand on every line."""
        self._train, self._recipe, self._feed = config.train, recipe, feed
        self._validation, self._writers, self._console = validation, writers, console
        self._constants = constants
        self._watch = Watch()
        self._well: Values = {}  # of the last line: its losses that were finite
        self._preview = feed.preview()
        self._restore = compiler.jit(
            lambda params, stats, x: apply_generator(
                params, x, recipe.generator, batch_stats=stats or None, dtype=recipe.dtype
            )
        )
        self.start(0)

    def start(self, done: int) -> None:
        """From here on the time counts for the next line."""
        self._since, self._clock, self._waited = done, time.perf_counter(), self._feed.waited

    def log(self, state: TrainState, step: int, values: Values, signals: Signals) -> Values | None:
        """Writes the line of a step.

        Args:
          state: after the step.
          step: its number.
          values: its scalars.
          signals: one that comes in the middle of validating ends that.

        Returns:
          What was written; None where a signal came first, and nothing was written.
        """
        values = self._timed(step, dict(values))
        values.pop(health.CAUSE, None)
        often = self._train.images_every
        validation = self._validation if self._due(self._train.validate_every, step) else None
        showing = often and (self._due(often, step) or step == 1)
        if validation or showing:  # else nothing so large leaves the device
            params = state.average if self._recipe.average_decay else state.generator
            params, stats = jax.tree.map(np.asarray, (params, state.batch_stats))
        if validation:
            self._console.progress(f"step {step}/{self._train.steps}  validating")
            scores = validation.scores(params, stats, lambda: bool(signals.caught))
            if scores is None:
                return None
            values |= scores
        if showing:
            self._show(params, stats, step)
        values |= self._constants
        self._keep_losses(values)
        self._writers.scalars(step, values)
        self._console.line(self._words(step, values))
        if values.get(health.IN_A_ROW):
            self._console.warn(
                f"step {step}: the last {values[health.IN_A_ROW]:.0f} steps were left out, "
                f"{values[health.LEFT_OUT]:.0f} in all; the losses are of an earlier line"
            )
        else:
            for warning in self._watch.look(step, values):
                self._console.warn(warning)
        self.start(step)
        return values

    def progress(self, step: int) -> None:
        """The moving line of a terminal."""
        rate = (step - self._since) / max(time.perf_counter() - self._clock, 1e-9)
        self._console.progress(
            f"step {step}/{self._train.steps}  {rate * self._train.batch_size:.1f} images/s  "
            f"{_left(self._train.steps - step, rate)} left"
        )

    def forget(self, step: int) -> None:
        """The run has gone back to a step: its lines after that are taken away."""
        self._writers.rewind(step)
        self._watch = Watch()
        self.start(step)

    def _due(self, every: int, step: int) -> bool:
        return bool(every) and (step % every == 0 or step == self._train.steps)

    def _timed(self, step: int, values: Values) -> Values:
        """Adds what depends on the clock and the machine; validation is not counted."""
        seconds = max(time.perf_counter() - self._clock, 1e-9)
        rate = (step - self._since) / seconds
        return values | {
            "time/steps_per_second": rate,
            "time/images_per_second": rate * self._train.batch_size,
            "time/data_share": min(1.0, (self._feed.waited - self._waited) / seconds),
            "time/device_memory_mb": device_memory_mb(),
        }

    def _keep_losses(self, values: Values) -> None:
        """A step that was left out has no losses: those of the line before stand in for them."""
        for name, value in values.items():
            if math.isfinite(value):
                self._well[name] = value
            elif name in self._well:
                values[name] = self._well[name]

    def _words(self, step: int, values: Values) -> str:
        score = ""
        if "validation/psnr" in values:
            score = f"  validation {values['validation/psnr']:.3f} dB"
        rate = values["time/steps_per_second"]
        return (
            f"step {step}/{self._train.steps}  loss {values['loss/generator']:.5f}  "
            f"psnr {values['psnr/restored']:.2f} ({values['psnr/blurred']:.2f} blurred){score}  "
            f"{values['time/images_per_second']:.1f} images/s  "
            f"{_left(self._train.steps - step, rate)} left"
        )

    def _show(self, params: Any, batch_stats: Any, step: int) -> None:
        """Blurred, restored and sharp side by side, for TensorBoard."""
        blurred, sharp = self._preview["blurred"], self._preview["sharp"]
        restored = np.asarray(self._restore(params, batch_stats, blurred))
        row = np.concatenate([blurred, restored, sharp], axis=2)
        self._writers.images(step, {"blurred_restored_sharp": row / 2 + 0.5})


def device_memory_mb() -> float:
    """The most that any device of this process has had in use; on CPUs, the process."""
    stats = [device.memory_stats() for device in jax.local_devices()]
    peaks = [s["peak_bytes_in_use"] for s in stats if s and "peak_bytes_in_use" in s]
    if peaks:
        return max(peaks) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _left(steps: int, rate: float) -> str:
    seconds = int(steps / max(rate, 1e-9))
    hours, rest = divmod(seconds, 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"
