"""Plots of the kernel study: what restoring changes, and what it gains, by kernel and by size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deblur_jax import plots
from deblur_jax.atomic import write_text
from deblur_jax.evaluation.kernel_study.findings import KERNELS, SIZES

CHANGE = "How much restoring changes the blurred picture"
GAIN = "What restoring gains against the sharp picture"
# Measure, title, vertical axis, whether the axis holds zero.
PLOTS = (
    ("difference", CHANGE, "mean |restored − blurred|, grey levels", True),
    ("difference_psnr", "PSNR between blurred and restored (higher: less changed)", "dB", False),
    ("gain_psnr", GAIN, "PSNR gain in dB", True),
    ("gain_ssim", GAIN, "SSIM gain", True),
)


def write_plots(folder: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Writes MEASURE_by_size.svg and MEASURE_by_kernel.svg; returns the names of the files.

    A measure that is no number in any row gets none. Raises UserError if a file cannot be written.
    """
    written = []
    for name, title, y_label, from_zero in PLOTS:
        values: dict[tuple[str, int], list[float]] = {(k, s): [] for k in KERNELS for s in SIZES}
        for row in rows:
            if row[name] is not None:
                values[row["kernel"], row["size"]].append(row[name])
        if not any(values.values()):
            continue  # every picture was flat, so that each PSNR is infinite
        by_size = plots.groups(
            title,
            [str(size) for size in SIZES],
            [(kernel, [values[kernel, size] for size in SIZES]) for kernel in KERNELS],
            x_label="size of the kernel in pixels",
            y_label=y_label,
            connect=True,
            from_zero=from_zero,
        )
        by_kernel = plots.groups(
            title,
            list(KERNELS),
            [(f"size {size}", [values[kernel, size] for kernel in KERNELS]) for size in SIZES],
            x_label="kernel",
            y_label=y_label,
            from_zero=from_zero,
        )
        for text, way in ((by_size, "by_size"), (by_kernel, "by_kernel")):
            written.append(f"{name}_{way}.svg")
            write_text(folder / written[-1], text)
    return written
