"""Times measured by the benchmarks, beside the paper's 0.85 s and the report's 0.97 s."""

from collections.abc import Sequence
from typing import Any

from deblur_jax import plots
from deblur_jax.report import peers
from deblur_jax.report.documents import Source
from deblur_jax.web.elements import Cell, Column, Element, Plot, Plots, Section, Table, number, size

PAPER = ("0.85 s, the paper, on a Titan X", 0.85)
REPORT = ("0.97 s, the report", 0.97)
RATE = "_pairs_per_second"  # ends the keys of the input pipeline's measures


def section(sources: Sequence[Source]) -> Section:
    """Latency by size with its plot, training throughput, the input pipeline."""
    latency = [s for s in sources if _is(s, "latency") and "median_s" in s.document]
    training = [s for s in sources if _is(s, "throughput") and "steps_per_second" in s.document]
    inputs = [s for s in sources if _is(s, "input_pipeline") and _rates(s)]
    beside = [s for s in sources if _is(s, "peers") and s.document.get("contenders")]
    told = [*latency, *beside, *training, *inputs]
    other = [s for s in sources if not any(s is each for each in told)]
    found: list[Element] = []
    if latency:
        found.append(_latency_table(latency))
        plot = _latency_plot(latency)
        found += [Plots([plot])] if plot else []
    if beside:
        found.append(peers.table(beside))
    if training:
        found.append(_throughput_table(training))
    if inputs:
        found.append(_input_table(inputs))
    if other:
        found.append(_other_table(other))
    return Section("speed", "Speed", found)


def _is(source: Source, benchmark: str) -> bool:
    return source.document.get("benchmark", "latency") == benchmark


def _model(document: dict[str, Any]) -> str:
    """The weights' name, or the configuration that random weights were made for."""
    weights = document.get("weights")
    named = weights.get("name") if isinstance(weights, dict) else weights
    if named:
        return str(named)
    config = document.get("config")
    return f"{config}, random weights" if config else "not stated"


def _date(document: dict[str, Any]) -> Cell:
    date = document.get("date")
    return Cell(date[:10]) if isinstance(date, str) else Cell("not stated", mood="none")


def _latency_table(sources: Sequence[Source]) -> Table:
    columns = [
        Column("model", numeric=False), Column("device", numeric=False),
        Column("size", help="width × height in pixels"), Column("batch"),
        Column("precision", numeric=False), Column("median s"), Column("p10 s"), Column("p90 s"),
        Column("compilation s"), Column("GFLOP"), Column("GFLOP/s"),
        Column("memory MB"), Column("runs"), Column("date", numeric=False),
    ]  # fmt: skip
    rows = []
    for source in sources:
        d = source.document
        rows.append(
            [
                Cell(_model(d)),
                Cell(d["device"]),
                size(d.get("width"), d.get("height")),
                number(d.get("batch"), 0),
                Cell(str(d.get("precision", "not stated"))),
                *(number(d.get(key), 3) for key in ("median_s", "p10_s", "p90_s")),
                number(d.get("compile_s"), 2),
                number(d.get("gflop"), 1),
                number(d.get("gflop_per_s"), 1),
                number(d.get("peak_memory_mb"), 0),
                number(d.get("runs"), 0),
                _date(d),
            ]
        )
    notes = [f"For comparison: {PAPER[0]}; {REPORT[0]}, which names no size and no device."]
    devices = {source.document["device"] for source in sources}
    if len(devices) > 1:
        notes.append(f"Rows of different devices do not compare: {'; '.join(sorted(devices))}.")
    return Table("latency", "Seconds to restore one batch", columns, rows, notes)


def _latency_plot(sources: Sequence[Source]) -> Plot | None:
    """Seconds a picture by megapixels; None where no file has both."""
    devices = {source.document["device"] for source in sources}
    precisions = {str(source.document.get("precision", "")) for source in sources}
    by_series: dict[str, list[tuple[float, float]]] = {}
    for source in sources:
        d = source.document
        height, width, seconds = (d.get(key) or 0 for key in ("height", "width", "median_s"))
        if not height * width * seconds > 0:
            continue
        batch = d.get("batch") or 1
        words = [_model(d)]
        words += [str(d.get("precision"))] if len(precisions) > 1 else []
        words += [f"batch {batch}"] if batch > 1 else []
        words += [d["device"]] if len(devices) > 1 else []
        place = (height * width / 1e6, seconds / batch)
        by_series.setdefault(", ".join(words), []).append(place)
    if not by_series:
        return None
    series = [
        plots.Line(name, [x for x, _ in sorted(values)], [y for _, y in sorted(values)])
        for name, values in by_series.items()
    ]
    svg = plots.points(
        "Seconds a picture against its size",
        series,
        x_label="megapixels",
        y_label="median seconds",
        log_x=True,
        log_y=True,
        reference=[PAPER, REPORT],
    )
    on = f" Measured on {next(iter(devices))}." if len(devices) == 1 else ""
    return Plot("latency", svg, f"Dashed: what the paper and the report state.{on}")


def _throughput_table(sources: Sequence[Source]) -> Table:
    columns = [
        Column("config", numeric=False), Column("device", numeric=False), Column("crop"),
        Column("batch"), Column("precision", numeric=False), Column("steps/s"),
        Column("images/s and device"), Column("median s a step"), Column("date", numeric=False),
    ]  # fmt: skip
    rows = []
    for source in sources:
        d = source.document
        rows.append(
            [
                Cell(str(d.get("config") or "not stated")),
                Cell(d["device"]),
                number(d.get("crop"), 0),
                number(d.get("batch"), 0),
                Cell(str(d.get("precision", "not stated"))),
                number(d.get("steps_per_second"), 2),
                number(d.get("images_per_second_per_device"), 2),
                number(d.get("median_s"), 3),
                _date(d),
            ]
        )
    return Table("throughput", "Training throughput", columns, rows)


def _rates(source: Source) -> dict[str, float]:
    """Way of feeding -> pairs a second, and what a training step consumes."""
    return {
        key.removesuffix(RATE).replace("_", " "): value
        for key, value in source.document.items()
        if key.endswith(RATE) and isinstance(value, int | float)
    }


def _input_table(sources: Sequence[Source]) -> Table:
    columns = [
        Column("way", numeric=False), Column("pairs/s"), Column("config", numeric=False),
        Column("device", numeric=False), Column("crop"), Column("batch"),
    ]  # fmt: skip
    rows = [
        [
            Cell(way),
            number(rate, 1),
            Cell(str(source.document.get("config") or "not stated")),
            Cell(source.document["device"]),
            number(source.document.get("crop"), 0),
            number(source.document.get("batch"), 0),
        ]
        for source in sources
        for way, rate in _rates(source).items()
    ]
    return Table("input-pipeline", "Feeding the training", columns, rows)


def _other_table(sources: Sequence[Source]) -> Table:
    columns = [Column("file", numeric=False), Column("benchmark", numeric=False),
               Column("device", numeric=False), Column("median s")]  # fmt: skip
    rows = [
        [
            Cell(source.path.name),
            Cell(str(source.document.get("benchmark") or "not stated")),
            Cell(source.document["device"]),
            number(source.document.get("median_s"), 3),
        ]
        for source in sources
    ]
    return Table("benchmarks", "Other benchmarks", columns, rows)
