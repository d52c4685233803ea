"""Working through files: read, apply a function, write; one that fails does not stop the rest."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deblur_jax import images
from deblur_jax.atomic import refuse_blocked
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Picture
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


# Called with (files finished, files in all, job, outcome) after each file, where the outcome
# is 'done', 'skipped' or a sentence that says what went wrong; seconds are those it took.
Progress = Callable[[int, int, Job, str, float], None]


def process_files(
    inputs: Sequence[str],
    output: str,
    function: Callable[[Picture, str], Picture],
    *,
    compare: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Applies `function` to every picture that `inputs` name and writes the results at `output`.

    Args:
      inputs: files, folders and globs; see `inputs.plan`.
      output: a folder, or one picture's path for one input.
      function: maps a picture and its name (its path within its input) to a result.
      compare: also writes the picture and its result side by side, NAME_compare.png.
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
    jobs = plan(inputs, output, compare=compare)
    refuse_blocked(jobs[0].target)
    summary = Summary()
    for number, job in enumerate(jobs, start=1):
        start = time.perf_counter()
        if job.target.is_file() and not overwrite:
            summary.skipped.append(job.target)
            outcome = "skipped"
        else:
            try:
                _process(job, function)
                summary.done.append(job.target)
                outcome = "done"
            except UsageError:
                raise
            except (UserError, MemoryError) as error:
                outcome = _explain(error, job)
                summary.failed.append((job.source, outcome))
        if progress is not None:
            progress(number, len(jobs), job, outcome, time.perf_counter() - start)
    return summary


def _process(job: Job, function: Callable[[Picture, str], Picture]) -> None:
    suffix = job.source.suffix.lower()
    if job.source.is_dir():
        raise UserError(f"cannot list the folder {job.source}")
    if suffix in VIDEO_SUFFIXES:
        raise UserError(f"cannot read {job.source}: videos are not supported yet")
    if suffix not in IMAGE_SUFFIXES and job.source.exists():
        raise UserError(f"cannot read {job.source}: it has no picture's extension")
    picture = images.read(job.source)
    result = function(picture, job.name)
    if job.comparison is not None:
        images.write(job.comparison, side_by_side(picture, result))
    images.write(job.target, result)  # last: where it exists, all of the file is done


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
