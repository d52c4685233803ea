"""Section 5.3 of the Columbia report, from `kernel_study.json`: Figs. 7 to 10 and the verdict."""

from typing import Any

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError
from deblur_jax.report.documents import Source
from deblur_jax.report.pictures import thumbnail
from deblur_jax.web.elements import (
    Cell,
    Column,
    Element,
    Folded,
    Plot,
    Plots,
    Prose,
    Section,
    Strip,
    Table,
    gain,
    number,
)

MOST_SHEETS = 3  # of each kernel
FIGURES = {
    "difference_by_kernel": "Fig. 9: what restoring changes, by kernel",
    "difference_by_size": "Fig. 10: what restoring changes, by size",
}
_HOLDS = {True: "holds", False: "does not hold", None: "cannot be told"}


def section(source: Source, number_of: int) -> Section:
    """The section of one study; its plots and sheets are read from beside the file.

    Raises:
      UserError: the document lacks something, or a plot that is there cannot be read.
    """
    document = source.document
    suffix = f"-{number_of}" if number_of else ""
    try:
        tables = [_means(document, f"kernel-study{suffix}"), _findings(document, suffix)]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{source.path}: a damaged study, {reason(error)}") from error
    failed = document.get("failed") or []
    warnings: list[Element] = [
        Prose(f"{len(failed)} pictures were not studied, the first: {failed[0].get('reason')}.")
    ] * bool(failed)
    return Section(
        f"kernels{suffix}",
        f"Kernels and sizes (section 5.3): {source.label}",
        [
            Prose(document["conclusion"]),
            *warnings,
            *tables,
            *_plots(source, suffix),
            *_sheets(source),
        ],
    )


def _means(document: dict[str, Any], name: str) -> Table:
    columns = [
        Column("kernel", numeric=False), Column("size", help="pixels"), Column("pictures"),
        Column("|restored − blurred|", help="grey levels, what the report measured"),
        Column("± over pictures"), Column("PSNR blurred"), Column("PSNR restored"),
        Column("gain", help="dB, against the sharp picture"), Column("± over pictures"),
        Column("gain SSIM"),
    ]  # fmt: skip
    rows = []
    for each in document["summary"]:
        change, better = each["difference"], each["gain_psnr"]
        rows.append(
            [
                Cell(each["kernel"]),
                number(each["size"], 0),
                number(each["count"], 0),
                number(change["mean"], 2, none="–"),
                number(change["std"], 2, none="–"),
                number(each["blurred_psnr"]["mean"], 2, none="–"),
                number(each["restored_psnr"]["mean"], 2, none="–"),
                gain(better["mean"], 2, none="–"),
                number(better["std"], 2, none="–"),
                gain(each["gain_ssim"]["mean"], 4, none="–"),
            ]
        )
    means = [f"{kernel}: {words}." for kernel, words in document["kernels"].items()]
    return Table(name, "Means over the pictures", columns, rows, means)


def _findings(document: dict[str, Any], suffix: str) -> Table:
    columns = [Column("the report's conclusion", numeric=False), Column("judged by", numeric=False),
               Column("for these weights", numeric=False)]  # fmt: skip
    words = {
        "difference": "the change from blurred to restored, as the report did",
        "gain_psnr": "the gain against the sharp picture",
    }
    rows = [
        [
            Cell(f"{'the measure is ' if each['claim'].startswith('larger') else ''}"
                 f"{each['claim']}"),
            Cell(words.get(each["measure"], each["measure"])),
            Cell(_HOLDS.get(each["holds"], "cannot be told"),
                 mood={True: "better", False: "worse"}.get(each["holds"], "")),
        ]
        for each in document.get("findings", [])
    ]  # fmt: skip
    return Table(f"kernel-findings{suffix}", "The report's two conclusions", columns, rows)


def _plots(source: Source, suffix: str) -> list[Element]:
    found = []
    for file in source.document.get("plots") or []:
        path = source.path.parent / str(file)
        if path.is_file():
            stem = path.stem
            svg = path.read_text(encoding="utf-8").partition("<svg")
            found.append(Plot(f"{stem}{suffix}", svg[1] + svg[2], FIGURES.get(stem, "")))
    return [Plots(found)] if found else [Prose("The study's plots are not beside its file.")]


def _sheets(source: Source) -> list[Element | Folded]:
    """Figs. 7 and 8, the first shown, the others folded."""
    by_kernel: dict[str, list[str]] = {}
    for file in source.document.get("sheets") or []:
        if (source.path.parent / str(file)).is_file():
            by_kernel.setdefault(str(file).rpartition("_")[2], []).append(str(file))
    strips: list[Element | Folded] = []
    for files in by_kernel.values():
        for place, file in enumerate(files[:MOST_SHEETS]):
            caption = f"{file.rpartition('/')[2].removesuffix('.png')}: sharp, blurred, restored"
            strip = Strip(thumbnail(source.path.parent / file, 1400), caption)
            strips.append(strip if place == 0 else Folded(caption, strip))
    return strips
