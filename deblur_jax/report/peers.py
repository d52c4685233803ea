"""This project beside other libraries, from the JSON of `benchmarks.peers`."""

from collections.abc import Sequence

from deblur_jax.report.documents import Source
from deblur_jax.web.elements import Cell, Column, Table, number, size

OURS = "jax"  # the contender that is this project


def table(sources: Sequence[Source]) -> Table:
    """One row a contender of each file; who could not be timed says why."""
    columns = [
        Column("library", numeric=False), Column("of", numeric=False),
        Column("size", help="width × height in pixels"), Column("median s"), Column("p10 s"),
        Column("p90 s"), Column("by ours", help="its seconds by this project's, round by round"),
        Column("compilation s"), Column("memory MB"), Column("device", numeric=False),
        Column("not timed because", numeric=False),
    ]  # fmt: skip
    rows = [
        [Cell(name), *_what(source), *_times(source, name), *_why(source, name)]
        for source in sources
        for name in source.document["contenders"]
    ]
    notes = ["Below 1 in `by ours` a library is the faster one."]
    return Table("peers", "Beside other libraries", columns, rows, notes)


def _what(source: Source) -> list[Cell]:
    d = source.document
    weights = d.get("weights")
    named = weights.get("name") if isinstance(weights, dict) else d.get("config")
    return [
        Cell(f"{d.get('part') or 'restore'}, {named or 'not stated'}"),
        size(d.get("width"), d.get("height")),
    ]


def _times(source: Source, name: str) -> list[Cell]:
    contender = source.document["contenders"][name]
    ratio = ((source.document.get("ratios") or {}).get(name) or {}).get(OURS) or {}
    return [
        *(number(contender.get(key), 3, none="–") for key in ("median_s", "p10_s", "p90_s")),
        number(1.0 if name == OURS else ratio.get("median"), 2, none="–"),
        number(contender.get("compile_s"), 2, none="–"),
        number(contender.get("peak_rss_mb"), 0, none="–"),
    ]


def _why(source: Source, name: str) -> list[Cell]:
    contender = source.document["contenders"][name]
    why = contender.get("why") or contender["status"]
    timed = contender["status"] == "timed"
    return [Cell(source.document["device"]), Cell("–", mood="none") if timed else Cell(why)]
