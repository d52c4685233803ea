"""This project beside other libraries, from the JSON of `benchmarks.peers`."""

from collections.abc import Sequence

from deblur_jax import plots
from deblur_jax.report import measured
from deblur_jax.report.documents import Source
from deblur_jax.report.strict_json import Document
from deblur_jax.web.elements import Cell, Column, Plot, Table, number, size

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


def drawings(sources: Sequence[Source]) -> list[Plot]:
    """Each file's paired ratios, a row a contender; none where no other one was timed with ours."""
    found: list[Plot] = []
    for source in sources:
        rows = [row for name in source.document["contenders"] for row in _row(source, name)]
        if rows:
            name = f"peers-{len(found)}" if found else "peers"
            svg = plots.intervals(
                f"{_of(source.document)}, {measured.size(source.document)}",
                rows,
                x_label="seconds by this project's: median, 10 to 90 %",
                mark=("1: this project", 1.0),
            )
            caption = f"Right of 1 this project is faster. Measured on {source.document['device']}."
            found.append(Plot(name, svg, caption))
    return found


def _row(source: Source, name: str) -> list[plots.Interval]:
    """A contender's ratio to this project's time; nothing where there is none."""
    low, middle, high = (_ratio(source, name).get(key) for key in ("p10", "median", "p90"))
    if name == OURS or middle is None or middle <= 0:
        return []
    if low is None or high is None or low <= 0:
        return [plots.Interval(name, middle)]
    return [plots.Interval(name, middle, low, high)]


def _of(document: Document) -> str:
    weights = document.get("weights")
    named = weights.get("name") if isinstance(weights, dict) else document.get("config")
    return f"{document.get('part') or 'restore'}, {named or measured.NOT_STATED}"


def _what(source: Source) -> list[Cell]:
    d = source.document
    return [Cell(_of(d)), size(d.get("width"), d.get("height"))]


def _ratio(source: Source, name: str) -> dict[str, float | None]:
    return ((source.document.get("ratios") or {}).get(name) or {}).get(OURS) or {}


def _times(source: Source, name: str) -> list[Cell]:
    contender, ratio = source.document["contenders"][name], _ratio(source, name)
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
