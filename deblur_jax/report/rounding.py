"""What coarser products cost the pictures."""

from collections.abc import Sequence

from deblur_jax.report import measured
from deblur_jax.report.documents import Source
from deblur_jax.web.elements import Cell, Column, Table, number


def table(sources: Sequence[Source]) -> Table:
    """A row a type of products, of what `benchmarks.rounding` wrote."""
    columns = [
        Column("model", numeric=False), Column("pairs"), Column("products", numeric=False),
        Column("PSNR dB"),
        Column("loss dB", help="against products of float32, the mean over the pairs"),
        Column("worst loss dB", help="of one pair"),
        Column("mean level", help="difference of a pixel from float32's, of 255 grey levels"),
        Column("most levels", help="the largest of these"),
    ]  # fmt: skip
    rows = [
        [
            Cell(measured.model(document)),
            number(document.get("pairs"), 0),
            Cell(name),
            number(found.get("psnr"), 2),
            number(found.get("loss_db"), 3),
            number(found.get("worst_loss_db"), 3),
            number(found.get("mean_difference"), 3),
            number(found.get("largest_difference"), 1),
        ]
        for document in (source.document for source in sources)
        for name, found in document["products"].items()
    ]
    return Table("rounding", "What coarser products cost the pictures", columns, rows)
