"""What the kernel study's rows say: means and spread, and whether two conclusions hold.

The Columbia report of 2018 (section 5.3, Figs. 9 and 10) judged its model by the distance between
blurred and restored, without the sharp picture, and concluded that (1) Gaussian blur is restored
better than the median filter's, since that distance is larger, and (2) the distance grows with
the Gaussian's size but stays the same for the median. Here both are judged by that distance and
again by the gain against the sharp picture, each paired over the pictures.

The report names no unit of its distance. Its bars (22.5 to 28.4) would be large for grey levels
and usual for decibels, where a higher number means a *smaller* change: that reading is noted too.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]

SIZES = (5, 9, 13)
KERNELS = ("gaussian", "median", "trajectory")
MEASURES = {
    "difference": "mean absolute difference between blurred and restored, in 8-bit grey levels",
    "difference_psnr": "PSNR between blurred and restored in dB; higher is less changed",
    "difference_ssim": "SSIM between blurred and restored; higher is less changed",
    "blurred_psnr": "PSNR of blurred against sharp in dB",
    "blurred_ssim": "SSIM of blurred against sharp",
    "restored_psnr": "PSNR of restored against sharp in dB",
    "restored_ssim": "SSIM of restored against sharp",
    "gain_psnr": "restored_psnr - blurred_psnr",
    "gain_ssim": "restored_ssim - blurred_ssim",
}
# Fig. 9, read off the bars to about 0.2; the axis has no unit.
REPORT = {
    "source": "Columbia report of 2018, section 5.3, Figs. 9 and 10, read off the bars",
    "unit": "not stated",
    "gaussian": {"5": 22.6, "9": 25.5, "13": 28.4},
    "median": {"5": 22.8, "9": 22.9, "13": 22.5},
}
# What counts as 'the same' over the sizes: the report's median bars lie within 2 %.
SAME_DIFFERENCE = 0.1  # of the mean over the sizes
SAME_GAIN = 0.1  # dB
ERRORS = 2.0  # standard errors of the mean beyond which a paired difference is clear


def summarise(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Each kernel's and size's means: {"kernel", "size", "count", MEASURE: {"mean", ...}}.

    A measure has `mean`, `std` (n - 1; None for one picture), `min`, `max` and `count` of the
    pictures in which it is a number; an infinite PSNR is None in its row and in no mean.
    """
    found = []
    for kernel in KERNELS:
        for size in SIZES:
            own = [row for row in rows if (row["kernel"], row["size"]) == (kernel, size)]
            if own:
                measures = {name: _statistics(row[name] for row in own) for name in MEASURES}
                found.append({"kernel": kernel, "size": size, "count": len(own), **measures})
    return found


