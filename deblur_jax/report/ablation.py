"""What each choice of a recipe is worth: the short trainings of `benchmarks.ablation`."""

from collections.abc import Sequence

from deblur_jax.report import measured
from deblur_jax.report.documents import Source
from deblur_jax.report.strict_json import Document
from deblur_jax.web.elements import Cell, Column, Element, Prose, Section, Table, gain, number


def section(sources: Sequence[Source]) -> Section:
    """One table a file, a row for each training in it."""
    elements: list[Element] = []
    for index, source in enumerate(sources):
        elements += [_table(source, index), *_common(source.document)]
    return Section("ablation", "What each choice of the recipe is worth", elements, "Ablation")


def _table(source: Source, index: int) -> Table:
    document = source.document
    folders = list(dict.fromkeys(each for row in document["rows"] for each in row["gain_db"]))
    columns = [Column("choice", numeric=False), Column("training", numeric=False)]
    for folder in folders:
        columns += [
            Column(f"gain on {folder}, dB", help="mean PSNR of the restored less the blurred"),
            Column("worst", help=f"the picture of {folder} that gained least, or lost most"),
        ]
    columns += [Column("processor s"), Column("differs in", numeric=False)]
    return Table(
        f"ablation-{index}" if index else "ablation",
        f"{source.path.name}: {measured.device(document)}",
        columns,
        [_row(row, folders) for row in document["rows"]],
    )


def _row(row: Document, folders: Sequence[str]) -> list[Cell]:
    cells = [Cell(row["choice"]), Cell(row["name"])]
    for folder in folders:
        found = row["gain_db"].get(folder) or {}
        cells += [gain(found.get("mean"), 2), gain(found.get("least"), 2)]
    changes = _fields(row.get("changes"))
    return [*cells, number(row.get("processor_s"), 0), Cell(changes or "nothing")]


def _common(document: Document) -> list[Prose]:
    common = _fields(document.get("common"))
    return [Prose(f"All of them have {common}.")] if common else []


def _fields(options: Sequence[str] | None) -> str:
    """A configuration's fields without what an option begins with, after which a line breaks."""
    return ", ".join(option.removeprefix("--config.") for option in options or ())
