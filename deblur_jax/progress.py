"""What a command says while it works, on stderr: a bar on a terminal, lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from deblur_jax.data.video.scenes import Scene
    from deblur_jax.restore.inputs import Job


class Reporter:
    """Tells of items as they are finished; failures always get a line of their own."""

    def __init__(self, unit: str = "picture") -> None:
        self._unit = unit
        self._bar: Any = None
        self._terminal = sys.stderr.isatty()
        self._start = time.monotonic()
        self._before: int | None = None  # items that were finished before this call

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def item(self, number: int, total: int, name: str, outcome: str = "done") -> None:
        """Item `number` of `total` is finished; `outcome` says how."""
        left = self._time_left(number, total)
        if not self._terminal:
            print(f"[{number}/{total}] {name}: {outcome}{left}", file=sys.stderr, flush=True)
        else:
            self._advance(number, total, name)

    def say(self, sentence: str) -> None:
        """A sentence between the items."""
        if not self._terminal:
            print(sentence, file=sys.stderr, flush=True)
        else:
            tqdm.write(sentence, file=sys.stderr)

    def job(self, number: int, total: int, job: "Job", outcome: str, seconds: float) -> None:
        """A file is finished, in the form that `restore.files.process_files` tells it."""
        if outcome == "done":
            self.item(number, total, job.name, f"done in {seconds:.1f} s")
        elif outcome == "skipped":
            self.item(number, total, job.name, f"skipped, {job.target} exists")
        else:
            self._failure(number, total, job.name, outcome)

    def _failure(self, number: int, total: int, name: str, sentence: str) -> None:
        if not self._terminal:
            print(f"[{number}/{total}] failed: {sentence}", file=sys.stderr, flush=True)
        else:
            tqdm.write(f"failed: {sentence}", file=sys.stderr)
            self._advance(number, total, name)

    def _time_left(self, number: int, total: int) -> str:
        """`, 12 min left`, by what was done in this call so far; nothing below a minute."""
        if self._before is None:
            self._before = number - 1
        each = (time.monotonic() - self._start) / max(number - self._before, 1)
        minutes = round(each * (total - number) / 60)
        if minutes < 1:
            return ""
        hours, rest = divmod(minutes, 60)
        return f", {hours} h {rest:02d} min left" if hours else f", {minutes} min left"

    def _advance(self, number: int, total: int, name: str) -> None:
        if self._bar is None:
            self._bar = tqdm(
                total=total,
                initial=number - 1,  # what was done before tells nothing of the time left
                unit=self._unit,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        self._bar.set_postfix_str(name, refresh=False)
        self._bar.update(number - self._bar.n)


class FrameReporter:
    """A bar for each input, which knows its end or not, and a line when it is finished."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> "FrameReporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def frame(self, name: str, done: int, expected: int | None) -> None:
        """Frame `done` of a scene has been read; `expected` is how many there should be."""
        if not self._terminal:
            return
        if self._bar is None:
            self._bar = tqdm(
                desc=name, unit="frame", file=sys.stderr, dynamic_ncols=True, leave=False
            )
        # A header that says too little must not let the bar run over its end.
        self._bar.total = None if expected is None or done > expected else expected
        self._bar.update(done - self._bar.n)

    def scene(self, number: int, total: int, scene: "Scene") -> None:
        """An input is finished: its counts, and whatever is wrong with it."""
        self._close()
        lines = [f"[{number}/{total}] {scene.name}: {scene}"]
        if scene.failure:
            lines.append(f"failed: {scene.failure}")
        if scene.warning:
            lines.append(f"warning: {scene.warning}")
        for line in lines:
            print(line, file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
