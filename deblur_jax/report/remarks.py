"""What a reader must know before believing a table: said beside it, never averaged away."""

import math
from collections.abc import Sequence

from deblur_jax.report.documents import Document, Source, comparable, conditions
from deblur_jax.web.elements import Cell, Column, Table

SIDES = ("blurred", "restored")
PROTOCOLS = {
    "full": "full: pictures at their own size",
    "half": "half: both twins shrunk by two before the model",
    "resize256": "resize256: both twins squeezed to 256x256 before the model",
}


def protocol_words(document: Document) -> str:
    """`full`, `half`, `resize256, nearest`."""
    filter_ = document.get("filter")
    return document["protocol"] + (f", {filter_}" if filter_ and filter_ != "bicubic" else "")


def blur_words(document: Document) -> str:
    """GoPro's `linear` or `gamma`, or the folder that the blurred pictures came from."""
    folder = document.get("blurred_folder")
    return document.get("subset") or (f"{folder}/" if folder else "not stated")


def title_of(source: Source) -> str:
    """`default on gopro, full`."""
    document = source.document
    return f"{source.label} on {document['dataset']}, {protocol_words(document)}"


def of_all(sources: Sequence[Source]) -> list[str]:
    """What the rows of a table of these files do not share, and what is to be said of each."""
    found = []
    for words, differ in (
        ("protocols", {protocol_words(s.document) for s in sources}),
        ("data", {str(s.document["dataset"]) for s in sources}),
        ("kinds of blur", {blur_words(s.document) for s in sources}),
    ):
        if len(differ) > 1:
            found.append(
                f"Rows of different {words} ({'; '.join(sorted(differ))}) do not compare; "
                "no mean is taken over them."
            )
    found += _other_pictures(sources)
    for source in sources:
        found += of_one(source)
    return found


def _other_pictures(sources: Sequence[Source]) -> list[str]:
    """Files of one data set and protocol whose pictures are not those of an earlier one."""
    found = []
    for index, source in enumerate(sources):
        b = source.document
        for earlier in sources[:index]:
            a = earlier.document
            same = a["dataset"] == b["dataset"] and conditions(a) == conditions(b)
            if same and not comparable(a, b):
                found.append(
                    f"{earlier.label} and {source.label} were scored on different pictures of "
                    f"{a['dataset']} ({a['count']} and {b['count']}): their rows do not compare."
                )
                break
    return found


def of_one(source: Source) -> list[str]:
    """What is to be said of one file: what is not in its means, and why."""
    document, found = source.document, []
    name = title_of(source)
    if source.not_finite:
        found.append(
            f"{name}: {source.not_finite} of the file's numbers are not finite and left out."
        )
    failed = document.get("failed") or []
    if failed:
        first = failed[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        found.append(
            f"{name}: {len(failed)} not scored, in no mean: {first['name']} "
            f"({first['reason']}){more}."
        )
    for side, count in (document.get("infinite_psnr") or {}).items():
        if count:
            found.append(
                f"{name}: {count} {side} equal to the sharp twin (infinite PSNR), not in the mean."
            )
    return found + _put_together_by_hand(name, document)


def _put_together_by_hand(name: str, document: Document) -> list[str]:
    """A mean that is not that of the file's pictures, or a count that is not theirs."""
    found = []
    scored = [e for e in document["per_image"] if any(v is not None for v in _values(e))]
    if len(scored) != document["count"]:
        found.append(
            f"{name}: the file says {document['count']} pictures and holds the scores of "
            f"{len(scored)}."
        )
    for side in SIDES:
        known = [v for e in scored if (v := e[side].get("psnr")) is not None]
        mean = document[side].get("psnr")
        if known and mean is not None and abs(math.fsum(known) / len(known) - mean) > 0.005:
            found.append(
                f"{name}: the file's mean PSNR of {side}, {mean:.2f} dB, is not that of its "
                f"pictures, {math.fsum(known) / len(known):.2f} dB."
            )
    return found


def _values(entry: Document) -> list[float | None]:
    return [value for side in SIDES for value in entry[side].values()]


def failed_table(sources: Sequence[Source], name: str) -> Table | None:
    """Every picture that could not be scored, by name; None where all could."""
    rows = [
        [Cell(each["name"]), Cell(source.label), Cell(each["reason"])]
        for source in sources
        for each in source.document.get("failed") or []
    ]
    columns = [Column(title, numeric=False) for title in ("picture", "model", "reason")]
    return Table(name, f"Not scored: {len(rows)}", columns, rows) if rows else None
