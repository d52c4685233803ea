"""Speed: every file in the table that suits it, seconds and sizes as they were measured."""

import pytest
from report_files import latency

from deblur_jax import plots
from deblur_jax.report import speed
from deblur_jax.report.documents import Source
from deblur_jax.web.elements import Plots, Table

DATE = {"date": "2026-11-23T21:53:16+00:00"}


def section(*documents: dict) -> dict:
    """The section's tables by name, and its plots under `plots`."""
    from pathlib import Path

    found = speed.section([Source(Path(f"{n}.json"), d) for n, d in enumerate(documents)])
    assert found.anchor == "speed"
    tables = {each.name: each for each in found.elements if isinstance(each, Table)}
    return tables | {"plots": [p for e in found.elements if isinstance(e, Plots) for p in e.plots]}


def texts(table: Table, *titles: str) -> list[list[str]]:
    places = [[column.title for column in table.columns].index(title) for title in titles]
    return [[row[place].text for place in places] for row in table.rows]


def test_latency_says_of_what() -> None:
    trained = latency(720, 1280, 0.487, weights={"name": "default", "sha256": "1"}, **DATE)
    random = latency(256, 256, 0.62, weights=None, config="configs/paper.py")
    table = section(trained, random)["latency"]
    assert texts(table, "model", "size", "median s", "date") == [
        ["default", "1280 × 720", "0.487", "2026-11-23"],
        ["configs/paper.py, random weights", "256 × 256", "0.620", "not stated"],
    ]
    assert table.rows[0][2].value == 1280 * 720  # sorted by pixels
    assert "0.85 s, the paper, on a Titan X; 0.97 s, the report" in table.notes[0]
    assert len(table.notes) == 1


def test_different_devices_do_not_compare() -> None:
    (_, said) = section(latency(9, 9, 1.0), latency(9, 9, 1.0, device="gpu"))["latency"].notes
    assert said == "Rows of different devices do not compare: cpu: made up; gpu."


def test_the_plot_is_of_seconds_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {}
    monkeypatch.setattr(
        plots,
        "points",
        lambda title, series, **more: drawn.update(series=series, **more) or "<svg>",
    )
    found = section(
        latency(1000, 1000, 8.0, batch=4, weights={"name": "a"}),
        latency(1000, 2000, 3.0, weights={"name": "b"}),
        latency(1000, 1000, 1.0, weights={"name": "b"}),
        latency(1000, 1000, 1.0, weights={"name": "c"}) | {"median_s": None},
        latency(0, 1000, 1.0, weights={"name": "d"}),
    )
    assert [(line.name, line.x, line.y) for line in drawn["series"]] == [
        ("a, batch 4", [1.0], [2.0]),
        ("b", [1.0, 2.0], [1.0, 3.0]),
    ]
    assert {height: label for label, height in drawn["reference"]} == {
        0.85: "0.85 s, the paper, on a Titan X",
        0.97: "0.97 s, the report",
    }
    assert found["plots"][0].caption.endswith("Measured on cpu: made up.")


def test_without_a_size_there_is_no_plot() -> None:
    found = section(latency(None, None, 1.0))
    assert found["plots"] == []
    assert texts(found["latency"], "size") == [["not measured"]]


def test_throughput_inputs_and_others() -> None:
    throughput = {
        "benchmark": "throughput", "device": "cpu", "config": "configs/small.py", "crop": 128,
        "batch": 8, "precision": "float32", "steps_per_second": 3.2076, "median_s": 0.31,
        "images_per_second_per_device": 25.661,
    }  # fmt: skip
    inputs = {
        "benchmark": "input_pipeline", "device": "cpu", "config": "configs/small.py",
        "files_pairs_per_second": 35.878, "on_device_pairs_per_second": 5300.79,
        "files_feeds_step": True, "step_consumes_pairs_per_second": 24.05,
    }  # fmt: skip
    roofline = {"benchmark": "roofline", "device": "gpu", "median_s": 0.25}
    found = section(throughput, inputs, roofline)
    assert texts(found["throughput"], "config", "steps/s", "images/s and device") == [
        ["configs/small.py", "3.21", "25.66"]
    ]
    assert texts(found["input-pipeline"], "way", "pairs/s") == [
        ["files", "35.9"], ["on device", "5300.8"], ["step consumes", "24.1"],
    ]  # fmt: skip
    assert texts(found["benchmarks"], "file", "benchmark", "device", "median s") == [
        ["2.json", "roofline", "gpu", "0.250"]
    ]
    assert "latency" not in found


def test_other_libraries_stand_beside_ours() -> None:
    document = {
        "benchmark": "peers", "device": "cpu", "part": "restore", "config": None,
        "weights": {"name": "default"}, "width": 1280, "height": 720,
        "contenders": {
            "jax": {"status": "timed", "median_s": 0.5, "p10_s": 0.4, "p90_s": 0.6,
                    "compile_s": 1.0, "peak_rss_mb": 900.4},
            "torch": {"status": "timed", "median_s": 1.1},
            "openvino": {"status": "missing", "why": "openvino is not installed"},
        },
        "ratios": {"torch": {"jax": {"median": 2.125, "p10": 2.0, "p90": 2.5}}},
    }  # fmt: skip
    table = section(document)["peers"]
    assert texts(table, "library", "of", "size", "median s", "by ours", "not timed because") == [
        ["jax", "restore, default", "1280 × 720", "0.500", "1.00", "–"],
        ["torch", "restore, default", "1280 × 720", "1.100", "2.12", "–"],
        ["openvino", "restore, default", "1280 × 720", "–", "–", "openvino is not installed"],
    ]
    without = section(document | {"contenders": {}, "ratios": None})
    assert "peers" not in without
    assert "benchmarks" in without
