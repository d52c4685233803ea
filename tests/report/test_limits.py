"""The machine's limits: work, ceilings and shares as the roofline's file has them, by size."""

from pathlib import Path
from typing import Any

import pytest
from report_files import roofline

from deblur_jax import plots
from deblur_jax.report import roofline as limits
from deblur_jax.report.documents import Source


def sources(*documents: dict[str, Any]) -> list[Source]:
    return [Source(Path("r.json"), document) for document in documents]


def test_each_limit_has_its_work_its_ceiling_and_its_share() -> None:
    table = limits.table(sources(roofline(256, 512, 0.4)))
    assert [[cell.text for cell in row[:7]] for row in table.rows] == [
        ["operations of the plain network", "GFLOP", "100.0", "200.0", "0.5000", "0.400", "125.00"],
        ["operations as computed", "GFLOP", "40.0", "200.0", "0.2000", "0.400", "50.00"],
        ["parameters, picture, result", "GB", "0.050", "20.0", "0.0025", "0.400", "0.62"],
        ["and all activations once", "GB", "0.400", "20.0", "0.0200", "0.400", "5.00"],
        ["floor", "–", "–", "–", "0.2000", "0.400", "50.00"],
    ]
    # A row by itself: what is done over what the ceiling allows is the time, and that the share.
    for row in table.rows[:4]:
        amount, ceiling, seconds, median, share = (cell.value for cell in row[2:7])
        assert seconds == pytest.approx(amount / ceiling)
        assert share == pytest.approx(100 * seconds / median)
    assert [cell.text for cell in table.rows[0][7:]] == [
        "configs/paper.py, random weights", "512 × 256", "float32", "cpu: made up",
    ]  # fmt: skip
    assert {len(row) for row in table.rows} == {len(table.columns)}


def test_a_loop_of_unknown_length_is_not_measured() -> None:
    unknown = {"products_gflop": None, "products_s": None, "products_share": None}
    row = limits.table(sources(roofline(8, 8, 0.4, **unknown))).rows[1]
    assert [cell.text for cell in row[2:7]] == [
        "not measured", "200.0", "not measured", "0.400", "not measured",
    ]  # fmt: skip


def test_shares_by_size_are_a_plot_for_each_model_of_several_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[list[plots.Line]] = []
    monkeypatch.setattr(plots, "points", lambda _, series, **__: drawn.append(series) or "<svg>")
    found = limits.drawings(
        sources(
            roofline(1000, 2000, 0.25),
            roofline(1000, 1000, 0.5, products_share=None),
            roofline(1000, 1000, 0.5, precision="bfloat16"),  # of one size alone
        )
    )
    assert [plot.name for plot in found] == ["limits"]
    assert found[0].caption == (
        "Measured with configs/paper.py, random weights, float32, cpu: made up."
    )
    ((plain, least, both),) = drawn  # what was computed is known of one size alone
    assert (plain.name, plain.x, plain.y) == (
        "operations of the plain network", [1.0, 2.0], [100.0, 200.0],
    )  # fmt: skip
    assert (least.x, least.y) == ([1.0, 2.0], [0.5, 1.0])
    assert (both.x, both.y) == ([1.0, 2.0], [4.0, 8.0])
