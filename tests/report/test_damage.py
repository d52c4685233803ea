"""Damaged files: whatever is missing or of another type is a sentence, never another error."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_files import evaluation, latency, peers, roofline, scores, study, training, write

from deblur_jax import plots
from deblur_jax.errors import UserError
from deblur_jax.report.documents import read_all
from deblur_jax.report.layout import lay_out
from deblur_jax.report.texts import markdown

SCENE = {"scene": "a", "count": 1, "blurred": scores(20, 0.5), "restored": scores(21, 0.6)}
DOCUMENTS = {
    "evaluation": evaluation(
        {"a/1.png": 1.0, "b/2.png": -1.0},
        failed=[{"name": "x", "reason": "y"}],
        infinite_psnr={"blurred": 1, "restored": 0},
        per_scene=[SCENE, SCENE | {"scene": "b"}],
        subset="linear",
        blurred_folder="blur",
        date="2026-01-01",
        command="deblur-jax evaluate",
    ),
    "kohler": evaluation({"1_1": 1.0}, protocol="kohler", dataset="kohler"),
    "study": study(failed=[{"picture": "x", "reason": "y"}], plots=["a.svg"], sheets=["b.png"]),
    "latency": latency(72, 128, 0.1, weights={"name": "w", "sha256": "0"}, date="2026-01-01"),
    "throughput": training(2.0),
    "roofline": roofline(72, 128, 0.5),
    "input": {"benchmark": "input_pipeline", "device": "cpu", "files_pairs_per_second": 3.0},
    "peers": peers(),
    "folder": {"benchmark": "folder", "device": "cpu", "pictures": 5, "warm_s": 2.0, "sizes": 1},
    "ablation": {
        "benchmark": "ablation",
        "device": "cpu",
        "common": ["--a=1"],
        "rows": [
            {
                "name": "base", "choice": "data", "changes": ["--b=2"], "processor_s": 1.5,
                "gain_db": {"crops": {"mean": 0.1, "least": -0.1}},
            }
        ],
    },
    "other": {"benchmark": "peers", "device": "cpu"},
}  # fmt: skip
INSTEAD: tuple[Any, ...] = (None, "text", -7, 1.5, True, [], {}, [1], {"a": "b"}, [{"a": 1}])


def damaged(document: Any) -> Iterator[Any]:
    """Copies of which one part, however deep, is taken out or is something else."""
    for place in _places(document):
        for instead in ("absent", *INSTEAD):
            changed = copy.deepcopy(document)
            inside = changed
            for key in place[:-1]:
                inside = inside[key]
            if instead != "absent":
                inside[place[-1]] = instead
            else:
                del inside[place[-1]]
            yield changed


def _places(value: Any, place: tuple = ()) -> Iterator[tuple]:
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield (*place, key)
        if isinstance(value[key], dict | list):
            yield from _places(value[key], (*place, key))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_damaged_file_is_taken_or_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for drawing in ("gains", "intervals", "points"):  # a thousand of them would take half a minute
        monkeypatch.setattr(plots, drawing, lambda *_, **__: "<svg/>")
    path = tmp_path / "r.json"
    refused = taken = 0
    for document in damaged(DOCUMENTS[name]):
        write(path, document)
        try:
            sources = read_all([str(path)])
            markdown("T", "I", lay_out(sources))
            taken += 1
        except UserError as error:
            assert str(error).startswith(f"{path}: "), document
            refused += 1
    assert refused >= 5
    assert taken >= 3  # what no table needs may be anything
