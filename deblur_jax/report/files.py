"""Where a report's numbers come from: each file, its weights, and how it was made."""

from pathlib import Path

from deblur_jax.report.documents import Source, Sources
from deblur_jax.web.elements import Cell, Column, Section, Table

DIGITS = 12  # of a sha256, enough to tell weights apart


def section(sources: Sources) -> Section:
    """One row a file, in the order of the report."""
    columns = [
        Column(title, numeric=False)
        for title in ("holds", "file", "model", "weights' sha256", "device", "date", "command")
    ]
    kinds = (
        ("evaluation", sources.evaluations),
        ("kernel study", sources.kernel_studies),
        ("Köhler's benchmark", sources.kohler),
        ("ablation", sources.ablations),
        ("benchmark", sources.benchmarks),
    )
    rows = [_row(source, words) for words, own in kinds for source in own]
    rows += [[Cell("training"), _file(path), *[_text(None)] * 5] for path in sources.trainings]
    table = Table("files-read", "What this report is made of", columns, rows)
    return Section("files", "Files", [table])


def _row(source: Source, words: str) -> list[Cell]:
    document = source.document
    weights = document.get("weights")
    known = weights if isinstance(weights, dict) else {}
    digest, date = known.get("sha256"), document.get("date")
    return [
        Cell(words),
        _file(source.path),
        _text(source.label or known.get("name")),
        _text(digest[:DIGITS] if isinstance(digest, str) else None),
        _text(document.get("device")),
        _text(date[:10] if isinstance(date, str) else None),
        _text(document.get("command")),
    ]


def _file(path: Path) -> Cell:
    """Its last folder and its name: a page may be published, and no one's home with it."""
    path = path.resolve()
    return Cell(f"{path.parent.name}/{path.name}")


def _text(value: object) -> Cell:
    return Cell(value) if isinstance(value, str) and value else Cell("–", mood="none")
