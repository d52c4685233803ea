"""Ranges under each other, one a row: where the middle lies, how far it reaches either way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deblur_jax.plots.axes import finish, logarithmic
from deblur_jax.plots.theme import SOFT, figure, series_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.36  # inches, height of a row
AROUND = 1.5  # inches, of title, axis and the mark's label


@dataclass(frozen=True)
class Interval:
    """One row: all values positive; without `low` and `high` it is a dot alone."""

    name: str
    middle: float
    low: float | None = None
    high: float | None = None


def intervals(
    title: str, rows: Sequence[Interval], *, x_label: str, mark: tuple[str, float]
) -> str:
    """A dot at each row's middle, a line from its low to its high, and a vertical line for all.

    Args:
      title, x_label: what the plot and its axis show. The axis is logarithmic, as ratios are alike
        either way, or linear where the values are close.
      rows: at least one, drawn from the top.
      mark: label and place of the vertical line.

    Returns:
      SVG text.
    """
    drawing, axes = figure(height=AROUND + ROW * len(rows))
    for place, row in enumerate(rows):
        if row.low is not None and row.high is not None:
            (line,) = axes.plot(
                [row.low, row.high], [place, place], color=series_colour(0), linewidth=2
            )
            line.set_gid(f"range-{place}")
    (dots,) = axes.plot(
        [row.middle for row in rows], range(len(rows)), linestyle="", marker="o", markersize=7,
        color=series_colour(0),
    )  # fmt: skip
    dots.set_gid("middles")
    ends = [value for row in rows for value in (row.low, row.middle, row.high)]
    logarithmic(axes, "x", [mark[1], *ends])
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.5, -1)  # an empty row on top, for the mark's label
    axes.grid(False, axis="y")
    _mark(axes, *mark)
    return finish(drawing, axes, title, x_label, "", 1)


def _mark(axes: "Axes", label: str, place: float) -> None:
    """A vertical line, its label on the side that has more room."""
    axes.axvline(place, color=SOFT, linewidth=1.2, zorder=1).set_gid("mark")
    axes.get_xlim()  # settles the limits, which the transforms take as they are
    across = axes.transAxes.inverted().transform(axes.transData.transform((place, 0)))[0]
    left = across > 0.5
    axes.annotate(
        label, (place, 1), xycoords=("data", "axes fraction"), xytext=(-4 if left else 4, -2),
        textcoords="offset points", ha="right" if left else "left", va="top", color=SOFT,
        fontsize=9,
    )  # fmt: skip