def findings(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The report's conclusions, each judged by two measures: {"claim", "measure", "holds"}.

    `holds` is None where the pictures cannot tell: fewer than two have the measure, or the mean of
    the paired differences lies within two standard errors of zero. Over the sizes of the median
    no test is made; its means stay the same within a margin, or do not.
    """
    found = []
    for measure in ("difference", "gain_psnr"):
        tried = {
            "larger for gaussian than for median": _larger_for_gaussian(rows, measure),
            "grows with the gaussian's size": _grows(rows, measure),
            "stays the same over the median's sizes": _stays(rows, measure),
        }
        found += [{"claim": c, "measure": measure, "holds": h} for c, h in tried.items()]
    return found


def conclusion(rows: Sequence[Row], weights: str) -> str:
    """A few plain sentences with the numbers; see the module's description."""
    held = {(f["measure"], f["claim"].split()[0]): f["holds"] for f in findings(rows)}
    count = len({row["picture"] for row in rows})
    pictures = "1 picture" if count == 1 else f"{count} pictures"

    def over_sizes(measure: str, digits: int, kernels: Sequence[str]) -> str:
        return "; ".join(f"{k} {_list(_means(rows, k, measure), digits)}" for k in kernels)

    sizes = _list(list(SIZES), 0)
    two = KERNELS[:2]
    kind, gain_kind = (held[m, "larger"] for m in ("difference", "gain_psnr"))
    by_size, gain_by_size = (
        _both(held[m, "grows"], held[m, "stays"]) for m in ("difference", "gain_psnr")
    )
    sentences = [
        f"{pictures}, weights {weights}, sizes {sizes}.",
        "The report's first conclusion, that restoring changes Gaussian blur more than the median "
        f"filter's, {_word(kind)} by the mean absolute difference between blurred and restored, "
        f"in grey levels: {over_sizes('difference', 2, two)}.",
        "Its second, that this grows with the Gaussian's size and stays the same for the median, "
        f"{by_size} (within {SAME_DIFFERENCE:.0%} of their mean counts as the same).",
        "A change is no gain: in PSNR against the sharp picture restoring gains, in dB, "
        f"{over_sizes('gain_psnr', 2, KERNELS)}. By this gain the first conclusion "
        f"{_word(gain_kind)}, and the second {gain_by_size} (within {SAME_GAIN} dB of their mean).",
        "The report's axis has no unit; if its bars are PSNR between blurred and restored, higher "
        "means less changed, and they say the opposite of its text. That PSNR here, in dB: "
        f"{over_sizes('difference_psnr', 1, two)}.",
    ]
    return " ".join(sentences)


def table(summary: Sequence[dict[str, Any]]) -> str:
    """One line for each kernel and size, for the terminal."""
    head = (
        "kernel",
        "size",
        "|blurred − restored|",
        "PSNR to sharp (dB)",
        "gain (dB)",
        "SSIM gain",
    )
    lines = [head]
    for entry in summary:
        before, after = (_number(entry[f"{s}_psnr"]["mean"], 2) for s in ("blurred", "restored"))
        cells = [_with_spread(entry[k], d) for k, d in (("difference", 2), ("gain_psnr", 2))]
        ssim = _with_spread(entry["gain_ssim"], 4)
        change = f"{before} → {after}"
        lines.append((entry["kernel"], str(entry["size"]), cells[0], change, cells[1], ssim))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        line[0].ljust(widths[0])
        + "".join("  " + c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def _larger_for_gaussian(rows: Sequence[Row], measure: str) -> bool | None:
    """Averaged over the sizes of each picture, and only of sizes that both kernels have."""
    gaussian, median = (
        {(row["picture"], row["size"]): row[measure] for row in rows if row["kernel"] == kernel}
        for kernel in KERNELS[:2]
    )
    of_picture: dict[str, list[float]] = {}
    for (picture, size), value in gaussian.items():
        other = median.get((picture, size))
        if value is not None and other is not None:
            of_picture.setdefault(picture, []).append(value - other)
    return _positive([float(np.mean(values)) for values in of_picture.values()])


def _grows(rows: Sequence[Row], measure: str) -> bool | None:
    values = {
        (row["picture"], row["size"]): row[measure] for row in rows if row["kernel"] == "gaussian"
    }
    steps = []
    for small, large in itertools.pairwise(SIZES):
        pairs = [(values.get((p, large)), v) for (p, s), v in values.items() if s == small]
        steps.append(_positive([a - b for a, b in pairs if None not in (a, b)]))
    return False if False in steps else None if None in steps else True


def _stays(rows: Sequence[Row], measure: str) -> bool | None:
    means = _means(rows, "median", measure)
    if None in means or len({row["picture"] for row in rows}) < 2:
        return None
    middle = float(np.mean(means))
    limit = SAME_DIFFERENCE * abs(middle) if measure == "difference" else SAME_GAIN
    return all(abs(mean - middle) <= limit for mean in means)


def _positive(values: Sequence[float]) -> bool | None:
    """Whether the mean is above zero; None within two standard errors of it, or for one value."""
    if len(values) < 2:
        return None
    mean = float(np.mean(values))
    limit = ERRORS * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    if mean > limit:
        return True
    return False if mean <= -limit else None


def _statistics(values: Any) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known else None,
        "std": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "min": min(known, default=None),
        "max": max(known, default=None),
        "count": len(known),
    }


def _means(rows: Sequence[Row], kernel: str, measure: str) -> list[Any]:
    return [
        _statistics(r[measure] for r in rows if (r["kernel"], r["size"]) == (kernel, size))["mean"]
        for size in SIZES
    ]


def _word(holds: bool | None) -> str:
    if holds is None:
        return "cannot be told from these pictures"
    return "holds" if holds else "does not hold"


def _both(grows: bool | None, stays: bool | None) -> str:
    if grows is stays:
        return _word(grows)
    return f"{_word(grows)} for the Gaussian and {_word(stays)} for the median"


def _list(values: Sequence[Any], digits: int) -> str:
    return ", ".join(_number(value, digits) for value in values)


def _number(value: float | None, digits: int) -> str:
    # Adding zero makes of a negative zero, as tiny losses are rounded to, a plain one.
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _with_spread(statistics: dict[str, Any], digits: int) -> str:
    mean = _number(statistics["mean"], digits)
    return mean if statistics["std"] is None else f"{mean} ± {_number(statistics['std'], digits)}"
