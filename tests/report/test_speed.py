"""Speed: every file in the table that suits it, seconds and sizes as they were measured."""

from pathlib import Path
from typing import Any

import pytest
from report_files import latency, peers, training

from deblur_jax import plots
from deblur_jax.report import speed
from deblur_jax.report.documents import Source
from deblur_jax.web.elements import Plots, Prose, Table

DATE = {"date": "2026-11-23T21:53:16+00:00"}


def section(*documents: dict) -> dict:
    """The section's tables by name, its plots under `plots`, its paragraphs under `said`."""
    found = speed.section([Source(Path(f"{n}.json"), d) for n, d in enumerate(documents)])
    assert found.anchor == "speed"
    tables = {each.name: each for each in found.elements if isinstance(each, Table)}
    return tables | {
        "plots": [p for e in found.elements if isinstance(e, Plots) for p in e.plots],
        "said": [e.text for e in found.elements if isinstance(e, Prose)],
    }


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is given to `plots.points`, each call's title under `title`."""
    calls: list[dict[str, Any]] = []

    def points(title: str, series: Any, **more: Any) -> str:
        lines = [(line.name, line.x, line.y) for line in series]
        calls.append({"title": title, "lines": lines} | more)
        return f"<svg>{title}</svg>"

    monkeypatch.setattr(plots, "points", points)
    return calls


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
    assert "0.85 s, the paper, on a Titan X; 0.97 s, the report, on hardware" in table.notes[0]
    assert len(table.notes) == 1


def test_different_devices_do_not_compare() -> None:
    (_, said) = section(latency(9, 9, 1.0), latency(9, 9, 1.0, device="gpu"))["latency"].notes
    assert said == "Rows of different devices do not compare: cpu: made up; gpu."


def test_the_plot_is_of_seconds_a_picture(drawn: list[dict[str, Any]]) -> None:
    found = section(
        latency(1000, 1000, 8.0, batch=4, weights={"name": "a"}),
        latency(1000, 2000, 3.0, weights={"name": "b"}),
        latency(1000, 1000, 1.0, weights={"name": "b"}),
        latency(1000, 1000, 1.0, weights={"name": "c"}) | {"median_s": None},
        latency(0, 1000, 1.0, weights={"name": "d"}),
    )
    (plot,) = drawn
    assert plot["lines"] == [("a, batch 4", [1.0], [2.0]), ("b, batch 1", [1.0, 2.0], [1.0, 3.0])]
    assert {height: label for label, height in plot["reference"]} == {
        0.85: "0.85 s, the paper, on a Titan X",
        0.97: "0.97 s, the report, on hardware it does not name",
    }
    assert found["plots"][0].caption.endswith("Measured with float32, cpu: made up.")
    assert texts(found["latency"], "median s", "s a picture")[0] == ["8.000", "2.000"]


def test_devices_and_precisions_are_lines_of_their_own(drawn: list[dict[str, Any]]) -> None:
    gpu = {"device": "gpu: H200"}
    section(
        latency(1000, 1000, 4.0),
        latency(1000, 1000, 0.5, **gpu),
        latency(1000, 2000, 1.0, **gpu),
        latency(1000, 1000, 0.25, precision="bfloat16", **gpu),
    )
    assert drawn[0]["lines"] == [
        ("float32, cpu: made up", [1.0], [4.0]),
        ("float32, gpu: H200", [1.0, 2.0], [0.5, 1.0]),
        ("bfloat16, gpu: H200", [1.0], [0.25]),
    ]


def test_several_batches_of_one_size_are_a_plot(drawn: list[dict[str, Any]]) -> None:
    found = section(
        latency(1000, 1000, 4.0, batch=4),
        latency(1000, 1000, 2.0),
        latency(500, 500, 3.0, batch=2),  # no other batch of this size
    )
    by_size, by_batch = drawn
    assert len(by_size["lines"]) == 3
    assert [(x, y) for _, x, y in by_batch["lines"]] == [([1, 4], [2.0, 1.0])]
    assert [plot.name for plot in found["plots"]] == ["latency", "latency-by-batch"]
    assert "1000 × 1000" in found["plots"][1].caption
    assert "reference" not in by_batch


def test_what_no_accelerator_ran_is_one_sentence() -> None:
    words = "Not measured on a GPU or a TPU: "
    assert section(latency(9, 9, 1.0))["said"] == [
        f"{words}latency, share of the limits, training throughput."
    ]
    assert section(latency(9, 9, 1.0, device="gpu: H200"), latency(9, 9, 2.0))["said"] == [
        f"{words}share of the limits, training throughput."
    ]


def test_without_a_size_there_is_no_plot() -> None:
    found = section(latency(None, None, 1.0))
    assert found["plots"] == []
    assert texts(found["latency"], "size") == [["not measured"]]


def test_throughput_inputs_and_others() -> None:
    throughput = training(25.661, steps_per_second=3.2076)
    inputs = {
        "benchmark": "input_pipeline", "device": "cpu", "config": "configs/small.py",
        "files_pairs_per_second": 35.878, "on_device_pairs_per_second": 5300.79,
        "files_feeds_step": True, "step_consumes_pairs_per_second": 24.05,
    }  # fmt: skip
    unknown = {"benchmark": "export", "device": "gpu", "median_s": 0.25}
    without_ceilings = {"benchmark": "roofline", "device": "gpu", "median_s": 0.5}
    found = section(throughput, inputs, unknown, without_ceilings)
    assert texts(found["throughput"], "config", "steps/s", "images/s and device") == [
        ["configs/small.py", "3.21", "25.66"]
    ]
    assert texts(found["input-pipeline"], "way", "pairs/s") == [
        ["files", "35.9"], ["on device", "5300.8"], ["step consumes", "24.1"],
    ]  # fmt: skip
    assert texts(found["benchmarks"], "file", "benchmark", "device", "median s") == [
        ["2.json", "export", "gpu", "0.250"], ["3.json", "roofline", "gpu", "0.500"],
    ]  # fmt: skip
    assert "latency" not in found
    assert found["plots"] == []


