"""How near a forward pass comes to the machine's limits, from `benchmarks.roofline`'s JSON."""

from collections.abc import Sequence
from typing import NamedTuple

from deblur_jax import plots
from deblur_jax.report import measured
from deblur_jax.report.documents import Source
from deblur_jax.report.series import series
from deblur_jax.report.strict_json import Document
from deblur_jax.web.elements import Cell, Column, Plot, Table, number, size


class Limit(NamedTuple):
    """Work and the measured ceiling that it is held against.

    Attributes:
      name: of the work.
      key: `KEY_s` is what it would take at the ceiling, `KEY_share` that by the time measured.
      unit: of the work; the ceiling is in it a second.
      amount: keys whose sum the work is, in units or, of bytes, in thousandths.
      ceiling: the ceiling's key.
    """

    name: str
    key: str
    unit: str
    amount: Sequence[str]
    ceiling: str


_COMPUTE, _MEMORY = "product_gflop_per_s", "copy_gb_per_s"
LIMITS = (
    Limit("operations of the plain network", "compute", "GFLOP", ["gflop"], _COMPUTE),
    Limit("operations as computed", "products", "GFLOP", ["products_gflop"], _COMPUTE),
    Limit("parameters, picture, result", "least_memory", "GB", ["least_mb"], _MEMORY),
    Limit("and all activations once", "memory", "GB", ["least_mb", "activations_mb"], _MEMORY),
)


def table(sources: Sequence[Source]) -> Table:
    """A row a limit of each file, and one for the floor that they make together."""
    columns = [
        Column("limit", numeric=False), Column("unit", numeric=False), Column("amount"),
        Column("ceiling", help="measured, in units a second"),
        Column("s at the ceiling"), Column("median s", help="measured"),
        Column("share %", help="seconds at the ceiling by those measured"),
        Column("model", numeric=False), Column("size", help="width × height in pixels"),
        Column("precision", numeric=False), Column("device", numeric=False),
    ]  # fmt: skip
    rows = []
    for source in sources:
        d = source.document
        of = [
            Cell(measured.model(d)),
            size(d.get("width"), d.get("height")),
            Cell(measured.precision(d)),
            Cell(measured.device(d)),
        ]
        rows += [[*_work(d, limit), *_reached(d, limit.key), *of] for limit in LIMITS]
        nothing = [Cell("–", mood="none")] * 3
        rows.append([Cell("floor"), *nothing, *_reached(d, "floor"), *of])
    notes = [
        "Ceilings are measured on the spot: a large product of matrices, and copying memory.",
        "As computed, by Winograd's algorithm where it is used, there are fewer products than in "
        "the plain network, whose share may then pass 100 %.",
        "Floor: the longer of the operations as computed and the parameters, picture and result.",
    ]
    return Table("limits", "Share of the machine's limits", columns, rows, notes)


def _work(d: Document, limit: Limit) -> list[Cell]:
    parts = [d.get(key) for key in limit.amount]
    known = [part for part in parts if part is not None]
    scale = 1e-3 if limit.unit == "GB" else 1.0
    amount = scale * sum(known) if len(known) == len(parts) else None
    digits = 3 if limit.unit == "GB" else 1
    return [
        Cell(limit.name),
        Cell(limit.unit),
        number(amount, digits),
        number(d.get(limit.ceiling), 1),
    ]


def _reached(d: Document, key: str) -> list[Cell]:
    return [
        number(d.get(f"{key}_s"), 4),
        number(d.get("median_s"), 3),
        number(_percent(d, key), 2),
    ]


def _percent(d: Document, key: str) -> float | None:
    share = d.get(f"{key}_share")
    return None if share is None else 100 * share


def drawings(sources: Sequence[Source]) -> list[Plot]:
    """The share of each limit by size, a plot for each model, precision and device of several."""
    sets: dict[str, list[Document]] = {}
    for source in sources:
        d = source.document
        said = f"{measured.model(d)}, {measured.precision(d)}, {measured.device(d)}"
        sets.setdefault(said, []).append(d)
    found: list[Plot] = []
    for said, documents in sets.items():
        lines = [line for limit in LIMITS for line in _line(documents, limit)]
        if lines:
            name = f"limits-{len(found)}" if found else "limits"
            found.append(Plot(name, _drawn(lines), f"Measured with {said}."))
    return found


def _line(documents: Sequence[Document], limit: Limit) -> Sequence[plots.Line]:
    share = series(
        documents, measured.megapixels, lambda d: _percent(d, limit.key), [lambda _: limit.name]
    )
    return share.lines if share else []


def _drawn(lines: Sequence[plots.Line]) -> str:
    return plots.points(
        "Share of each limit against the size",
        lines,
        x_label="megapixels",
        y_label="% of the time measured",
        log_x=True,
        log_y=True,
        reference=[("the ceiling", 100.0)],
    )
