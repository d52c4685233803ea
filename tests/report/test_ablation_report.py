"""The ablation: a row for each training, gains by folder of pairs, and damaged files."""

from pathlib import Path
from typing import Any

import pytest
from report_files import write

from deblur_jax.errors import UserError
from deblur_jax.report import ablation
from deblur_jax.report.build import build
from deblur_jax.report.documents import Source, read_all
from deblur_jax.web.elements import Prose, Table


def row(name: str, choice: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "choice": choice,
        "changes": [],
        "processor_s": 319.6,
        "gain_db": {"crops": {"mean": 0.154, "least": -0.031}},
    } | more


def study(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "benchmark": "ablation",
        "device": "cpu: made up",
        "date": "2026-11-27T15:40:10+00:00",
        "common": ["--config.train.steps=2000", "--config.data.crop=128"],
        "rows": list(rows),
    }


BOTH = study(
    row("base", "the recipe"),
    row(
        "l1",
        "loss",
        changes=["--config.loss.pixel=l1"],
        gain_db={
            "crops": {"mean": 0.2279, "least": -0.0347},
            "kodak": {"mean": -0.06, "least": -0.07},
        },
    ),
)


def test_a_row_for_each_training_and_two_columns_for_each_folder() -> None:
    found = ablation.section([Source(Path("a.json"), BOTH)])
    table, common = found.elements
    assert isinstance(table, Table) and isinstance(common, Prose)
    assert [column.title for column in table.columns] == [
        "choice", "training", "gain on crops, dB", "worst", "gain on kodak, dB", "worst",
        "processor s", "differs in",
    ]  # fmt: skip
    assert [[cell.text for cell in cells] for cells in table.rows] == [
        ["the recipe", "base", "+0.15", "−0.03", "not measured", "not measured", "320", "nothing"],
        ["loss", "l1", "+0.23", "−0.03", "−0.06", "−0.07", "320", "loss.pixel=l1"],
    ]  # fmt: skip
    assert common.text == "All of them have train.steps=2000, data.crop=128."


def test_the_page_and_its_files_have_it(tmp_path: Path) -> None:
    files = [write(tmp_path / name / "ablation.json", BOTH) for name in ("a", "b")]
    page = build(files, tmp_path / "report").read_text()
    assert 'id="ablation"' in page
    assert "loss.pixel=l1" in page
    assert {path.name for path in (tmp_path / "report" / "tables").iterdir()} == {
        "ablation.csv", "ablation-1.csv", "files-read.csv"
    }  # fmt: skip
    markdown = (tmp_path / "report" / "report.md").read_text()
    assert markdown.count("| loss | l1 | +0.23 |") == 2


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"rows": 3}, "rows is 3, not a list"),
        ({"rows": [row("base", "loss", gain_db={"crops": 1})]}, r"gain_db\.crops is 1, not an obj"),
        ({"rows": [{"name": "base"}]}, r"lacks rows\[0\]\.choice"),
        ({"device": None}, "device is None, not a text"),
    ],
)
def test_a_damaged_file_is_named_with_the_place(
    damage: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.json", BOTH | damage)
    with pytest.raises(UserError, match=f"a.json: .*{words}"):
        read_all([path])
