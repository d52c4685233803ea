"""Section 5.3 of the Columbia report, from `kernel_study.json`: Figs. 7 to 10 and the verdict."""

from typing import Any

from deblur_jax.report.documents import Source
from deblur_jax.report.pictures import thumbnail
from deblur_jax.report.svg_files import drawing
from deblur_jax.web.elements import (
    Cell,
    Column,
    Element,
    Folded,
    Heading,
    Plot,
    Plots,
    Prose,
    Section,
    Strip,
    Strips,
    Table,
    gain,
    number,
)

MOST_SHEETS = 2  # pictures that are shown under every kernel
SHOWN = {  # and their captions; the study's other plots are folded
    "difference_by_kernel": "Fig. 9: what restoring changes, by kernel",
    "difference_by_size": "Fig. 10: what restoring changes, by size",
    "gain_psnr_by_kernel": "Not in the report: the gain against the sharp picture, by kernel",
    "gain_psnr_by_size": "Not in the report: the gain against the sharp picture, by size",
}
JUDGES = {  # how a conclusion is judged: the column's head and its longer words
    "difference": ("by the change", "from blurred to restored, as the report judged"),
    "gain_psnr": ("by the gain", "in PSNR against the sharp picture"),
}
VERDICTS = {
    True: ("holds", "better"),
    False: ("does not hold", "worse"),
    None: ("cannot be told", ""),
}


def section(source: Source, number_of: int) -> Section:
    """The section of one study; its plots and sheets are read from beside the file.

    Raises:
      UserError: a plot or a sheet that is there cannot be read.
    """
    document = source.document
    suffix = f"-{number_of}" if number_of else ""
    on = f" on {document['images']}" if document.get("images") else ""
    failed = document.get("failed") or []
    named = "; ".join(f"{each['picture']} ({each['reason']})" for each in failed)
    said = f"{len(failed)} not studied, in no mean: {named}."
    warnings: list[Element] = [Prose(said, warning=True)] if failed else []
    return Section(
        f"kernels{suffix}",
        f"Kernels and sizes (section 5.3): {source.label}{on}",
        [
            *warnings,
            _findings(document, f"kernel-findings{suffix}"),
            Folded("The conclusion in words", Prose(document["conclusion"])),
            _means(document, f"kernel-study{suffix}"),
            *_plots(source, suffix),
            *_sheets(source),
        ],
        short=f"Kernels{on}",
    )


def _means(document: dict[str, Any], name: str) -> Table:
    columns = [
        Column("kernel", numeric=False), Column("size", help="pixels"), Column("pictures"),
        Column("change", help="mean |restored − blurred| in grey levels, as the report measured"),
        Column("± over pictures"), Column("the report's bar", help="Fig. 9; no unit is stated"),
        Column("PSNR blurred", help="dB"), Column("PSNR restored", help="dB"),
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
                number(change.get("mean"), 2, none="–"),
                number(change.get("std"), 2, none="–"),
                number(_bar(document, each), 1, none="–"),
                number(each["blurred_psnr"].get("mean"), 2, none="–"),
                number(each["restored_psnr"].get("mean"), 2, none="–"),
                gain(better.get("mean"), 2, none="–"),
                number(better.get("std"), 2, none="–"),
                gain(each["gain_ssim"].get("mean"), 4, none="–"),
            ]
        )
    notes = [f"{kernel}: {words}." for kernel, words in document["kernels"].items()]
    if any(row[5].value is not None for row in rows):
        notes.append(
            "The report's bars have no unit and were taken of another model and other pictures: "
            "they compare with each other, not with the change measured here."
        )
    return Table(name, "Means over the pictures", columns, rows, notes)


def _bar(document: dict[str, Any], row: dict[str, Any]) -> float | None:
    """What Fig. 9 shows for a kernel and size, where the study repeats it."""
    bars = (document.get("report") or {}).get(row["kernel"])
    value = bars.get(str(row["size"])) if isinstance(bars, dict) else None
    return value if isinstance(value, int | float) else None


def _findings(document: dict[str, Any], name: str) -> Table:
    """A conclusion a row, each judged by both measures."""
    found: dict[str, dict[str, bool | None]] = {}
    for each in document.get("findings") or []:
        found.setdefault(each["claim"], {})[each["measure"]] = each.get("holds")
    columns = [
        Column("the report's conclusion: the effect is", numeric=False),
        *(Column(head, numeric=False, help=words) for head, words in JUDGES.values()),
    ]
    rows = [
        [Cell(claim), *(_verdict(held, measure) for measure in JUDGES)]
        for claim, held in found.items()
    ]
    notes = [f"{head.capitalize()}: {words}." for head, words in JUDGES.values()]
    return Table(name, "The report's conclusions for these weights", columns, rows, notes)


def _verdict(held: dict[str, bool | None], measure: str) -> Cell:
    if measure not in held:
        return Cell("not judged", mood="none")
    words, mood = VERDICTS[held[measure]]
    return Cell(words, mood=mood)


def _plots(source: Source, suffix: str) -> list[Element | Folded]:
    """Figs. 9 and 10 and the gains; the other measures are folded."""
    by_stem: dict[str, Plot] = {}
    for file in source.document.get("plots") or []:
        path = source.path.parent / file
        if path.is_file():
            svg = drawing(path)
            by_stem[path.stem] = Plot(f"{path.stem}{suffix}", svg, SHOWN.get(path.stem, ""))
    if not by_stem:
        return [Prose("The study's plots are not beside its file.")]
    first = [by_stem[stem] for stem in SHOWN if stem in by_stem]
    others = [plot for stem, plot in by_stem.items() if stem not in SHOWN]
    found: list[Element | Folded] = [Plots(first)] if first else []
    return found + ([Folded("Plots of the other measures", Plots(others))] if others else [])


def _sheets(source: Source) -> list[Element | Folded]:
    """Figs. 7 and 8: a picture under each kernel shown, the next folded."""
    by_picture: dict[str, list[Strip]] = {}
    for file in source.document.get("sheets") or []:
        path = source.path.parent / file
        picture, _, kernel = path.stem.rpartition("_")
        if picture not in by_picture and len(by_picture) == MOST_SHEETS:
            break
        if path.is_file():
            caption = f"{picture}, {kernel}: sharp, blurred, restored"
            by_picture.setdefault(picture, []).append(thumbnail(path, caption))
    found: list[Element | Folded] = []
    for picture, strips in by_picture.items():
        every = Strips(strips)
        found.append(Folded(f"{picture} under each kernel", every) if found else every)
    heading = Heading("Figs. 7 and 8: a detail under each kernel and size")
    return [heading, *found] if found else []
