"""A trace of a few steps, to be looked at in TensorBoard, Perfetto or XProf."""

from pathlib import Path

import jax

FOLDER = "profile"
SKIP, STEPS = 3, 3  # steps after the start of this call, which compile, and steps in the trace


class Profile:
    """Traces `STEPS` steps once `SKIP` are done; off, it does nothing."""

    def __init__(self, workdir: Path, done: int, *, on: bool) -> None:
        self._folder = workdir / FOLDER
        self._start, self._stop = done + SKIP, done + SKIP + STEPS
        self._on, self._tracing = on, False

    def due(self, done: int) -> int:
        """Steps until something is to be done here; a large number for nothing any more."""
        if not self._on:
            return 1 << 30
        return (self._stop if self._tracing else self._start) - done

    def look(self, done: int) -> str | None:
        """Starts and stops the trace; says where it is once it is written."""
        if not self._on or self.due(done) > 0:
            return None
        if not self._tracing:
            jax.profiler.start_trace(str(self._folder))
            self._tracing = True
            return None
        self.close()
        return f"a trace of steps {self._start + 1} to {done} is in {self._folder}"

    def close(self) -> None:
        """Ends a trace that is under way."""
        if self._tracing:
            jax.profiler.stop_trace()
        self._on = self._tracing = False
