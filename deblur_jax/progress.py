"""What a command says while it works, on stderr: a bar on a terminal, lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from deblur_jax.data.video.scenes import Scene
    from deblur_jax.restore.files import Finished
    from deblur_jax.restore.inputs import Job

LINE_EVERY = 30  # seconds between lines of one video


class Reporter:
    """Tells of items as they are finished; failures always get a line of their own."""

    def __init__(self, unit: str = "picture") -> None:
        self._unit = unit
        self._bar: Any = None
        self._terminal = sys.stderr.isatty()
        self._start = time.monotonic()
        self._before: int | None = None  # items that were finished before this call
        self._frames: Any = None  # a bar for the frames of a video
        # The video that lines tell of: when it began, when a line was last, the frame at first.
        self._told: tuple[Job, float, float, int] | None = None

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close_frames()
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

    def job(self, finished: "Finished") -> None:
        """A file is finished, in the form that `restore.files.process_files` tells it."""
        self._close_frames()
        number, total, job = finished.number, finished.total, finished.job
        if finished.outcome == "done":
            note = f": {finished.note}" if finished.note else ""
            if finished.note and self._terminal:
                tqdm.write(f"{job.name}{note}", file=sys.stderr)
            self.item(number, total, job.name, f"done in {finished.seconds:.1f} s{note}")
        elif finished.outcome == "skipped":
            self.item(number, total, job.name, f"skipped, {job.target} exists")
        else:
            self._failure(number, total, job.name, finished.outcome)

    def frame(self, job: "Job", done: int, expected: int | None) -> None:
        """Frame `done` of a video is finished; `expected` is how many there should be."""
        if self._terminal:
            if self._frames is None:
                self._frames = tqdm(
                    desc=job.name, unit="frame", file=sys.stderr, dynamic_ncols=True, leave=False
                )
            # A header that says too little must not let the bar run over its end.
            self._frames.total = None if expected is None or done > expected else expected
            self._frames.update(done - self._frames.n)
            return
        now = time.monotonic()
        if self._told is None or self._told[0] != job:
            self._told = (job, now, now, done)
        _, start, last, first = self._told
        if now - last >= LINE_EVERY:
            self._told = (job, start, now, first)
            each = (now - start) / max(done - first, 1)
            left = "" if expected is None else _left(each * (expected - done))
            of = "" if expected is None or done > expected else f" of {expected}"
            print(f"{job.name}: frame {done}{of}{left}", file=sys.stderr, flush=True)

    def _close_frames(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None

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
        return _left(each * (total - number))

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


def _left(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return ""
    hours, rest = divmod(minutes, 60)
    return f", {hours} h {rest:02d} min left" if hours else f", {minutes} min left"


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
