"""Times measured by the benchmarks, beside the paper's 0.85 s and the report's 0.97 s."""

from collections.abc import Sequence
from typing import Any

from deblur_jax import plots
from deblur_jax.report.documents import Source
from deblur_jax.web.elements import Cell, Column, Element, Plot, Plots, Section, Table, number

PAPER = ("0.85 s, the paper, on a Titan X", 0.85)
REPORT = ("0.97 s, the report", 0.97)


def section(sources: Sequence[Source]) -> Section:
    """Latency by size with its plot, and training throughput."""
    latency = [s for s in sources if "median_s" in s.document and _is(s, "latency")]
    training = [s for s in sources if _is(s, "throughput") and "steps_per_second" in s.document]
    other = [s for s in sources if s not in latency and s not in training]
    found: list[Element] = []
    if latency:
        found += [_latency_table(latency), Plots([_latency_plot(latency)])]
    if training:
        found.append(_throughput_table(training))
    if other:
        found.append(_other_table(other))
    return Section("speed", "Speed", found)


def _is(source: Source, benchmark: str) -> bool:
    return source.document.get("benchmark", "latency") == benchmark


def _model(document: dict[str, Any]) -> str:
    return str(document.get("weights") or document.get("config") or "not stated")


def _latency_table(sources: Sequence[Source]) -> Table:
    columns = [
        Column("model", numeric=False), Column("device", numeric=False), Column("width"),
        Column("height"), Column("batch"), Column("precision", numeric=False),
        Column("median s"), Column("p10 s"), Column("p90 s"), Column("compilation s"),
        Column("GFLOP"), Column("GFLOP/s"), Column("memory MB"), Column("runs"),
        Column("date", numeric=False),
    ]  # fmt: skip
    rows = []
    for source in sources:
        d = source.document
        rows.append(
            [
                Cell(_model(d)),
                Cell(str(d["device"])),
                *(number(d.get(key), 0) for key in ("width", "height", "batch")),
                Cell(str(d.get("precision", "not stated"))),
                *(number(d.get(key), 3) for key in ("median_s", "p10_s", "p90_s")),
                number(d.get("compile_s"), 2),
                number(d.get("gflop"), 1),
                number(d.get("gflop_per_s"), 1),
                number(d.get("peak_memory_mb"), 0),
                number(d.get("runs"), 0),
                Cell(str(d.get("date", "not stated"))[:10]),
            ]
        )
    notes = [f"For comparison: {PAPER[0]}; {REPORT[0]}, which names no size and no device."]
    devices = {str(s.document["device"]) for s in sources}
    if len(devices) > 1:
        notes.append(f"Rows of different devices do not compare: {'; '.join(sorted(devices))}.")
    return Table("latency", "Seconds to restore one batch", columns, rows, notes)


def _latency_plot(sources: Sequence[Source]) -> Plot:
    by_series: dict[str, list[tuple[float, float]]] = {}
    for source in sources:
        d = source.document
        if not all(isinstance(d.get(k), int | float) for k in ("height", "width", "median_s")):
            continue
        batch = d.get("batch") or 1
        name = ", ".join(
            [_model(d), str(d.get("precision", "")), str(d["device"])]
            + ([f"batch {batch}"] if batch > 1 else [])
        )
        megapixels = d["height"] * d["width"] / 1e6
        by_series.setdefault(name, []).append((megapixels, d["median_s"] / batch))
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
    return Plot("latency", svg, "Horizontal lines: what the paper and the report state.")


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
                Cell(str(d.get("config"))),
                Cell(str(d["device"])),
                number(d.get("crop"), 0),
                number(d.get("batch"), 0),
                Cell(str(d.get("precision", "not stated"))),
                number(d.get("steps_per_second"), 2),
                number(d.get("images_per_second_per_device"), 2),
                number(d.get("median_s"), 3),
                Cell(str(d.get("date", "not stated"))[:10]),
            ]
        )
    return Table("throughput", "Training", columns, rows)


def _other_table(sources: Sequence[Source]) -> Table:
    columns = [Column("file", numeric=False), Column("benchmark", numeric=False),
               Column("device", numeric=False), Column("median s")]  # fmt: skip
    rows = [
        [
            Cell(source.path.name),
            Cell(str(source.document.get("benchmark", "not stated"))),
            Cell(str(source.document["device"])),
            number(source.document.get("median_s"), 3),
        ]
        for source in sources
    ]
    return Table("benchmarks", "Other benchmarks", columns, rows)
