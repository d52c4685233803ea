"""The files that a report is made of, told apart by what they hold, and checked on the way in.

A number that is not finite (NaN and Infinity are no JSON, but other programs write them) is taken
as absent and counted, so that it is in no mean.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deblur_jax.atomic import reason
from deblur_jax.data.protocols import PROTOCOLS
from deblur_jax.errors import UsageError, UserError

Document = dict[str, Any]
METRICS = "metrics.jsonl"  # of a run, beside which its configuration and events lie
RESULTS = "results.json"
_NUMBERS = (int, float)


@dataclass(frozen=True)
class Source:
    """One file.

    Attributes:
      path: where it lies; paths within it are relative to its folder.
      document: its contents.
      not_finite: how many of its numbers were NaN or infinite.
      label: what to call its model, or the file, unique within the report.
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
    benchmarks: list[Source] = field(default_factory=list)
    trainings: list[Path] = field(default_factory=list)  # `metrics.jsonl`


def read_all(paths: Sequence[str]) -> Sources:
    """Reads files, or what a run's workdir holds of them.

    A file may be given as NAME=FILE, which gives its model another name in the report.

    Raises:
      UsageError: no file, or one that is not there.
      UserError: one that cannot be read, is none of a report's kinds, or lacks what its kind has.
    """
    found = Sources()
    for given in paths:
        name, path = _named(given)
        if path.is_dir():
            inside = [path / file for file in (RESULTS, METRICS) if (path / file).is_file()]
            if not inside:
                raise UsageError(f"{path}: a folder without {RESULTS} or {METRICS}")
        else:
            inside = [path]
        for file in inside:
            _add(found, file, name)
    _label(found.evaluations)
    _label(found.kohler)
    _label(found.kernel_studies)
    return found


def _named(given: str) -> tuple[str, Path]:
    """("name", path) of NAME=FILE, ("", path) of FILE; a path may hold an equals sign itself."""
    if Path(given).exists() or "=" not in given:
        return "", Path(given)
    name, _, path = given.partition("=")
    return name, Path(path)


def _add(found: Sources, path: Path, name: str) -> None:
    if not path.exists():
        raise UsageError(f"{path}: no such file")
    if path.suffix == ".jsonl":
        found.trainings.append(path)
        return
    document, not_finite = _parse(path)
    kind = _kind(document)
    if kind is None:
        raise UserError(
            f"{path}: none of results.json, kernel_study.json, a benchmark's JSON, metrics.jsonl"
        )
    _CHECKS[kind](document, path)
    getattr(found, kind).append(Source(path, document, not_finite, name))


def _parse(path: Path) -> tuple[Document, int]:
    not_finite = 0

    def absent(_: str) -> None:
        nonlocal not_finite
        not_finite += 1

    def decimal(text: str) -> float | None:
        value = float(text)
        if math.isfinite(value):
            return value
        absent(text)  # 1e999 is JSON, and infinite
        return None

    try:
        document = json.loads(path.read_bytes(), parse_constant=absent, parse_float=decimal)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: no JSON: {reason(error)}") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    if not isinstance(document, dict):
        raise UserError(f"{path}: no JSON object")
    return document, not_finite


def _kind(document: Document) -> str | None:
    if "per_image" in document:
        return "kohler" if document.get("protocol") == "kohler" else "evaluations"
    if "rows" in document and "kernels" in document:
        return "kernel_studies"
    if "median_s" in document or "benchmark" in document:
        return "benchmarks"
    return None


def _check_evaluation(document: Document, path: Path) -> None:
    _need(document, path, dataset=str, protocol=str, weights=dict, count=int, per_image=list)
    _need(document, path, blurred=dict, restored=dict)
    if document["protocol"] not in (*PROTOCOLS, "kohler"):
        raise UserError(f"{path}: no protocol {document['protocol']!r} is known here")
    _need(document["weights"], path, name=str)
    for entry in document["per_image"]:
        if not isinstance(entry, dict):
            raise UserError(f"{path}: an entry of per_image is no object")
        _need(entry, path, name=str, blurred=dict, restored=dict)
    for scores in _all_scores(document):
        wrong = [k for k, v in scores.items() if v is not None and not isinstance(v, _NUMBERS)]
        if wrong:
            raise UserError(f"{path}: {wrong[0]} is {scores[wrong[0]]!r}, not a number")
    twice = [n for n, k in Counter(e["name"] for e in document["per_image"]).items() if k > 1]
    if twice:
        raise UserError(f"{path}: the picture {twice[0]} stands there twice")


def _all_scores(document: Document) -> list[dict[str, Any]]:
    return [each[side] for each in (document, *document["per_image"]) for side in _SIDES]


def _check_study(document: Document, path: Path) -> None:
    _need(document, path, rows=list, kernels=dict, summary=list, weights=dict, conclusion=str)
    _need(document["weights"], path, name=str)


def _check_benchmark(document: Document, path: Path) -> None:
    _need(document, path, device=str)


_SIDES = ("blurred", "restored")
_CHECKS: dict[str, Callable[[Document, Path], None]] = {
    "evaluations": _check_evaluation,
    "kohler": _check_evaluation,
    "kernel_studies": _check_study,
    "benchmarks": _check_benchmark,
}


def _need(document: Document, path: Path, **kinds: type) -> None:
    for key, kind in kinds.items():
        if not isinstance(document.get(key), kind):
            said = "lacks" if key not in document else f"has a wrong {key!r}, not"
            raise UserError(
                f"{path}: {said} {_WORDS[kind]}{f' {key!r}' if said == 'lacks' else ''}"
            )


_WORDS = {str: "a text", dict: "an object", list: "a list", int: "a whole number"}


def _label(sources: list[Source]) -> None:
    """Names each by its weights; where two would look the same, the file tells them apart."""
    names = [source.label or source.document["weights"]["name"] for source in sources]
    for index, source in enumerate(sources):
        name, sha256 = names[index], source.document["weights"].get("sha256")
        others = [s for i, s in enumerate(sources) if i != index and names[i] == name]
        clash = any(
            other.document["weights"].get("sha256") != sha256
            or comparable_key(other.document) == comparable_key(source.document)
            for other in others
        )
        label = f"{name} ({source.path.parent.name}/{source.path.name})" if clash else name
        sources[index] = Source(source.path, source.document, source.not_finite, label)


def comparable_key(document: Document) -> tuple[Any, ...]:
    """What two evaluations must share for their scores to stand in one comparison.

    The same data, protocol and pictures; that the pictures are the same shows in the blurred
    input's PSNR, to a hundredth of a dB.
    """
    pictures = tuple(
        sorted(
            (entry["name"], _hundredths(entry["blurred"].get("psnr")))
            for entry in document["per_image"]
        )
    )
    return (document["protocol"], document.get("filter"), document.get("subset"), pictures)


def _hundredths(value: float | None) -> float:
    return -1.0 if value is None else round(value, 2)
