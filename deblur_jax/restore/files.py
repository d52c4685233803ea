"""Working through files: read, apply a function, write; one that fails does not stop the rest."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deblur_jax import images
from deblur_jax.atomic import refuse_blocked
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import IMAGE_SUFFIXES, Picture
from deblur_jax.images.suffixes import FORMAT_OF
from deblur_jax.images.writing import LOSSY
from deblur_jax.restore.inputs import Job, plan

GAP = 8  # white pixels between the two halves of a comparison


@dataclass
class Summary:
    """What became of the files: written, there already, or failed with (source, reason)."""

    done: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{len(self.done)} done"]
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped, as they exist (--overwrite replaces them)")
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        return ", ".join(parts)


@dataclass(frozen=True)
class Made:
    """What a function makes of a picture: its result, and what the user should know of it."""

    picture: Picture
    note: str = ""


@dataclass(frozen=True)
class Finished:
    """A file that is finished.

    Attributes:
      number, total: of files finished so far, and of all.
      job: the file.
      outcome: 'done', 'skipped' or a sentence that says what went wrong.
      seconds: that it took to read, work on and write, without waiting for others.
      note: what the user should know of it.
    """

    number: int
    total: int
    job: Job
    outcome: str
    seconds: float
    note: str = ""


Progress = Callable[[Finished], None]


def process_files(
    inputs: Sequence[str],
    output: str,
    function: Callable[[Picture, str], Made],
    *,
    video: Callable[[Job], str] | None = None,
    compare: bool = False,
    suffix: str | None = None,
    tail: str = "",
    quality: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Applies `function` to every picture that `inputs` name and writes the results at `output`.

    The next picture is read and the one before is written while one is worked on; three are in
    memory at most. A result gets its source's date.

    Args:
      inputs: files, folders and globs; see `inputs.plan`.
      output: a folder, or one picture's path for one input.
      function: maps a picture and its name (its path within its input) to what is made of it.
      video: works on a job whose source is a video, up to its written result, and returns a note;
        None where videos are refused.
      compare: also writes the picture and its result side by side, NAME_compare.png.
      suffix, tail: of the results, see `inputs.plan`.
      quality: of results in lossy formats, 1 to 100; None keeps what the source has.
      overwrite: replaces results that exist; otherwise they are skipped.
      progress: told of each file when it is finished.

    Returns:
      What became of each file. A file that cannot be read, worked on or written is listed as
      failed, nothing half-written is left of it, and the others are done.

    Raises:
      UsageError: before anything is written, if the inputs do not fit the output; and whatever
        `function` raises of this kind, which says that the call was wrong for every picture.
      UserError: before anything is written, if a file is where a folder should be.
    """
    jobs = plan(inputs, output, compare=compare, suffix=suffix, tail=tail)
    refuse_blocked(jobs[0].target)
    summary = Summary()
    work = _Work(function, video, quality, overwrite)
    for job, outcome, seconds, note in work.through(jobs):
        if outcome == "done":
            summary.done.append(job.target)
        elif outcome == "skipped":
            summary.skipped.append(job.target)
        else:
            summary.failed.append((job.source, outcome))
        if progress is not None:
            finished = len(summary.done) + len(summary.skipped) + len(summary.failed)
            progress(Finished(finished, len(jobs), job, outcome, seconds, note))
    return summary


Ended = tuple[Job, str, float, str]  # the job, its outcome, seconds and note


@dataclass
class _Read:
    """A picture that was read, or why it was not, and the seconds that it took."""

    picture: Picture | None
    outcome: str
    seconds: float
    date: tuple[int, int] | None = None


