"""The kinds of plots: lines over steps, marks, groups with their spread, gains by picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deblur_jax.plots.axes import finish, logarithmic, whole
from deblur_jax.plots.theme import SOFT, figure, marker, series_colour

MOST_POINTS = 1000  # of a line; more would not be seen, and would make the file large
MOST_LABELS = 25  # pictures whose names fit below an axis
DODGE = 0.16  # of a group's width, between the series of one group
Number = float | None


@dataclass(frozen=True)
class Line:
    """Points joined in their order; a y of None or NaN leaves a gap.

    `tone` is the place of its colour among the theme's, the line's own place where it is None.
    """

    name: str
    x: Sequence[float]
    y: Sequence[Number]
    dashed: bool = False
    tone: int | None = None


def lines(
    title: str,
    series: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    reference: Sequence[tuple[str, float]] = (),
) -> str:
    """Lines without marks, such as losses over steps.

    Args:
      title, x_label, y_label: what the plot and its axes show.
      series: at least one. A line of more than `MOST_POINTS` points is thinned to the least and
        the greatest of each stretch, so that a spike stays.
      log_x, log_y: logarithmic axes, on which what is not positive is a gap; linear ones where the
        values are too close for a power of ten to lie between them.
      reference: labels and heights of horizontal lines.

    Returns:
      SVG text.
    """
    return _curves(title, series, x_label, y_label, log_x, log_y, reference, marks=False)


def points(
    title: str,
    series: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
    reference: Sequence[tuple[str, float]] = (),
) -> str:
    """Marks joined by thin lines, such as seconds against size; arguments as in `lines`."""
    return _curves(title, series, x_label, y_label, log_x, log_y, reference, marks=True)


def groups(
    title: str,
    names: Sequence[str],
    series: Sequence[tuple[str, Sequence[Sequence[float]]]],
    *,
    x_label: str,
    y_label: str,
    connect: bool = False,
    from_zero: bool = True,
) -> str:
    """A dot for each value, a mark at the mean, a line of one standard deviation either way.

    Args:
      title, x_label, y_label: what the plot and its axes show.
      names: of the groups along the horizontal axis, evenly spaced.
      series: (name, values of each group); they stand beside each other within a group.
      connect: joins the means of a series, where the groups have an order.
      from_zero: the vertical axis holds zero.

    Raises:
      ValueError: there is no value at all.
    """
    if not any(values for _, own in series for values in own):
        raise ValueError("no values to plot")
    drawing, axes = figure()
    for index, (name, own) in enumerate(series):
        shift = (index - (len(series) - 1) / 2) * DODGE
        places = [place + shift for place, values in enumerate(own) if values]
        known = [values for values in own if values]
        colour = series_colour(index)
        dots = [(x - 0.05, v) for x, values in zip(places, known, strict=True) for v in values]
        (dotted,) = axes.plot(
            *np.transpose(dots), linestyle="", marker="o", markersize=4, color=colour, alpha=0.4
        )
        dotted.set_gid(f"dots-{index}")
        for x, values in zip(places, known, strict=True):
            axes.plot([x, x], spread(values), color=colour, linewidth=1.6)
        means = [math.fsum(values) / len(values) for values in known]
        (marked,) = axes.plot(
            places, means, linestyle="-" if connect else "", marker=marker(index),
            markersize=7, linewidth=1.6, color=colour, label=name,
        )  # fmt: skip
        marked.set_gid(f"means-{index}")
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.grid(False, axis="x")
    if from_zero:
        axes.axhline(0, color=SOFT, linewidth=0.8, zorder=1)
    note = "mean, ± one standard deviation, a dot for each picture"
    return finish(drawing, axes, title, x_label, y_label, len(series), note)


def gains(title: str, names: Sequence[str], series: Sequence[tuple[str, Sequence[Number]]]) -> str:
    """The gain of every picture in dB, in the order of the first series, one mark a picture.

    Args:
      title: what the plot shows.
      names: of the pictures.
      series: (model, its gains in the pictures' order); None leaves a picture out.

    Raises:
      ValueError: a series with more or fewer gains than there are pictures.
    """
    if any(len(values) != len(names) for _, values in series):
        raise ValueError("every series needs a gain, or None, for each picture")
    first = series[0][1]
    order = sorted(range(len(names)), key=lambda i: (first[i] is None, -(first[i] or 0), names[i]))
    labelled = len(names) <= MOST_LABELS
    drawing, axes = figure(height=4.6) if labelled else figure()
    axes.axhline(0, color=SOFT, linewidth=1.2, zorder=1)
    size = 6 if labelled else 3
    for index, (name, values) in enumerate(series):
        y = [math.nan if values[i] is None else values[i] for i in order]
        (marked,) = axes.plot(
            range(len(names)), np.array(y, float), linestyle="", marker=marker(index),
            markersize=size, color=series_colour(index), label=name,
            alpha=None if labelled else 0.5,
        )  # fmt: skip
        marked.set_gid(f"gains-{index}")
    if labelled:
        short = [_short(names[i]) for i in order]
        axes.set_xticks(range(len(names)), short, rotation=45, ha="right", rotation_mode="anchor")
    axes.grid(False, axis="x")
    x_label = "" if labelled else "pictures, by the gain of the first model"
    return finish(drawing, axes, title, x_label, "gain in PSNR, dB", len(series))


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The mean less and plus one standard deviation (n - 1); the value itself where it is alone."""
    mean = math.fsum(values) / len(values)
    std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return mean - std, mean + std


def thinned(x: Sequence[float], y: Sequence[Number]) -> tuple[np.ndarray, np.ndarray]:
    """At most about `MOST_POINTS` points: of each stretch the least and the greatest, in order."""
    xs = np.asarray(x, float)
    ys = np.array([math.nan if value is None else value for value in y], float)
    if len(xs) <= MOST_POINTS:
        return xs, ys
    kept: list[int] = []
    for stretch in np.array_split(np.arange(len(xs)), MOST_POINTS // 2):
        own = ys[stretch]
        if np.isnan(own).all():
            kept.append(int(stretch[0]))
        else:
            kept += sorted({int(stretch[np.nanargmin(own)]), int(stretch[np.nanargmax(own)])})
    return xs[kept], ys[kept]


def _curves(
    title: str,
    series: Sequence[Line],
    x_label: str,
    y_label: str,
    log_x: bool,
    log_y: bool,
    reference: Sequence[tuple[str, float]],
    *,
    marks: bool,
) -> str:
    drawing, axes = figure()
    for index, line in enumerate(series):
        x, y = thinned(line.x, line.y)
        tone = index if line.tone is None else line.tone
        (drawn,) = axes.plot(
            x, y, color=series_colour(tone), label=line.name,
            linestyle="--" if line.dashed else "-", linewidth=1 if marks else 1.4,
            marker=marker(index) if marks else "", markersize=6,
        )  # fmt: skip
        drawn.set_gid(f"series-{index}")
    heights = [height for _, height in reference]
    along = [x for line in series for x in line.x]
    whole(axes, along)
    if log_x:
        logarithmic(axes, "x", along)
    if log_y:
        logarithmic(axes, "y", [*heights, *(y for line in series for y in line.y)])
    for place, (label, height) in enumerate(sorted(reference, key=lambda each: each[1])):
        axes.axhline(height, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
        below = place == 0 and len(reference) > 1  # two that lie close do not overlap
        axes.annotate(
            label, (0.99, height), xycoords=("axes fraction", "data"), ha="right",
            va="top" if below else "bottom", xytext=(0, -3 if below else 2),
            textcoords="offset points", color=SOFT, fontsize=9,
        )  # fmt: skip
    return finish(drawing, axes, title, x_label, y_label, len(series))


def _short(name: str, most: int = 28) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"