def test_a_folder_beside_what_its_network_takes_alone() -> None:
    folder = {
        "benchmark": "folder", "device": "cpu", "weights": {"name": "default"}, "pictures": 50,
        "sizes": 10, "megapixels": 82.96, "network_s": 101.25, "warm_s": 107.43, "overhead": 0.061,
    }  # fmt: skip
    found = section(folder)
    assert [[cell.text for cell in row] for row in found["folders"].rows] == [
        ["default", "cpu", "50", "10", "83.0", "101.2", "107.4", "not measured", "6"]
    ]
    assert "benchmarks" not in found


def test_images_a_second_against_devices_and_batch(drawn: list[dict[str, Any]]) -> None:
    found = section(
        training(10.0, batch=8, devices=1),
        training(30.0, batch=8, devices=4),  # the same batch on more devices
        training(38.0, batch=32, devices=4),  # the same batch a device
        training(99.0, batch=64, devices=4, precision="bfloat16"),
        training(99.0, batch=64, devices=4, config="configs/paper.py"),
    )
    lines = {plot["title"]: [(x, y) for _, x, y in plot["lines"]] for plot in drawn}
    assert lines == {
        "Images/s against devices, same batch": [([1, 4], [10.0, 30.0])],
        "Images/s against devices, same batch a device": [([1, 4], [10.0, 38.0])],
        "Images/s against the batch": [([8, 32], [30.0, 38.0])],
    }
    assert [plot.name for plot in found["plots"]] == [
        "throughput-by-devices", "throughput-by-devices-and-batch", "throughput-by-batch",
    ]  # fmt: skip
    said = "Measured with configs/small.py, crops of 128, float32, batch 8 a device, cpu: made up."
    assert found["plots"][1].caption == said
    assert texts(found["throughput"], "devices", "images/s", "images/s and device")[1] == [
        "4", "30.00", "7.50",
    ]  # fmt: skip


def test_other_libraries_stand_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(
        plots, "intervals", lambda title, rows, **more: drawn.append((title, rows, more)) or "<svg>"
    )
    found = section(peers())
    columns = ("library", "of", "size", "median s", "by ours", "not timed because")
    assert texts(found["peers"], *columns) == [
        ["jax", "restore, default", "1280 × 720", "0.500", "1.00", "–"],
        ["torch", "restore, default", "1280 × 720", "1.100", "2.12", "–"],
        ["onnx", "restore, default", "1280 × 720", "0.400", "0.80", "–"],
        ["openvino", "restore, default", "1280 × 720", "–", "–", "openvino is not installed"],
    ]
    ((title, rows, more),) = drawn
    assert title == "restore, default, 1280 × 720"
    assert rows == [
        plots.Interval("torch", 2.125, 2.0, 2.5), plots.Interval("onnx", 0.8, 0.75, 0.9)
    ]  # fmt: skip
    assert more["mark"][1] == 1.0
    without = section(peers(contenders={}, ratios=None))
    assert "peers" not in without
    assert "benchmarks" in without


def test_ratios_without_a_spread_and_several_files() -> None:
    alone = peers(ratios={"torch": {"jax": {"median": 2.0}}, "onnx": {"jax": {"median": 0.0}}})
    found = section(peers(), peers(ratios={}), alone)
    assert [plot.name for plot in found["plots"]] == ["peers", "peers-1"]
    assert "torch" in found["plots"][1].svg and "onnx" not in found["plots"][1].svg


def test_starts_of_the_command_have_a_table() -> None:
    start = {"benchmark": "cold_start", "weights": {"name": "fast"}, "device": "cpu", **DATE}
    start |= {"height": 256, "width": 256, "median_s": 0.984, "cold_s": 3.217}
    table = section(start)["cold-start"]
    assert texts(table, "model", "size", "median s", "first time s", "date") == [
        ["fast", "256 × 256", "0.98", "3.22", "2026-11-23"]
    ]


def test_forms_and_narrow_products_have_tables() -> None:
    own = {"weights": {"name": "default"}, "device": "gpu", **DATE}
    ways = {
        "plain": {"median_s": 0.0061, "ratio": 1.052, "difference": 0.0},
        "float8": {"median_s": 0.0052, "ratio": 0.897, "difference": 0.0213},
    }
    forms = own | {"benchmark": "forms", "height": 720, "width": 1280, "batch": 8, "forms": ways}
    lost = {"psnr": 25.31, "loss_db": 0.386, "worst_loss_db": 0.801}
    lost |= {"mean_difference": 2.846, "largest_difference": 33.0}
    rounding = own | {"benchmark": "rounding", "pairs": 21, "products": {"int8": lost}}
    tables = section(forms, rounding)
    assert texts(tables["forms"], "size", "batch", "form", "median s", "ratio", "most away") == [
        ["1280 × 720", "8", "plain", "0.0061", "1.052", "0.000000"],
        ["1280 × 720", "8", "float8", "0.0052", "0.897", "0.021300"],
    ]
    assert texts(tables["rounding"], "pairs", "products", "PSNR dB", "loss dB", "most levels") == [
        ["21", "int8", "25.31", "0.386", "33.0"]
    ]
    assert "benchmarks" not in tables
