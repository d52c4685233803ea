"""The files that a report is made of, told apart by what they hold, and named."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deblur_jax.errors import UsageError
from deblur_jax.report.checks import check
from deblur_jax.report.strict_json import Document, parse

METRICS = "metrics.jsonl"  # of a run, beside which its configuration and events lie
RESULTS = "results.json"
STUDY = "kernel_study.json"
IN_FOLDERS = (RESULTS, STUDY, METRICS)
LAYERS = ("blurred", "sharp")  # what stands beside a model's pictures, so no model's name


@dataclass(frozen=True)
class Source:
    """One file.

    Attributes:
      path: where it lies; paths within it are relative to its folder.
      document: its contents.
      not_finite: how many of its numbers were NaN or infinite.
      label: what to call its model, unique among the files of its kind.
    """

    path: Path
    document: Document
    not_finite: int = 0
    label: str = ""


@dataclass
class Sources:
    """All files of a report by kind, in the order given."""

    evaluations: list[Source] = field(default_factory=list)
    kohler: list[Source] = field(default_factory=list)
    kernel_studies: list[Source] = field(default_factory=list)
    ablations: list[Source] = field(default_factory=list)
    benchmarks: list[Source] = field(default_factory=list)
    trainings: list[Path] = field(default_factory=list)  # `metrics.jsonl`


def read_all(paths: Sequence[str]) -> Sources:
    """Reads files, or what a run's workdir or a study's folder holds of them.

    A file may be given as NAME=FILE, which gives its model another name in the report.

    Raises:
      UsageError: no file, one that is not there, or one that was given twice.
      UserError: one that cannot be read, is none of a report's kinds, or lacks what its kind has.
    """
    found, seen = Sources(), set[Path]()
    for given in paths:
        name, path = _named(given)
        for file in _files(path):
            if file.resolve() in seen:
                raise UsageError(f"{file} was given twice")
            seen.add(file.resolve())
            _add(found, file, name)
    found.evaluations = _labelled(found.evaluations)
    found.kohler = _labelled(found.kohler)
    found.kernel_studies = _labelled(found.kernel_studies)
    return found


def _named(given: str) -> tuple[str, Path]:
    """("name", path) of NAME=FILE, ("", path) of FILE; a path may hold an equals sign itself."""
    if Path(given).exists() or "=" not in given:
        return "", Path(given)
    name, _, path = given.partition("=")
    return name, Path(path)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise UsageError(f"{path}: no such file")
    if not path.is_dir():
        return [path]
    inside = [path / file for file in IN_FOLDERS if (path / file).is_file()]
    if not inside:
        raise UsageError(f"{path}: a folder without {', '.join(IN_FOLDERS[:-1])} or {METRICS}")
    return inside


def _add(found: Sources, path: Path, name: str) -> None:
    if path.suffix == ".jsonl":
        found.trainings.append(path)
        return
    document, not_finite = parse(path)
    kind = check(document, path)
    getattr(found, kind).append(Source(path, document, not_finite, name))


def _labelled(sources: Sequence[Source]) -> list[Source]:
    """Names each by its weights; where two would look the same, the file tells them apart."""
    names = [source.label or _model(source.document) for source in sources]
    clashes = [
        name in LAYERS
        or any(_clash(source, s) for s, n in zip(sources, names, strict=True) if n == name)
        for source, name in zip(sources, names, strict=True)
    ]
    short = [f"{source.path.parent.name}/{source.path.name}" for source in sources]
    labelled = []
    for source, name, clash, file in zip(sources, names, clashes, short, strict=True):
        place = file if short.count(file) == 1 else source.path  # two folders of one name
        labelled.append(replace(source, label=f"{name} ({place})" if clash else name))
    return labelled


def _model(document: Document) -> str:
    """The weights' name, and of how many versions of a picture the mean was taken."""
    name, versions = str(document["weights"]["name"]), document.get("self_ensemble")
    several = isinstance(versions, int) and versions > 1
    return f"{name}, self-ensemble of {versions}" if several else name


def _clash(one: Source, other: Source) -> bool:
    """Whether two files of one name are of other weights, or of the same on the same pictures."""
    if one is other:
        return False
    digests = {source.document["weights"].get("sha256") for source in (one, other)}
    return len(digests) > 1 or comparable(one.document, other.document)


def comparable(one: Document, other: Document) -> bool:
    """Whether the scores of two evaluations may stand in one comparison.

    They may under the same protocol, of the same blur, on the same pictures; that the pictures are
    the same shows in the blurred inputs' PSNRs, which no model changes.
    """
    first, second = (
        {entry["name"]: entry["blurred"].get("psnr") for entry in document.get("per_image", [])}
        for document in (one, other)
    )
    return (
        conditions(one) == conditions(other)
        and first.keys() == second.keys()
        and all(_alike(psnr, second[name]) for name, psnr in first.items())
    )


def conditions(document: Document) -> tuple[Any, ...]:
    """Under what an evaluation scored: protocol, filter, blur."""
    filter_ = document.get("filter") or "bicubic"
    return (document.get("protocol"), filter_, document.get("subset"))


def _alike(one: float | None, other: float | None) -> bool:
    """Two PSNRs of the same picture by two machines, which round differently."""
    return one is other if one is None or other is None else abs(one - other) < 0.01
