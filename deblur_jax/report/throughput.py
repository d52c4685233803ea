"""Training steps: a table, and images a second against devices and against the batch."""

from collections.abc import Sequence

from deblur_jax import plots
from deblur_jax.report import measured
from deblur_jax.report.documents import Source
from deblur_jax.report.series import Measure, Word, series
from deblur_jax.report.strict_json import Document
from deblur_jax.web.elements import Cell, Column, Plot, Table, number


def table(sources: Sequence[Source]) -> Table:
    """One row a file of `benchmarks.throughput`."""
    columns = [
        Column("config", numeric=False), Column("device", numeric=False), Column("devices"),
        Column("crop"), Column("batch"), Column("precision", numeric=False), Column("steps/s"),
        Column("images/s"), Column("images/s and device"), Column("median s a step"),
        Column("date", numeric=False),
    ]  # fmt: skip
    rows = [_row(source.document) for source in sources]
    return Table("throughput", "Training throughput", columns, rows)


def _row(d: Document) -> list[Cell]:
    return [
        Cell(measured.config(d)),
        Cell(measured.device(d)),
        number(d.get("device_count"), 0),
        number(d.get("crop"), 0),
        number(d.get("batch"), 0),
        Cell(measured.precision(d)),
        number(d.get("steps_per_second"), 2),
        number(d.get("images_per_second"), 2),
        number(d.get("images_per_second_per_device"), 2),
        number(d.get("median_s"), 3),
        measured.date(d),
    ]


def _devices(document: Document) -> float | None:
    return document.get("device_count")


def _batch(document: Document) -> float | None:
    return document.get("batch")


def _crop(document: Document) -> str:
    return f"crops of {document.get('crop') or measured.NOT_STATED}"


def _device_word(document: Document) -> str:
    return f"devices: {_devices(document) or measured.NOT_STATED}"


def _batch_word(document: Document) -> str:
    return f"batch {_batch(document) or measured.NOT_STATED}"


def _share_word(document: Document) -> str:
    batch, devices = _batch(document), _devices(document)
    return f"batch {batch / devices:g} a device" if batch and devices else measured.NOT_STATED


def drawings(sources: Sequence[Source]) -> list[Plot]:
    """Images a second against devices, with the batch or each device's share of it kept, and
    against the batch; each where at least two points differ in nothing else."""
    kinds: list[tuple[str, str, Measure, Word]] = [
        ("devices", "devices, same batch", _devices, _batch_word),
        ("devices-and-batch", "devices, same batch a device", _devices, _share_word),
        ("batch", "the batch", _batch, _device_word),
    ]
    documents = [source.document for source in sources]
    return [
        plot
        for name, words, x, kept in kinds
        if (plot := _drawing(documents, f"throughput-by-{name}", words, x, kept))
    ]


def _drawing(
    documents: Sequence[Document], name: str, against: str, x: Measure, kept: Word
) -> Plot | None:
    words = (measured.config, _crop, measured.precision, kept, measured.device)
    found = series(documents, x, lambda document: document.get("images_per_second"), words)
    if found is None:
        return None
    svg = plots.points(
        f"Images/s against {against}",
        found.lines,
        x_label="devices" if x is _devices else "pairs an update, on all devices",
        y_label="images a second",
    )
    return Plot(name, svg, f"Measured with {found.common}." if found.common else "")
