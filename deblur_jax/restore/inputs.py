"""Which files the inputs of a command name, and where their results go."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import IMAGE_SUFFIXES, VIDEO_SUFFIXES, result_suffix
from deblur_jax.images.suffixes import FORMAT_OF


@dataclass(frozen=True)
class Job:
    """One file to work on.

    name: its path within the input it came from, with forward slashes; also its place in the
    output folder. source: the file. target: where the result goes. comparison: where the
    side-by-side picture goes, or None. problem: why it cannot be worked on, or nothing.
    """

    name: str
    source: Path
    target: Path
    comparison: Path | None = None
    problem: str = ""

    @property
    def outputs(self) -> list[Path]:
        return [self.target] if self.comparison is None else [self.target, self.comparison]

    @property
    def is_video(self) -> bool:
        return self.source.suffix.lower() in VIDEO_SUFFIXES


def plan(
    inputs: Sequence[str],
    output: str,
    *,
    compare: bool = False,
    suffix: str | None = None,
    tail: str = "",
) -> list[Job]:
    """Finds the files that `inputs` name and gives each its place at `output`.

    An input is a file, a folder (searched recursively, its tree kept) or a glob (its tree kept
    from its first wildcard on; `**` goes into folders). Hidden files and those without a
    picture's or a video's extension are passed over, unless named one by one. One file and an
    `output` that ends in a picture's extension (of a video: a video's) and is no folder: that file.
    Otherwise `output` is a folder. It may lie within an input folder; what it holds is then no
    input.

    Args:
      inputs, output: as above.
      compare: each job also gets a place for its comparison.
      suffix: of all pictures' results, such as '.png'; None keeps each one's own, or takes '.png'
        where that format cannot be written.
      tail: stands behind the name of each result in a folder.

    Returns:
      A job for each file. Those that would be written to one place have that as their problem.

    Raises:
      UsageError: an input without any picture, or one output file for many inputs.
      UserError: a folder that cannot be listed.
    """
    target = Path(output)
    into_file = len(inputs) == 1 and _names_a_file(output, Path(inputs[0]))
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
        place = target if into_file else _place(target / name, suffix, tail)
        comparison = None
        if compare:
            ending = place.suffix if place.suffix.lower() in VIDEO_SUFFIXES else ".png"
            comparison = place.with_name(f"{place.stem}_compare{ending}")
        jobs.append(Job(name, source, place, comparison))
    return _with_collisions(jobs)


def _place(path: Path, suffix: str | None, tail: str) -> Path:
    """Where a file's result goes, from its place in the output folder under its own name."""
    ending = path.suffix
    kind = FORMAT_OF.get(ending.lower())
    if kind is not None:
        wanted = suffix or result_suffix(ending.lower())
        # A .jpeg that is to be JPEG, or .JPG that stays, keeps its own spelling.
        ending = ending if FORMAT_OF[wanted] == kind else wanted
    return path.with_name(f"{path.stem}{tail}{ending}")


def _names_a_file(output: str, source: Path) -> bool:
    path = Path(output)
    known = VIDEO_SUFFIXES if source.suffix.lower() in VIDEO_SUFFIXES else IMAGE_SUFFIXES
    return path.suffix.lower() in known and not output.endswith("/") and not path.is_dir()


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


def _with_collisions(jobs: list[Job]) -> list[Job]:
    """The jobs, where those that share a place have a problem: none of them may win by chance."""
    takers: dict[str, list[Job]] = {}
    for job in jobs:
        for place in job.outputs:
            takers.setdefault(os.path.normpath(place), []).append(job)
    problems = {}
    for shared, sharing in takers.items():
        for job in sharing if len(sharing) > 1 else ():
            other = next(each for each in sharing if each is not job)
            problems[job] = f"{job.source} and {other.source} would both be written to {shared}"
    return [replace(job, problem=problems.get(job, "")) for job in jobs]
