"""Several models on the same pictures: models as columns, and each picture's gain."""

from collections.abc import Sequence

from deblur_jax.report.documents import Source, comparable_key
from deblur_jax.report.scores import CONVENTIONS, difference, digits_of, gain_of
from deblur_jax.web.elements import Cell, Column, Table, gain, number

SIDES = ("blurred", "restored")


def groups(evaluations: Sequence[Source]) -> list[list[Source]]:
    """Evaluations that may stand in one table: same pictures, same protocol; order is kept."""
    found: dict[object, list[Source]] = {}
    for source in evaluations:
        found.setdefault(comparable_key(source.document), []).append(source)
    return list(found.values())


def model_table(group: Sequence[Source], name: str) -> Table:
    """Scores as rows and models as columns, the blurred input first; the best is marked."""
    columns = [
        Column("score", numeric=False),
        Column("blurred input"),
        *(Column(source.label) for source in group),
    ]
    rows = []
    for key, (title, _) in CONVENTIONS.items():
        values = [source.document["restored"].get(key) for source in group]
        if all(value is None for value in values):
            continue
        input_score = group[0].document["blurred"].get(key)
        known = [value for value in values if value is not None]
        best = min(known) if key in LOWER_IS_BETTER else max(known)
        cells = [
            Cell(cell.text, cell.value, "better" if value == best and len(known) > 1 else cell.mood)
            for value in values
            for cell in [number(value, digits_of(key))]
        ]
        rows.append([Cell(title), number(input_score, digits_of(key), none="–"), *cells])
    rows.append([Cell("seconds a picture, median"), Cell("–", mood="none"), *_seconds(group)])
    rows.append([Cell("pictures where it is best"), Cell("–", mood="none"), *_wins(group)])
    rows.append([Cell("pictures worse than the input"), Cell("–", mood="none"), *_losses(group)])
    devices = sorted({str(source.document.get("device", "not stated")) for source in group})
    notes = [f"Seconds were taken on different devices: {', '.join(devices)}."] * (len(devices) > 1)
    return Table(name, "Models side by side", columns, rows, notes)


LOWER_IS_BETTER = ("lpips", "niqe")


def gains_table(group: Sequence[Source], name: str) -> Table:
    """Each picture's gain in dB by every model."""
    columns = [
        Column("picture", numeric=False),
        Column("PSNR blurred", help="dB"),
        *(Column(source.label, help="gain in dB") for source in group),
    ]
    own = [{e["name"]: gain_of(e) for e in source.document["per_image"]} for source in group]
    rows = [
        [
            Cell(entry["name"]),
            number(entry["blurred"].get("psnr"), 2, none="–"),
            *(gain(gains.get(entry["name"]), 2, none="–") for gains in own),
        ]
        for entry in group[0].document["per_image"]
    ]
    return Table(name, "Gain of every picture in dB, by model", columns, rows)


def gains_of(source: Source, names: Sequence[str]) -> list[float | None]:
    """The gains of the pictures of these names, in their order."""
    found = {entry["name"]: gain_of(entry) for entry in source.document["per_image"]}
    return [found.get(name) for name in names]


def _seconds(group: Sequence[Source]) -> list[Cell]:
    times = [(s.document.get("seconds_per_image") or {}).get("median") for s in group]
    return [number(seconds, 3) for seconds in times]


def _wins(group: Sequence[Source]) -> list[Cell]:
    names = [entry["name"] for entry in group[0].document["per_image"]]
    own = [gains_of(source, names) for source in group]
    counts = [0] * len(group)
    for gains in zip(*own, strict=True):
        known = [value for value in gains if value is not None]
        for index, value in enumerate(gains):
            if len(known) == len(group) and value == max(known) and known.count(value) == 1:
                counts[index] += 1
    return [Cell(str(count), count) for count in counts]


def _losses(group: Sequence[Source]) -> list[Cell]:
    counts = [
        sum(
            (change or 0) < 0
            for entry in source.document["per_image"]
            for change in [difference(entry["blurred"].get("psnr"), entry["restored"].get("psnr"))]
        )
        for source in group
    ]
    return [Cell(str(count), count) for count in counts]
