"""What each kind of file must hold for a report to take it.

A report is put together from files that others wrote, by hand or by other programs too; what a
table needs is checked once, here, so that a damaged file is a sentence that names the place.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deblur_jax.data.protocols import PROTOCOLS
from deblur_jax.errors import UserError
from deblur_jax.report.strict_json import Document

KOHLER = "kohler"  # the protocol of Köhler's benchmark, whose results have other scores


@dataclass(frozen=True)
class Maybe:
    """Absent, null, or what it says."""

    what: Any


@dataclass(frozen=True)
class Every:
    """An object of any keys, each of whose values is what it says."""

    what: Any


# A type; NUMBER, which may be null; [what each entry is]; {key: what it is}; Maybe; Every.
NUMBER = (int, float)
SCORES = Every(NUMBER)
WEIGHTS = {"name": str, "sha256": Maybe(str), "preset": Maybe(str)}
MEAN = {"mean": Maybe(NUMBER), "std": Maybe(NUMBER)}
EVALUATION = {
    "dataset": str,
    "protocol": str,
    "weights": WEIGHTS,
    "count": int,
    "blurred": SCORES,
    "restored": SCORES,
    "per_image": [
        {
            "name": str,
            "blurred": SCORES,
            "restored": SCORES,
            "scene": Maybe(str),
            "artefacts": Maybe(SCORES),
            "seconds": Maybe(NUMBER),
        }
    ],
    "per_scene": Maybe([{"scene": str, "count": int, "blurred": SCORES, "restored": SCORES}]),
    "failed": Maybe([{"name": str, "reason": str}]),
    "infinite_psnr": Maybe(Every(int)),
    "seconds_per_image": Maybe(Every(NUMBER)),
    **{key: Maybe(str) for key in ("device", "filter", "subset", "blurred_folder", "command")},
}
STUDY = {
    "weights": WEIGHTS,
    "conclusion": str,
    "kernels": Every(str),
    "rows": list,
    "summary": [
        {
            "kernel": str, "size": int, "count": int, "difference": MEAN, "blurred_psnr": MEAN,
            "restored_psnr": MEAN, "gain_psnr": MEAN, "gain_ssim": MEAN,
        }
    ],
    "findings": Maybe([{"claim": str, "measure": str, "holds": Maybe(bool)}]),
    "failed": Maybe([{"picture": str, "reason": str}]),
    "plots": Maybe([str]),
    "sheets": Maybe([str]),
    "report": Maybe(dict),
}  # fmt: skip
_MEASURED = (
    "height", "width", "batch", "median_s", "p10_s", "p90_s", "compile_s", "gflop", "gflop_per_s",
    "peak_memory_mb", "runs", "crop", "steps_per_second", "images_per_second_per_device",
    "images_per_second", "device_count", "products_gflop", "least_mb", "activations_mb",
    "product_gflop_per_s", "copy_gb_per_s", "pictures", "megapixels", "sizes", "network_s",
    "cold_s", "warm_s", "overhead",
    *(f"{limit}_{what}" for limit in ("compute", "products", "least_memory", "memory", "floor")
      for what in ("s", "share")),
)  # fmt: skip
CONTENDER = {"status": str, "why": Maybe(str)} | {
    key: Maybe(NUMBER) for key in ("median_s", "p10_s", "p90_s", "compile_s", "peak_rss_mb")
}
RATIO = {key: Maybe(NUMBER) for key in ("median", "p10", "p90")}
BENCHMARK = {
    "device": str,
    "benchmark": Maybe(str),
    "config": Maybe(str),
    "part": Maybe(str),
    "contenders": Maybe(Every(CONTENDER)),
    "ratios": Maybe(Every(Maybe(Every(Maybe(RATIO))))),
    **{key: Maybe(NUMBER) for key in _MEASURED},
}
ABLATION = {
    "device": str,
    "rows": [
        {
            "name": str, "choice": str, "changes": Maybe([str]), "processor_s": Maybe(NUMBER),
            "gain_db": Every({"mean": NUMBER, "least": NUMBER}),
        }
    ],
    "common": Maybe([str]),
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "evaluations": EVALUATION,
    "kohler": EVALUATION,
    "kernel_studies": STUDY,
    "ablations": ABLATION,
    "benchmarks": BENCHMARK,
}


def kind_of(document: Document) -> str | None:
    """One of `KINDS` by what the document holds, or None."""
    if "per_image" in document:
        return "kohler" if document.get("protocol") == KOHLER else "evaluations"
    if "rows" in document and "kernels" in document:
        return "kernel_studies"
    if document.get("benchmark") == "ablation":
        return "ablations"
    if "median_s" in document or "benchmark" in document:
        return "benchmarks"
    return None


def check(document: Document, path: Path) -> str:
    """The document's kind; UserError that names the file and the place where it is damaged."""
    kind = kind_of(document)
    if kind is None:
        raise UserError(
            f"{path}: none of results.json, kernel_study.json, a benchmark's JSON, metrics.jsonl"
        )
    complaint = _complaint(document, KINDS[kind], "")
    if complaint is None and "per_image" in document:
        complaint = _beyond_types(document)
    if complaint:
        raise UserError(f"{path}: {complaint}")
    return kind


def _beyond_types(document: Document) -> str | None:
    if document["protocol"] not in (*PROTOCOLS, KOHLER):
        return f"no protocol {document['protocol']!r} is known here"
    names = Counter(entry["name"] for entry in document["per_image"])
    twice = [name for name, count in names.items() if count > 1]
    return f"the picture {twice[0]} stands there twice" if twice else None


def _complaint(value: Any, wanted: Any, place: str) -> str | None:
    """The first thing that is not as wanted, in words; None where all is."""
    if isinstance(wanted, Maybe):
        return None if value is None else _complaint(value, wanted.what, place)
    if isinstance(wanted, Every):
        if not isinstance(value, dict):
            return _said(value, dict, place)
        wanted = dict.fromkeys(value, wanted.what)
    if isinstance(wanted, Mapping):
        if not isinstance(value, dict):
            return _said(value, dict, place)
        for key, what in wanted.items():
            inside = f"{place}.{key}" if place else key
            if key not in value and not isinstance(what, Maybe):
                return f"lacks {inside}"
            found = _complaint(value.get(key), what, inside)
            if found:
                return found
        return None
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return _said(value, list, place)
        complaints = (_complaint(v, wanted[0], f"{place}[{i}]") for i, v in enumerate(value))
        return next(filter(None, complaints), None)
    if wanted == NUMBER and value is None:
        return None
    # True and False are integers to Python.
    right = isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
    return None if right else _said(value, wanted, place)


def _said(value: Any, wanted: Any, place: str) -> str:
    text = repr(value)
    return f"{place} is {text if len(text) < 40 else f'{text[:36]} ...'}, not {_WORDS[wanted]}"


_WORDS = {
    str: "a text", dict: "an object", list: "a list", int: "a whole number", NUMBER: "a number",
    bool: "true or false",
}  # fmt: skip
