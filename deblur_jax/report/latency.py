"""Seconds of a forward pass: a table, and seconds a picture against its size and the batch."""

from collections.abc import Sequence

from deblur_jax import plots
from deblur_jax.report import measured
from deblur_jax.report.documents import Source
from deblur_jax.report.series import series
from deblur_jax.report.strict_json import Document
from deblur_jax.web.elements import Cell, Column, Plot, Table, number, size

PAPER = ("0.85 s, the paper, on a Titan X", 0.85)
REPORT = ("0.97 s, the report, on hardware it does not name", 0.97)


def table(sources: Sequence[Source]) -> Table:
    """One row a file of `benchmarks.latency`."""
    columns = [
        Column("model", numeric=False), Column("device", numeric=False),
        Column("size", help="width × height in pixels"), Column("batch"),
        Column("precision", numeric=False), Column("median s"), Column("p10 s"), Column("p90 s"),
        Column("s a picture", help="the median by the batch"),
        Column("compilation s"), Column("GFLOP"), Column("GFLOP/s"),
        Column("memory MB"), Column("runs"), Column("date", numeric=False),
    ]  # fmt: skip
    notes = [f"For comparison: {PAPER[0]}; {REPORT[0]}."]
    devices = {measured.device(source.document) for source in sources}
    if len(devices) > 1:
        notes.append(f"Rows of different devices do not compare: {'; '.join(sorted(devices))}.")
    rows = [_row(source.document) for source in sources]
    return Table("latency", "Seconds to restore one batch", columns, rows, notes)


def _row(d: Document) -> list[Cell]:
    return [
        Cell(measured.model(d)),
        Cell(measured.device(d)),
        size(d.get("width"), d.get("height")),
        number(d.get("batch"), 0),
        Cell(measured.precision(d)),
        *(number(d.get(key), 3) for key in ("median_s", "p10_s", "p90_s")),
        number(_a_picture(d), 3),
        number(d.get("compile_s"), 2),
        number(d.get("gflop"), 1),
        number(d.get("gflop_per_s"), 1),
        number(d.get("peak_memory_mb"), 0),
        number(d.get("runs"), 0),
        measured.date(d),
    ]


def _a_picture(document: Document) -> float | None:
    seconds = document.get("median_s")
    return None if seconds is None else seconds / measured.batch(document)


def _batch_word(document: Document) -> str:
    return f"batch {measured.batch(document)}"


def drawings(sources: Sequence[Source]) -> list[Plot]:
    """Seconds a picture by megapixels, and by batch where several were measured."""
    documents = [source.document for source in sources]
    return [*_by_size(documents), *_by_batch(documents)]


def _by_size(documents: Sequence[Document]) -> list[Plot]:
    words = (measured.model, measured.precision, _batch_word, measured.device)
    # A single point is a plot too, as it stands beside the lines of others.
    found = series(documents, measured.megapixels, _a_picture, words, least=1)
    if found is None:
        return []
    svg = plots.points(
        "Seconds a picture against its size",
        found.lines,
        x_label="megapixels",
        y_label="median seconds",
        log_x=True,
        log_y=True,
        reference=[PAPER, REPORT],
    )
    caption = "Dashed: what the paper and the report state."
    return [Plot("latency", svg, f"{caption} {_measured_with(found.common)}".strip())]


def _by_batch(documents: Sequence[Document]) -> list[Plot]:
    words = (measured.model, measured.size, measured.precision, measured.device)
    found = series(documents, measured.batch, _a_picture, words)
    if found is None:
        return []
    svg = plots.points(
        "Seconds a picture against the batch",
        found.lines,
        x_label="pictures in one pass",
        y_label="median seconds a picture",
    )
    return [Plot("latency-by-batch", svg, _measured_with(found.common))]


def _measured_with(common: str) -> str:
    return f"Measured with {common}." if common else ""
