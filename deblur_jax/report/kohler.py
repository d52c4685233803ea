"""Köhler's benchmark: aligned scores of each model, beside the published ones."""

from collections.abc import Sequence

from deblur_jax.report import history
from deblur_jax.report.documents import Source
from deblur_jax.report.remarks import of_one
from deblur_jax.report.scores import difference
from deblur_jax.web.elements import Cell, Column, Section, Table, gain, number


def section(sources: Sequence[Source]) -> Section:
    """Measured and published scores."""
    tables = [scores_table(sources), history.published_table("kohler", sources)]
    return Section("kohler", "Köhler's benchmark", tables, short="Köhler")


def scores_table(sources: Sequence[Source]) -> Table:
    """One row a model: the best over the frames, mean of the photographs."""
    columns = [
        Column("model", numeric=False), Column("photographs"), Column("PSNR blurred", help="dB"),
        Column("PSNR restored", help="dB"), Column("gain", help="dB"), Column("MS-SSIM blurred"),
        Column("MS-SSIM restored"), Column("median s"), Column("device", numeric=False),
    ]  # fmt: skip
    rows = []
    for source in sources:
        document = source.document
        before, after = document["blurred"], document["restored"]
        psnr = before.get("psnr"), after.get("psnr")
        rows.append(
            [
                Cell(source.label),
                Cell(str(document["count"]), document["count"]),
                number(psnr[0], 2),
                number(psnr[1], 2),
                gain(difference(*psnr), 2),
                *(number(side.get("ms_ssim"), 4) for side in (before, after)),
                number((document.get("seconds_per_image") or {}).get("median"), 3),
                Cell(str(document.get("device") or "not stated")),
            ]
        )
    notes = [note for source in sources for note in of_one(source)]
    notes.append(
        "Brightness scaled and shifted by whole pixels to each sharp frame, the best frame counts; "
        "the benchmark's figures are over all 48 photographs."
    )
    return Table("kohler-scores", "Aligned scores", columns, rows, notes)
