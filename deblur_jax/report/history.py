"""The Columbia report's Table 1 and other published figures, beside what was measured."""

from collections.abc import Sequence
from typing import Any

from deblur_jax.report.documents import Document, Source
from deblur_jax.report.published import Published, differences, published
from deblur_jax.report.scores import blur_words, protocol_words
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
        Column("PSNR here", help="dB"),
        Column("blurred input here", help="dB"),
        Column("median s here"),
        Column("measured on", numeric=False),
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
    notes = [
        "The report measured at 256x256 (whole frames squeezed), the paper did not say at what "
        "size; neither printed the blurred input's own score. Seconds: 0.85 is the paper, on a "
        "Titan X; 0.97 the report, which names no size.",
        "Models measured here under resize256 stand below; every other protocol is in the scores.",
    ]
    return Table("table-1", "Table 1 of the report, regenerated", columns, rows, notes)


def preset_of(document: Document) -> str | None:
    """The preset that trained the weights, such as `seed_report:vgg19`, where they say so."""
    preset = document["weights"].get("preset")
    return preset if isinstance(preset, str) else None


def _table_1_row(words: str, figure: Published | None, source: Source | None) -> Row:
    theirs = [
        number(figure.psnr if figure else None, 2, none="–" if figure is None else "not published"),
        number(
            figure.seconds if figure else None, 2, none="–" if figure is None else "not published"
        ),
    ]
    if source is None:
        return [Cell(words), *theirs, *(number(None, 2) for _ in range(3)), number(None, 0)]
    document = source.document
    seconds = (document.get("seconds_per_image") or {}).get("median")
    where = (
        f"{document['count']} of {document['dataset']}, {protocol_words(document)}, "
        f"{document.get('device', 'device not stated')}"
    )
    name = words if words == source.label else f"{words}: {source.label}"
    return [
        Cell(name),
        *theirs,
        number(document["restored"].get("psnr"), 2),
        number(document["blurred"].get("psnr"), 2),
        number(seconds, 3),
        Cell(where),
    ]


def published_table(dataset: str, measured: Sequence[Source]) -> Table:
    """Published figures with what they are figures of, and how they stand to what was measured.

    Args:
      dataset: `gopro` or `kohler`.
      measured: results, of any data; where one is of the same pictures and protocol, its row
        stands among them.
    """
    columns = [
        Column("model", numeric=False), Column("PSNR", help="dB"), Column("SSIM"),
        Column("which SSIM", numeric=False), Column("seconds"), Column("time of", numeric=False),
        Column("pictures"), Column("protocol", numeric=False), Column("blur", numeric=False),
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
    found = [(differences(figure, source.document), source.label) for source in measured]
    nearest, label = min(found, key=lambda each: len(each[0]), default=(None, ""))
    if nearest is None:
        beside = Cell("nothing measured", mood="none")
    elif nearest:
        beside = Cell(f"not comparable with {label}: {'; '.join(nearest)}")
    else:
        beside = Cell(f"the same protocol as {label}")
    return [
        Cell(figure.model),
        number(figure.psnr, 2),
        number(figure.ssim, 4 if len(str(figure.ssim)) > 5 else 3, none="–"),
        Cell(figure.ssim_words),
        number(figure.seconds, 2, none="–"),
        Cell(figure.hardware),
        number(figure.pictures, 0, none="not stated"),
        Cell(figure.protocol or "not stated"),
        Cell(figure.subset or ("not stated" if figure.dataset == "gopro" else "")),
        beside,
        Cell(figure.source + (f". {figure.remark}" if figure.remark else "")),
    ]


def _measured_row(source: Source) -> Row:
    document: dict[str, Any] = source.document
    key = "ms_ssim" if document["protocol"] == "kohler" else "ssim"
    return [
        Cell(f"{source.label}, measured here"),
        number(document["restored"].get("psnr"), 2),
        number(document["restored"].get(key), 4),
        Cell("multi-scale" if key == "ms_ssim" else "per channel"),
        number((document.get("seconds_per_image") or {}).get("median"), 2, none="–"),
        Cell(str(document.get("device", ""))),
        number(document["count"], 0),
        Cell(protocol_words(document)),
        Cell(blur_words(document)),
        Cell(""),
        Cell(source.path.name),
    ]
