"""Which files the inputs of a command name, and where their results go."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import IMAGE_SUFFIXES, VIDEO_SUFFIXES


@dataclass(frozen=True)
class Job:
    """One file to work on.

    name: its path within the input it came from, with forward slashes; also its place in the
    output folder. source: the file. target: where the result goes. comparison: where the
    side-by-side picture goes, or None.
    """

    name: str
    source: Path
    target: Path
    comparison: Path | None = None

    @property
    def outputs(self) -> list[Path]:
        return [self.target] if self.comparison is None else [self.target, self.comparison]


def plan(inputs: Sequence[str], output: str, *, compare: bool = False) -> list[Job]:
    """Finds the files that `inputs` name and gives each its place at `output`.

    An input is a file, a folder (searched recursively, its tree kept) or a glob (its tree kept
    from its first wildcard on; `**` goes into folders). Hidden files and those without a
    picture's or a video's extension are passed over, unless named one by one. One file and an
    `output` that ends in a picture's extension and is no folder: that file. Otherwise `output` is
    a folder. It may lie within an input folder; what it holds is then no input.

    Raises:
      UsageError: an input without any picture, two files with one place, or one output file for
        many inputs.
      UserError: a folder that cannot be listed.
    """
    target = Path(output)
    into_file = len(inputs) == 1 and _names_a_file(output)
    found: dict[tuple[str, Path], None] = {}  # a set that keeps its order
    for text in inputs:
        files = _expand(text, output=None if into_file else target)
        if into_file and (len(files) > 1 or Path(text).is_dir()):
            raise UsageError(f"{output} is one file, but {text} names a folder or several pictures")
        if not files:
            raise UsageError(f"no picture found: {text}")
        found |= dict.fromkeys(files)
    jobs = []
    for name, source in found:
        place = target if into_file else target / name
        comparison = place.with_name(f"{place.stem}_compare.png") if compare else None
        jobs.append(Job(name, source, place, comparison))
    _refuse_collisions(jobs)
    return jobs


def _names_a_file(output: str) -> bool:
    path = Path(output)
    return path.suffix.lower() in IMAGE_SUFFIXES and not output.endswith("/") and not path.is_dir()


def _expand(text: str, output: Path | None) -> list[tuple[str, Path]]:
    """The files of one input as (name, path)."""
    path = Path(text)
    if path.is_dir():
        return [(file.relative_to(path).as_posix(), file) for file in _walk(path, output)]
    if path.exists() or path.is_symlink() or not glob.has_magic(text):
        return [(path.name, path)]  # one that is missing fails by name when its turn comes
    root = _fixed_part(path)
    try:
        matches = sorted(root.glob(str(path.relative_to(root))))
    except (ValueError, NotImplementedError) as error:
        raise UsageError(f"{text} is no glob: {error}") from error
    files: dict[Path, None] = {}
    for match in matches:
        if any(part.startswith(".") for part in match.relative_to(root).parts):
            continue
        if match.is_dir():
            files |= dict.fromkeys(_walk(match, output))
        elif _is_candidate(match) and not _is_within(match, output, root):
            files[match] = None
    return [(file.relative_to(root).as_posix(), file) for file in files]


def _fixed_part(pattern: Path) -> Path:
    fixed = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)


def _walk(folder: Path, output: Path | None) -> Iterator[Path]:
    """The pictures and videos below a folder, sorted, and folders that cannot be listed.

    Each real folder comes once, so that loops end.
    """
    excluded = output.resolve() if output is not None else None
    if excluded == folder.resolve():
        excluded = None  # results beside or in place of their sources
    seen: set[Path] = set()

    def below(place: Path) -> Iterator[Path]:
        real = place.resolve()
        if real in seen or real == excluded:
            return
        seen.add(real)
        try:
            children = sorted(place.iterdir())
        except OSError as error:
            if place == folder:
                raise UserError(f"cannot list {place}: {error.strerror}") from error
            yield place  # it fails by name when its turn comes; what else there is gets done
            return
        for child in children:
            if child.is_dir():
                if not child.name.startswith("."):
                    yield from below(child)
            elif _is_candidate(child):
                yield child

    return below(folder)


def _is_candidate(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES


def _is_within(path: Path, output: Path | None, root: Path) -> bool:
    if output is None or output.resolve() == root.resolve():
        return False
    return path.resolve().is_relative_to(output.resolve())


def _refuse_collisions(jobs: list[Job]) -> None:
    taken: dict[str, Job] = {}
    for job in jobs:
        for place in job.outputs:
            key = os.path.normpath(place)
            if key in taken:
                raise UsageError(
                    f"{taken[key].source} and {job.source} would both be written to {place}"
                )
            taken[key] = job
