"""Formulations of a network against one another."""

from collections.abc import Sequence

from deblur_jax.report import measured
from deblur_jax.report.documents import Source
from deblur_jax.web.elements import Cell, Column, Table, number, size


def table(sources: Sequence[Source]) -> Table:
    """A row a form, of what `benchmarks.forms` wrote."""
    columns = [
        Column("model", numeric=False), Column("device", numeric=False), Column("size"),
        Column("batch"), Column("precision", numeric=False), Column("form", numeric=False),
        Column("median s"),
        Column("ratio", help="against the form that is chosen there, the median over rounds"),
        Column("most away", help="the largest difference of a pixel, -1 being black and 1 white"),
    ]  # fmt: skip
    rows = [
        [
            Cell(measured.model(document)),
            Cell(measured.device(document)),
            size(document.get("width"), document.get("height")),
            number(document.get("batch"), 0),
            Cell(measured.precision(document)),
            Cell(name),
            number(form.get("median_s"), 4),
            number(form.get("ratio"), 3),
            number(form.get("difference"), 6),
        ]
        for document in (source.document for source in sources)
        for name, form in document["forms"].items()
    ]
    return Table("forms", "Formulations of one network in turn", columns, rows)
