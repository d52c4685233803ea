"""What surrounds the marks of a plot: logarithmic scales, title, labels, legend."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deblur_jax.plots.theme import INK, SOFT, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND = 60  # points above the axes that a figure's height reckons with
# Characters of a legend's line: a wider one would take its width from the axes below.
MOST_CHARACTERS = 52
LEAST_SPAN = 4.0  # the greatest value over the least, below which a logarithmic axis is linear


def logarithmic(axes: "Axes", name: str, values: Sequence[float | None]) -> None:
    """Makes the axis `x` or `y` logarithmic, its labels plain: 0.1 reads better than a power."""
    from matplotlib.ticker import LogLocator, NullFormatter

    known = [value for value in values if value is not None and value > 0]
    span = max(known, default=1.0) / min(known, default=1.0)
    if span < LEAST_SPAN:
        return
    set_scale, axis = {
        "x": (axes.set_xscale, axes.xaxis),
        "y": (axes.set_yscale, axes.yaxis),
    }[name]
    set_scale("log", nonpositive="mask")
    # Two labels at least: over few decades, what lies between the powers has one too.
    axis.set_major_locator(LogLocator(subs=(1.0,) if span >= 1000 else (1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def whole(axes: "Axes", values: Sequence[float]) -> None:
    """Labels none but whole numbers along x where all values are whole, such as devices."""
    from matplotlib.ticker import MaxNLocator

    if all(float(value).is_integer() for value in values):
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))


def finish(
    drawing: "Figure",
    axes: "Axes",
    title: str,
    x_label: str,
    y_label: str,
    series: int,
    note: str = "",
) -> str:
    """Labels the axes, puts the legend between them and the title, and gives the SVG text.

    Args:
      drawing, axes: of `theme.figure`, with the marks in it.
      title, x_label, y_label: what the plot and its axes show.
      series: how many there are; a single one needs no legend.
      note: what the marks mean, above the legend.
    """
    axes.set_xlabel(x_label, color=SOFT, fontsize=10)
    axes.set_ylabel(y_label, color=SOFT, fontsize=10)
    above = 8  # points between the axes and the title
    if series > 1 or note:
        handles, labels = axes.get_legend_handles_labels()
        columns = 3 if max(map(len, labels)) < 20 else 1
        labels = [textwrap.fill(label, MOST_CHARACTERS) for label in labels]
        rows = sum(label.count("\n") + 1 for label in labels) if columns == 1 else series
        axes.legend(
            handles, labels, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2,
            borderpad=0.1, ncols=columns, frameon=False, labelcolor=INK, fontsize=9.5,
            title=note or None, title_fontsize=8, alignment="left",
        ).get_title().set_color(SOFT)  # fmt: skip
        above += 15 * math.ceil(rows / columns) + (14 if note else 0)
        # A long legend makes the drawing higher, not the marks' room lower.
        drawing.set_figheight(drawing.get_figheight() + max(0, above - LEGEND) / 72)
    axes.set_title(title, loc="left", pad=above, color=INK, fontsize=12, fontweight="semibold")
    return to_svg(drawing, title)
