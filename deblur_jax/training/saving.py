"""Saving that may fail: a full disk costs checkpoints, not the training."""

import sys
import time
from typing import Any

import jax

from deblur_jax.errors import UserError
from deblur_jax.weights.checkpoints import Checkpoints

RETRY_SECONDS = 60.0  # between tries while a disk is full
LAST_TRIES, LAST_PAUSE = 5, 3.0  # of the run's last checkpoint, and seconds between


class Saver:
    """Saves in the background, says once what keeps it from that, and tries again."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._begun = 0  # step of the save under way
        self._failed_at: float | None = None  # of the clock, while nothing could be saved

    def save(self, step: int, state: Any, meta: dict[str, Any], **options: Any) -> None:
        """Starts saving as `Checkpoints.save` does; a failure is said, not raised.

        Among several processes it is raised: they could not go on together.
        """
        self.look()
        try:
            self._checkpoints.save(step, state, meta, **options)
            self._begun = step
        except UserError as error:
            self._fail(error)

    def look(self, *, wait: bool = False) -> None:
        """Says how the last save ended, if it has or if `wait` is given."""
        if not self._begun or (self._checkpoints.saving and not wait):
            return
        step, self._begun = self._begun, 0
        try:
            self._checkpoints.wait()
        except UserError as error:
            self._fail(error)
            return
        if self._failed_at is not None:
            print(f"saving works again: step {step} is saved", file=sys.stderr, flush=True)
            self._failed_at = None

    def due(self) -> bool:
        """Whether it is time to try again after a failure."""
        self.look()
        return self._failed_at is not None and time.monotonic() - self._failed_at > RETRY_SECONDS

    def finish(self, step: int, state: Any, meta: dict[str, Any], **options: Any) -> None:
        """Saves the run's last state, and returns when it is on disk.

        Raises:
          UserError: it could not be saved for a while.
        """
        for tries in range(LAST_TRIES):
            self.save(step, state, meta, **options)
            self.look(wait=True)
            if self._failed_at is None:
                return
            if tries + 1 < LAST_TRIES:
                time.sleep(LAST_PAUSE)
        kept = self._checkpoints.latest()
        raise UserError(
            f"step {step} could not be saved in {self._checkpoints.path}; "
            + (f"the newest checkpoint is of step {kept}" if kept else "there is no checkpoint")
        )

    def _fail(self, error: UserError) -> None:
        if jax.process_count() > 1:
            raise error
        again = self._failed_at is not None
        self._failed_at, self._begun = time.monotonic(), 0
        self._checkpoints.recover()
        if not again:
            kept = self._checkpoints.latest()
            print(
                f"warning: {error}; the training goes on, and saving is tried again every "
                f"{RETRY_SECONDS:.0f} s; the newest checkpoint is "
                + (f"of step {kept}" if kept else "none"),
                file=sys.stderr,
                flush=True,
            )
