"""The Columbia report's Table 1 and other published figures, beside what was measured."""

from collections.abc import Sequence
from typing import Any

from deblur_jax.report.documents import Document, Source
from deblur_jax.report.published import Published, differences, published
from deblur_jax.report.remarks import blur_words, protocol_words
from deblur_jax.web.elements import Cell, Column, Table, number

Row = list[Cell]

# The report's rows: its name of the model, the figure's place in `published.json`, and the presets
# whose training is that model's.
TABLE_1 = (
    ("VGG19", "VGG19 (the report)", ("seed_report:vgg19", "seed_report:as_trained")),
    ("VGG16", "VGG16 (the report)", ("seed_report:vgg16",)),
    ("DeblurGAN, the paper", "DeblurGAN", ("paper", "official_2018")),
)


def table_1(evaluations: Sequence[Source]) -> Table:
    """The report's Table 1: PSNR and seconds, published and measured here.

    A model counts as the report's VGG19, as its VGG16 or as the paper's where its weights say that
    a preset of that name trained them. What nobody measured says so.
    """
    columns = [
        Column("model", numeric=False),
        Column("published PSNR", help="dB"),
        Column("published s", help="seconds a picture"),
        Column("published of", numeric=False),
        Column("PSNR here", help="dB"),
        Column("blurred input here", help="dB"),
        Column("median s here", help="seconds a picture, compilation apart"),
        Column("measured here on", numeric=False),
        Column("what differs", numeric=False),
    ]
    rows, used = [], set()
    for words, model, presets in TABLE_1:
        figure = next(each for each in published("gopro") if each.model == model)
        own = [source for source in evaluations if preset_of(source.document) in presets]
        used |= {id(source) for source in own}
        rows += [_table_1_row(words, figure, source) for source in own]
        rows += [] if own else [_table_1_row(words, figure, None)]
    for source in evaluations:
        if id(source) not in used and source.document["protocol"] == "resize256":
            rows.append(_table_1_row(source.label, None, source))
    if all(row[-1].mood == "none" for row in rows):  # nothing to tell
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    notes = [
        "Seconds: 0.85 is the paper's, on a Titan X; 0.97 the report's, which names no size and no "
        "device. Neither printed the blurred input's own PSNR.",
        "A model stands in the report's rows where its weights say that a preset of that name "
        "trained them; below are all others measured at 256x256. Every other protocol is in the "
        "scores.",
    ]
    return Table("table-1", "PSNR and seconds, published and measured here", columns, rows, notes)


def preset_of(document: Document) -> str | None:
    """The preset that trained the weights, such as `seed_report:vgg19`, where they say so."""
    preset = document["weights"].get("preset")
    return preset if isinstance(preset, str) else None


def _table_1_row(words: str, figure: Published | None, source: Source | None) -> Row:
    if figure is None:
        theirs = [number(None, 2, none="–"), number(None, 2, none="–"), Cell("–", mood="none")]
    else:
        theirs = [
            number(figure.psnr, 2),
            number(figure.seconds, 2, none="not published"),
            Cell(of_words(figure)),
        ]
    if source is None:
        nothing = [number(None, 0)] * 4
        return [Cell(words), *theirs, *nothing, Cell("–", mood="none")]
    document = source.document
    seconds = (document.get("seconds_per_image") or {}).get("median")
    where = [f"{document['count']} of {document['dataset']}", protocol_words(document)]
    where += [str(document["device"])] if document.get("device") else []
    differs = differences(figure, document) if figure else []
    return [
        Cell(words if words == source.label else f"{words}: {source.label}"),
        *theirs,
        number(document["restored"].get("psnr"), 2),
        number(document["blurred"].get("psnr"), 2),
        number(seconds, 3),
        Cell(", ".join(where)),
        Cell("; ".join(differs)) if differs else Cell("–", mood="none"),
    ]


def of_words(figure: Published) -> str:
    """What a published figure is a figure of: `1111 pictures, full, linear`."""
    size = figure.protocol or "size not stated"
    if figure.filter and figure.filter != "bicubic":
        size += f" by {figure.filter}"
    blur = [] if figure.dataset == "kohler" else [figure.subset or "blur not stated"]
    count = f"{figure.pictures} pictures" if figure.pictures else "pictures not stated"
    return ", ".join([count, size, *blur])


def published_table(dataset: str, measured: Sequence[Source]) -> Table:
    """Published figures with what they are figures of, and how they stand to what was measured.

    Args:
      dataset: `gopro` or `kohler`.
      measured: results, of any data; where one is of the same pictures and protocol, its row
        stands among them.
    """
    columns = [
        Column("model", numeric=False), Column("PSNR", help="dB"), Column("SSIM"),
        Column("which SSIM", numeric=False), Column("seconds", help="of one picture"),
        Column("of", numeric=False, help="pictures, size, and GoPro's kind of blur"),
        Column("beside what was measured here", numeric=False), Column("source", numeric=False),
    ]  # fmt: skip
    figures = published(dataset)
    rows = [_published_row(figure, measured) for figure in figures]
    alike = [s for s in measured if any(not differences(f, s.document) for f in figures)]
    rows = [_measured_row(source) for source in alike] + rows
    notes = [] if alike else [
        "None of the files measured here is of the same pictures under the same protocol: these "
        "figures are for orientation."
    ]  # fmt: skip
    title = {"gopro": "Published on GoPro", "kohler": "Published on Köhler's benchmark"}[dataset]
    return Table(f"published-{dataset}", title, columns, rows, notes)


def _published_row(figure: Published, measured: Sequence[Source]) -> Row:
    seconds = number(figure.seconds, 2, none="–")
    source = f"{figure.source}. {figure.remark}" if figure.remark else figure.source
    if figure.hardware and figure.hardware not in source:
        source += f". Seconds: {figure.hardware}"
    return [
        Cell(figure.model),
        number(figure.psnr, 2),
        # Three digits or four, as it was printed.
        number(figure.ssim, 4 if len(str(figure.ssim)) > 5 else 3, none="–"),
        Cell(figure.ssim_words),
        seconds,
        Cell(of_words(figure)),
        _beside(figure, measured),
        Cell(f"{source}."),
    ]


def _beside(figure: Published, measured: Sequence[Source]) -> Cell:
    """With which of the measured files a figure compares, or why not with the nearest."""
    found = [(differences(figure, source.document), source.label) for source in measured]
    nearest, label = min(found, key=lambda each: len(each[0]), default=(None, ""))
    if nearest is None:
        return Cell("nothing measured", mood="none")
    if nearest:
        return Cell(f"not comparable with {label}: {'; '.join(nearest)}")
    alike = [name for differs, name in found if not differs]
    return Cell(f"the same protocol as {', '.join(alike)}")


def _measured_row(source: Source) -> Row:
    document: dict[str, Any] = source.document
    kohler = document["protocol"] == "kohler"
    where = [f"{document['count']} pictures", protocol_words(document)]
    where += [] if kohler else [blur_words(document)]
    device = document.get("device")
    return [
        Cell(f"{source.label}, measured here"),
        number(document["restored"].get("psnr"), 2),
        number(document["restored"].get("ms_ssim" if kohler else "ssim"), 4),
        Cell("multi-scale" if kohler else "per channel"),
        number((document.get("seconds_per_image") or {}).get("median"), 2, none="–"),
        Cell(", ".join(where)),
        Cell("–", mood="none"),
        Cell(f"{source.path.name}{f', seconds on {device}' if device else ''}."),
    ]
