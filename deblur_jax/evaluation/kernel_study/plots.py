"""Plots of the kernel study as SVG: means over pictures, their spread, and every picture as a dot.

The files stand alone: no script, no font and no address outside them; dark where the reader's
system is.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from deblur_jax.atomic import write_text
from deblur_jax.evaluation.kernel_study.findings import KERNELS, SIZES

Scale = Callable[[float], float]  # from a value to its height in the file
WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 68, 20, 84, 56  # margins of the axes in pixels
DODGE = 0.16  # of a group's width, between the series of one group
# Kernels have Okabe and Ito's colours, which the colour-blind can tell apart, sizes three depths of
# one colour; lighter on a dark ground. All within a class, for pages that take the text in.
STYLE = """
.kernel-plot { background: #fff; font: 13px system-ui, sans-serif; }
.kernel-plot .k0 { --c: #0072b2; } .kernel-plot .k1 { --c: #d55e00; }
.kernel-plot .k2 { --c: #008a63; } .kernel-plot .z0 { --c: #b48bd6; }
.kernel-plot .z1 { --c: #8352ad; } .kernel-plot .z2 { --c: #4d2273; }
.kernel-plot text { fill: #333; } .kernel-plot .title { font-size: 15px; font-weight: 600; }
.kernel-plot .axis { stroke: #888; } .kernel-plot .grid { stroke: #e3e3e3; }
.kernel-plot .line { stroke: var(--c); fill: none; stroke-width: 2; }
.kernel-plot .mark { fill: var(--c); } .kernel-plot .dot { fill: var(--c); opacity: .4; }
@media (prefers-color-scheme: dark) {
  .kernel-plot { background: #17191c; }
  .kernel-plot .k0 { --c: #56b4e9; } .kernel-plot .k1 { --c: #f08c4a; }
  .kernel-plot .k2 { --c: #3fc79a; } .kernel-plot .z0 { --c: #8a63ad; }
  .kernel-plot .z1 { --c: #b793da; } .kernel-plot .z2 { --c: #e6d5f5; }
  .kernel-plot text { fill: #ddd; } .kernel-plot .grid { stroke: #33363a; }
}
"""
CHANGE = "How much restoring changes the blurred picture"
GAIN = "What restoring gains against the sharp picture"
# Measure, title, vertical axis, whether the axis holds zero.
PLOTS = (
    (
        "difference",
        CHANGE,
        "mean |restored − blurred|, grey levels",
        True,
    ),
    ("difference_psnr", "PSNR between blurred and restored (higher: less changed)", "dB", False),
    ("gain_psnr", GAIN, "PSNR gain in dB", True),
    ("gain_ssim", GAIN, "SSIM gain", True),
)


@dataclass(frozen=True)
class Series:
    """The values of one kernel, or of one size, in every group along the horizontal axis.

    Attributes:
      name: in the legend.
      colour: its class in the style, `k0` to `k2` or `z0` to `z2`.
      groups: for each group the values of the single pictures; a group may be empty.
    """

    name: str
    colour: str
    groups: Sequence[Sequence[float]]


def write_plots(folder: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Writes MEASURE_by_size.svg and MEASURE_by_kernel.svg; returns the names of the files.

    A measure that is no number in any row gets none. Raises UserError if a file cannot be written.
    """
    written = []
    for name, title, y_label, from_zero in PLOTS:
        values: dict[tuple[str, int], list[float]] = {
            (kernel, size): [] for kernel in KERNELS for size in SIZES
        }
        for row in rows:
            if row[name] is not None:
                values[row["kernel"], row["size"]].append(row[name])
        if not any(values.values()):
            continue  # every picture was flat, so that each PSNR is infinite
        of_kernels = [
            Series(k, f"k{i}", [values[k, s] for s in SIZES]) for i, k in enumerate(KERNELS)
        ]
        of_sizes = [
            Series(f"size {s}", f"z{i}", [values[k, s] for k in KERNELS])
            for i, s in enumerate(SIZES)
        ]
        by_size = plot(
            title, "size of the kernel in pixels", y_label, [str(size) for size in SIZES],
            of_kernels, connect=True, from_zero=from_zero,
        )  # fmt: skip
        by_kernel = plot(
            title, "kernel", y_label, list(KERNELS), of_sizes, connect=False, from_zero=from_zero
        )
        for text, way in ((by_size, "by_size"), (by_kernel, "by_kernel")):
            written.append(f"{name}_{way}.svg")
            write_text(folder / written[-1], text)
    return written


def plot(
    title: str,
    x_label: str,
    y_label: str,
    groups: Sequence[str],
    series: Sequence[Series],
    *,
    connect: bool,
    from_zero: bool = True,
) -> str:
    """One plot: a dot for each picture, a mark at the mean, a line of one standard deviation.

    Args:
      title, x_label, y_label: what the plot and its axes show.
      groups: names along the horizontal axis, evenly spaced.
      series: drawn beside each other within a group.
      connect: joins the means of a series, where the groups have an order.
      from_zero: the vertical axis holds zero.

    Returns:
      The text of an SVG file of 640 x 400 units.

    Raises:
      ValueError: there is no value at all.
    """
    values = [v for one in series for group in one.groups for v in group]
    for one in series:
        values += [end for g in one.groups if g for end in _spread(g)]
    if not values:
        raise ValueError("no values to plot")
    low, high, step = _axis(min(values), max(values), from_zero)
    height = HEIGHT - TOP - BOTTOM

    def y(value: float) -> float:
        return TOP + height * (high - value) / (high - low)

    parts = _frame((title, x_label, y_label), groups, (low, high, step), y)
    for index, one in enumerate(series):
        shift = (index - (len(series) - 1) / 2) * DODGE
        centres = [_centre(i + shift, len(groups)) for i in range(len(groups))]
        parts.append(_draw(one, centres, y, connect=connect))
    parts.append(_legend(series))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" class="kernel-plot">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _draw(one: Series, centres: Sequence[float], y: Scale, *, connect: bool) -> str:
    marks, line = [], []
    for x, values in zip(centres, one.groups, strict=True):
        if not values:
            continue
        bottom, top = _spread(values)
        mean = math.fsum(values) / len(values)
        dots = "".join(
            f'<circle class="dot" cx="{x - 8:.1f}" cy="{y(value):.2f}" r="3"/>' for value in values
        )
        spread = f'<path class="line" d="M{x:.1f} {y(bottom):.2f}V{y(top):.2f}"/>'
        mark = f'<circle class="mark" cx="{x:.1f}" cy="{y(mean):.2f}" r="5"/>'
        marks.append(f"{dots}{spread}{mark}")
        line.append(f"{x:.1f} {y(mean):.2f}")
    joined = f'<path class="line" d="M{"L".join(line)}"/>' if connect and len(line) > 1 else ""
    return f'<g class="{one.colour}">{joined}{"".join(marks)}</g>'


def _frame(
    labels: tuple[str, str, str],
    groups: Sequence[str],
    axis: tuple[float, float, float],
    y: Scale,
) -> list[str]:
    title, x_label, y_label = labels
    low, high, step = axis
    middle = TOP + (HEIGHT - TOP - BOTTOM) / 2
    parts = [
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">'
        f"{escape(x_label)}</text>",
        f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>",
    ]
    digits = max(0, -math.floor(math.log10(step)))
    for number in range(round((high - low) / step) + 1):
        value = low + number * step
        kind = "axis" if abs(value) < step / 1e6 else "grid"
        label = f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")
        parts.append(
            f'<path class="{kind}" d="M{LEFT} {y(value):.2f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 8}" y="{y(value) + 4:.2f}" text-anchor="end">{label}</text>'
        )
    for index, name in enumerate(groups):
        parts.append(
            f'<text x="{_centre(index, len(groups)):.1f}" y="{HEIGHT - BOTTOM + 20}" '
            f'text-anchor="middle">{escape(name)}</text>'
        )
    return parts


def _legend(series: Sequence[Series]) -> str:
    parts, x = [], float(LEFT)
    for one in series:
        parts.append(
            f'<circle class="mark {one.colour}" cx="{x + 5:.0f}" cy="48" r="5"/>'
            f'<text x="{x + 16:.0f}" y="52">{escape(one.name)}</text>'
        )
        x += 40 + 7.5 * len(one.name)  # an average letter of this size is some 7 units wide
    note = "mean, ± one standard deviation, a dot for each picture"
    parts.append(f'<text x="{LEFT}" y="72" font-size="11">{note}</text>')
    return "".join(parts)


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """The mean less and plus one standard deviation (n - 1); the value itself where it is alone."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, mean
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return mean - std, mean + std


def _centre(index: float, groups: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (index + 0.5) / groups


def _axis(low: float, high: float, from_zero: bool) -> tuple[float, float, float]:
    """Ends and step of an axis over [low, high]: round numbers, four to nine steps."""
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step
