"""Several models on the same pictures: models as columns, and each picture's gain."""

from collections.abc import Sequence
from dataclasses import replace

from deblur_jax.evaluation.examples import gain_of
from deblur_jax.report.documents import Source, comparable
from deblur_jax.report.scores import CONVENTIONS, LOWER_IS_BETTER, difference, digits_of, psnr_of
from deblur_jax.web.elements import Cell, Column, Table, gain, number

Row = list[Cell]
NO_ANSWER = Cell("–", mood="none")


def groups(evaluations: Sequence[Source]) -> list[list[Source]]:
    """Evaluations that may stand in one table: same pictures, same protocol; order is kept."""
    found: list[list[Source]] = []
    for source in evaluations:
        for group in found:
            if comparable(group[0].document, source.document):
                group.append(source)
                break
        else:
            found.append([source])
    return found


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
        if any(value is not None for value in values):
            input_score = group[0].document["blurred"].get(key)
            before = number(input_score, digits_of(key), none="–")
            rows.append([Cell(title), before, *_scores(key, values)])
    times = [(s.document.get("seconds_per_image") or {}).get("median") for s in group]
    rows += [
        [Cell("seconds a picture, median"), NO_ANSWER, *(number(t, 3) for t in times)],
        [Cell("pictures where it is best"), NO_ANSWER, *map(_count, _wins(group))],
        [Cell("pictures worse than the input"), NO_ANSWER, *map(_count, _losses(group))],
    ]
    devices = sorted({str(source.document.get("device", "not stated")) for source in group})
    notes = [f"Seconds were taken on different devices: {'; '.join(devices)}."] * (len(devices) > 1)
    return Table(name, "Models side by side", columns, rows, notes)


def _scores(key: str, values: Sequence[float | None]) -> Row:
    """A score of all models, the best marked where another looks worse."""
    known = [value for value in values if value is not None]
    cells = [number(value, digits_of(key)) for value in values]
    best = number(min(known) if key in LOWER_IS_BETTER else max(known), digits_of(key)).text
    several = len({cell.text for cell in cells if cell.value is not None}) > 1
    return [replace(cell, mood="better") if several and cell.text == best else cell
            for cell in cells]  # fmt: skip


def scenes_table(group: Sequence[Source], name: str) -> Table | None:
    """Each scene's gain in dB by every model; None where there are fewer than two scenes."""
    own = [
        {scene["scene"]: scene for scene in source.document.get("per_scene") or []}
        for source in group
    ]
    if len(own[0]) < 2:
        return None
    columns = [
        Column("scene", numeric=False),
        Column("pictures"),
        Column("PSNR blurred", help="dB"),
        *(Column(source.label, help="gain in dB") for source in group),
    ]
    rows = [
        [
            Cell(scene),
            number(first["count"], 0),
            number(first["blurred"].get("psnr"), 2, none="–"),
            *(gain(gain_of(s[scene]) if scene in s else None, 2, none="–") for s in own),
        ]
        for scene, first in own[0].items()
    ]
    return Table(name, "Gain by scene in dB, by model", columns, rows)


def gains_table(group: Sequence[Source], name: str) -> Table:
    """Each picture's gain in dB by every model."""
    columns = [
        Column("picture", numeric=False),
        Column("PSNR blurred", help="dB"),
        *(Column(source.label, help="gain in dB") for source in group),
    ]
    entries = group[0].document["per_image"]
    own = [gains_of(source, [entry["name"] for entry in entries]) for source in group]
    rows = [
        [
            Cell(entry["name"]),
            number(psnr_of(entry["blurred"]), 2, none="–"),
            *(gain(value, 2, none="–") for value in gains),
        ]
        for entry, *gains in zip(entries, *own, strict=True)
    ]
    return Table(name, "Gain of every picture in dB, by model", columns, rows)


def gains_of(source: Source, names: Sequence[str]) -> list[float | None]:
    """The gains of the pictures of these names, in their order."""
    found = {entry["name"]: gain_of(entry) for entry in source.document["per_image"]}
    return [found.get(name) for name in names]


def _count(count: int) -> Cell:
    return Cell(str(count), count)


def _wins(group: Sequence[Source]) -> list[int]:
    """In how many pictures each model is alone the best; a picture equal to its twin counts."""
    own = [{e["name"]: psnr_of(e["restored"]) for e in s.document["per_image"]} for s in group]
    counts = [0] * len(group)
    for name in own[0]:
        values = [psnrs[name] for psnrs in own]
        known = [value for value in values if value is not None]
        if len(known) == len(group) and known.count(max(known)) == 1:
            counts[values.index(max(known))] += 1
    return counts


def _losses(group: Sequence[Source]) -> list[int]:
    """In how many pictures each model is worse than what it was given."""
    changes = [
        [
            difference(psnr_of(entry["blurred"]), psnr_of(entry["restored"]))
            for entry in source.document["per_image"]
        ]
        for source in group
    ]
    return [sum(change is not None and change < 0 for change in own) for own in changes]
