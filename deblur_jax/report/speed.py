"""What the benchmarks measured: latency, limits, other libraries, training, formulations."""

from collections.abc import Sequence

from deblur_jax.report import forms, latency, measured, peers, roofline, rounding, throughput
from deblur_jax.report.documents import Source
from deblur_jax.web.elements import (
    NOT_MEASURED,
    Cell,
    Column,
    Element,
    Plot,
    Plots,
    Prose,
    Section,
    Table,
    number,
    size,
)

RATE = "_pairs_per_second"  # ends the keys of the input pipeline's measures


def section(sources: Sequence[Source]) -> Section:
    """A table of each kind of benchmark, with plots where several files make a line."""
    passes = [s for s in sources if _is(s, "latency") and "median_s" in s.document]
    limits = [s for s in sources if _is(s, "roofline") and "product_gflop_per_s" in s.document]
    beside = [s for s in sources if _is(s, "peers") and s.document.get("contenders")]
    training = [s for s in sources if _is(s, "throughput") and "steps_per_second" in s.document]
    inputs = [s for s in sources if _is(s, "input_pipeline") and _rates(s)]
    folders = [s for s in sources if _is(s, "folder") and s.document.get("warm_s")]
    starts = [s for s in sources if _is(s, "cold_start") and "median_s" in s.document]
    ways = [s for s in sources if _is(s, "forms") and s.document.get("forms")]
    coarser = [s for s in sources if _is(s, "rounding") and s.document.get("products")]
    told = [*passes, *limits, *beside, *training, *inputs, *folders, *starts, *ways, *coarser]
    other = [s for s in sources if not any(s is each for each in told)]
    on_accelerators = {
        "latency": passes, "share of the limits": limits, "training throughput": training,
    }  # fmt: skip
    found: list[Element] = _unmeasured(on_accelerators)
    if passes:
        found += [latency.table(passes), *_row(latency.drawings(passes))]
    if limits:
        found += [roofline.table(limits), *_row(roofline.drawings(limits))]
    if beside:
        found += [peers.table(beside), *_row(peers.drawings(beside))]
    if training:
        found += [throughput.table(training), *_row(throughput.drawings(training))]
    if inputs:
        found.append(_input_table(inputs))
    if folders:
        found.append(_folder_table(folders))
    if starts:
        found.append(_start_table(starts))
    if ways:
        found.append(forms.table(ways))
    if coarser:
        found.append(rounding.table(coarser))
    if other:
        found.append(_other_table(other))
    return Section("speed", "Speed", found)


def _is(source: Source, benchmark: str) -> bool:
    return source.document.get("benchmark", "latency") == benchmark


def _row(drawings: Sequence[Plot]) -> list[Plots]:
    return [Plots(drawings)] if drawings else []


def _unmeasured(kinds: dict[str, list[Source]]) -> list[Element]:
    """One sentence on what no file measured on an accelerator."""
    missing = [
        name
        for name, sources in kinds.items()
        if not any(measured.on_accelerator(source.document) for source in sources)
    ]
    if not missing:
        return []
    return [Prose(f"{NOT_MEASURED.capitalize()} on a GPU or a TPU: {', '.join(missing)}.")]


def _rates(source: Source) -> dict[str, float]:
    """Way of feeding -> pairs a second, and what a training step consumes."""
    return {
        key.removesuffix(RATE).replace("_", " "): value
        for key, value in source.document.items()
        if key.endswith(RATE) and isinstance(value, int | float)
    }


def _input_table(sources: Sequence[Source]) -> Table:
    columns = [
        Column("way", numeric=False), Column("pairs/s"), Column("config", numeric=False),
        Column("device", numeric=False), Column("crop"), Column("batch"),
    ]  # fmt: skip
    rows = [
        [
            Cell(way),
            number(rate, 1),
            Cell(measured.config(source.document)),
            Cell(measured.device(source.document)),
            number(source.document.get("crop"), 0),
            number(source.document.get("batch"), 0),
        ]
        for source in sources
        for way, rate in _rates(source).items()
    ]
    return Table("input-pipeline", "Feeding the training", columns, rows)


def _folder_table(sources: Sequence[Source]) -> Table:
    columns = [
        Column("model", numeric=False), Column("device", numeric=False), Column("pictures"),
        Column("sizes"), Column("megapixels"), Column("network s", help="restoring alone"),
        Column("whole s", help="from the start of the command to its end, programs on disk"),
        Column("first time s", help="with nothing compiled before"),
        Column("more than the network, %"),
    ]  # fmt: skip
    rows = []
    for document in (source.document for source in sources):
        overhead = document.get("overhead")
        rows.append(
            [
                Cell(measured.model(document)),
                Cell(measured.device(document)),
                number(document.get("pictures"), 0),
                number(document.get("sizes"), 0),
                number(document.get("megapixels"), 1),
                number(document.get("network_s"), 1),
                number(document.get("warm_s"), 1),
                number(document.get("cold_s"), 1),
                number(None if overhead is None else 100 * overhead, 0),
            ]
        )
    return Table("folders", "A folder of photographs, from start to end", columns, rows)


def _start_table(sources: Sequence[Source]) -> Table:
    columns = [
        Column("model", numeric=False), Column("device", numeric=False), Column("size"),
        Column("median s", help="from the start of the command to its end, programs on disk"),
        Column("first time s", help="with nothing compiled before"),
        Column("date", numeric=False),
    ]  # fmt: skip
    rows = [
        [
            Cell(measured.model(document)),
            Cell(measured.device(document)),
            size(document.get("width"), document.get("height")),
            number(document.get("median_s"), 2),
            number(document.get("cold_s"), 2),
            measured.date(document),
        ]
        for document in (source.document for source in sources)
    ]
    return Table("cold-start", "One picture, from start to end", columns, rows)


def _other_table(sources: Sequence[Source]) -> Table:
    columns = [Column("file", numeric=False), Column("benchmark", numeric=False),
               Column("device", numeric=False), Column("median s")]  # fmt: skip
    rows = [
        [
            Cell(source.path.name),
            Cell(str(source.document.get("benchmark") or measured.NOT_STATED)),
            Cell(measured.device(source.document)),
            number(source.document.get("median_s"), 3),
        ]
        for source in sources
    ]
    return Table("benchmarks", "Other benchmarks", columns, rows)