class _Work:
    """Reads, works on and writes files in three threads, the middle one the caller's."""

    def __init__(
        self,
        function: Callable[[Picture, str], Made],
        video: Callable[[Job], str] | None,
        quality: int | None,
        overwrite: bool,
    ) -> None:
        self._function, self._video = function, video
        self._quality, self._overwrite = quality, overwrite

    def through(self, jobs: Sequence[Job]) -> Iterator[Ended]:
        """Each job as it ends, in their order."""
        with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
            waiting: Future[Ended] | None = None
            ahead = reading.submit(self._read, jobs[0])
            for number, job in enumerate(jobs, start=1):
                read = ahead.result()
                if number < len(jobs):
                    ahead = reading.submit(self._read, jobs[number])
                start = time.perf_counter()
                made, outcome, note = self._work(job, read)
                seconds = read.seconds + time.perf_counter() - start
                if waiting is not None:
                    yield waiting.result()
                    waiting = None
                if made is None or read.picture is None:
                    yield job, outcome, seconds, note
                else:
                    waiting = writing.submit(
                        self._write, job, read.picture, made, read.date, seconds
                    )
            if waiting is not None:
                yield waiting.result()

    def _read(self, job: Job) -> _Read:
        """In its own thread; whatever goes wrong is the file's outcome."""
        start = time.perf_counter()
        picture, date, outcome = None, None, "done"
        try:
            if job.problem:
                raise UserError(job.problem)
            if job.target.is_file() and not self._overwrite:
                outcome = "skipped"
            elif not job.is_video:
                _refuse_other_kinds(job)
                picture = images.read(job.source)
                status = job.source.stat()
                date = (status.st_atime_ns, status.st_mtime_ns)
        except (UserError, MemoryError, OSError) as error:
            outcome = _explain(error, job)
        return _Read(picture, outcome, time.perf_counter() - start, date)

    def _work(self, job: Job, read: _Read) -> tuple[Made | None, str, str]:
        """What is made of a picture, the outcome so far, and a video's note."""
        if read.outcome != "done":
            return None, read.outcome, ""
        try:
            if read.picture is not None:
                return self._function(read.picture, job.name), "done", ""
            if self._video is None:
                raise UserError(f"cannot work on {job.source}: only pictures can be blurred")
            return None, "done", self._video(job)
        except UsageError:
            raise
        except (UserError, MemoryError) as error:
            return None, _explain(error, job), ""

    def _write(
        self, job: Job, source: Picture, made: Made, date: tuple[int, int] | None, seconds: float
    ) -> Ended:
        start = time.perf_counter()
        outcome = "done"
        try:
            if job.comparison is not None:
                images.write(job.comparison, side_by_side(source, made.picture))
            # Last: where it exists, all of the file is done.
            lossy = FORMAT_OF.get(job.target.suffix.lower()) in LOSSY
            images.write(job.target, made.picture, quality=self._quality if lossy else None)
            if date is not None:
                os.utime(job.target, ns=date)
        except (UserError, MemoryError, OSError) as error:
            outcome = _explain(error, job)
        return job, outcome, seconds + time.perf_counter() - start, made.note


def _refuse_other_kinds(job: Job) -> None:
    if job.source.is_dir():
        raise UserError(f"cannot list the folder {job.source}")
    if job.source.suffix.lower() not in IMAGE_SUFFIXES and job.source.exists():
        raise UserError(f"cannot read {job.source}: it has no picture's extension")


def _explain(error: BaseException, job: Job) -> str:
    text = "not enough memory" if isinstance(error, MemoryError) else str(error)
    named = str(job.source) in text or str(job.target) in text
    return text if named else f"{job.source}: {text}"


def side_by_side(left: Picture, right: Picture) -> Picture:
    """Two pictures of one height with a white gap between them, 8 bits deep, without alpha."""
    halves = [images.convert_depth(picture.rgb, "uint8") for picture in (left, right)]
    gap = np.full((halves[0].shape[0], GAP, 3), 255, np.uint8)
    joined = np.concatenate([halves[0], gap, halves[1]], axis=1)
    return Picture(joined, icc=None if left.gray else left.icc)
