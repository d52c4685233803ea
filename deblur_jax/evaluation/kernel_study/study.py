"""The kernel study: sharp pictures blurred in three ways and three sizes, restored and measured.

Section 5.3 of the Columbia report of 2018, which no code was ever published for, and what it left
out: the sharp picture as the judge, spread over pictures, and motion blur beside its two filters.
The folder then holds

    kernel_study.json            schema 1, below; written last, so where it is all the rest is
    MEASURE_by_size.svg, MEASURE_by_kernel.svg       as the report's Figs. 9 and 10
    sheets/PICTURE_KERNEL.png    sharp | blurred | restored, as its Figs. 7 and 8

    {"schema": 1, "images", "weights": {"name", "sha256"}, "precision", "dropout",
     "self_ensemble", "device", "versions", "command", "date",
     "kernels": {KERNEL: what its size means}, "sizes",
     "measures": {MEASURE: what it is}, "count", "failed": [{"picture", "reason"}],
     "rows": [{"kernel", "size", "picture", "height", "width", MEASURE: number}],
     "summary": [{"kernel", "size", "count", MEASURE: {"mean", "std", "min", "max", "count"}}],
     "report", "findings": [{"claim", "measure", "holds"}], "conclusion", "plots", "sheets"}
"""

import json
import math
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax import images
from deblur_jax.atomic import refuse_unwritable, write_text
from deblur_jax.blur import blur_picture
from deblur_jax.errors import UsageError, UserError
from deblur_jax.evaluation import metrics
from deblur_jax.evaluation.about import now, versions
from deblur_jax.evaluation.device import device_name
from deblur_jax.evaluation.kernel_study import findings as kernel_findings
from deblur_jax.evaluation.kernel_study.findings import KERNELS, MEASURES, SIZES
from deblur_jax.evaluation.kernel_study.plots import write_plots
from deblur_jax.evaluation.kernel_study.sheets import Restoration, sheet, sheet_names
from deblur_jax.evaluation.timed import Restores
from deblur_jax.restore.files import Finished, Progress, Summary
from deblur_jax.restore.inputs import Job, plan

SCHEMA = 1
FILE = "kernel_study.json"
MAX_SHEETS = 12  # pictures that get sheets, evenly over the folder: a sheet has a megabyte
SIZE_MEANS = {
    "gaussian": "side of the window in pixels; standard deviation 0.3 ((size - 1) / 2 - 1) + 0.8, "
    "as OpenCV has it",
    "median": "side of the window in pixels, each channel on its own",
    "trajectory": "side in pixels of the kernel that a path of Algorithm 1 just fills; each "
    "picture has a path of its own, the same for all sizes but for its scale",
}


@dataclass(frozen=True)
class Study:
    """A study's document, and what became of the pictures (their names, and why one failed)."""

    document: dict[str, Any]
    summary: Summary


def find_pictures(folder: str, output: str, limit: int | None = None) -> list[Job]:
    """The pictures of a folder (recursively, sorted), the first `limit` of them.

    What lies in `output` is none of them. Raises:
      UsageError: no folder, no picture in it, a limit below one, or results among the pictures.
      UserError: the folder cannot be listed.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} leaves nothing to study")
    if not Path(folder).is_dir():
        raise UsageError(f"{folder} is no folder of pictures")
    if Path(folder).resolve() == Path(output).resolve():
        raise UsageError(f"{output} holds the pictures; name another folder for the results")
    return plan([folder], output)[:limit]


def study_kernels(
    jobs: Sequence[Job],
    output: str | Path,
    restorer: Restores,
    *,
    about: dict[str, Any],
    progress: Progress | None = None,
) -> Study:
    """Blurs, restores and measures every picture and writes the whole folder.

    Args:
      jobs: from `find_pictures`.
      output: folder, made if it is absent; files of an earlier study are replaced.
      restorer: the model.
      about: what else the document shall say of the call: images, precision, command, ...
      progress: told of each picture when it is finished.

    Returns:
      The document; pictures that failed are named in it and in the summary.

    Raises:
      UserError: none of the pictures could be studied, or a file cannot be written.
    """
    folder = Path(output)
    refuse_unwritable(folder / FILE)
    summary, rows, sheets = Summary(), [], []
    names = sheet_names([job.name for job in jobs])
    shown = {round(i) for i in np.linspace(0, len(jobs) - 1, min(len(jobs), MAX_SHEETS))}
    for number, job in enumerate(jobs):
        start, outcome = time.perf_counter(), "done"
        try:
            sharp = _read(job)
            restorations = [
                _restore(sharp, k, s, job.name, restorer) for k in KERNELS for s in SIZES
            ]
        except (UserError, MemoryError) as error:
            outcome = _explain(error, job)
            summary.failed.append((job.source, outcome))
        else:
            # An older study's file must not stand for what is only half replaced.
            (folder / FILE).unlink(missing_ok=True)
            rows += [one.row for one in restorations]
            summary.done.append(job.source)
            if number in shown:
                sheets += _write_sheets(folder, names[job.name], sharp, restorations)
        if progress is not None:
            seconds = time.perf_counter() - start
            progress(Finished(number + 1, len(jobs), job, outcome, seconds))
    if not rows:
        raise UserError("none of the pictures could be studied")
    document = _document(rows, restorer, summary, jobs, about)
    document |= {"plots": write_plots(folder, rows), "sheets": sheets}
    write_text(
        folder / FILE, json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    )
    return Study(document, summary)


def measure(sharp: np.ndarray, blurred: np.ndarray, restored: np.ndarray) -> dict[str, Any]:
    """The nine `MEASURES` of three pictures uint8[H, W, 3]; None for an infinite PSNR.

    A gain is None where one of its two PSNRs is infinite.
    """
    psnr, ssim = metrics.psnr, metrics.ssim
    blurred_psnr, restored_psnr = psnr(blurred, sharp), psnr(restored, sharp)
    blurred_ssim, restored_ssim = ssim(blurred, sharp), ssim(restored, sharp)
    assert blurred_ssim is not None and restored_ssim is not None  # no side is below 13
    change = np.abs(restored.astype(np.int16) - blurred.astype(np.int16))
    found = {
        "difference": float(change.mean()),
        "difference_psnr": psnr(restored, blurred),
        "difference_ssim": ssim(restored, blurred),
        "blurred_psnr": blurred_psnr,
        "blurred_ssim": blurred_ssim,
        "restored_psnr": restored_psnr,
        "restored_ssim": restored_ssim,
        "gain_psnr": restored_psnr - blurred_psnr,
        "gain_ssim": restored_ssim - blurred_ssim,
    }
    return {name: v if v is not None and math.isfinite(v) else None for name, v in found.items()}


def path_seed(name: str) -> int:
    """Decides a picture's trajectory: the same for the same name on any machine."""
    return zlib.crc32(name.encode()) >> 1


def _read(job: Job) -> np.ndarray:
    sharp = images.read_rgb(job.source)
    height, width = sharp.shape[:2]
    if min(height, width) < max(SIZES):
        raise UserError(
            f"{job.source}: {width}x{height} pixels are fewer than the largest kernel's "
            f"{max(SIZES)}x{max(SIZES)}"
        )
    return sharp


def _restore(
    sharp: np.ndarray, kernel: str, size: int, name: str, restorer: Restores
) -> Restoration:
    blurred = blur_picture(sharp, kernel, kernel_size=size, seed=path_seed(name))
    restored = restorer(blurred)
    height, width = sharp.shape[:2]
    row = {"kernel": kernel, "size": size, "picture": name, "height": height, "width": width}
    return Restoration(blurred, restored, row | measure(sharp, blurred, restored))


def _explain(error: BaseException, job: Job) -> str:
    text = "not enough memory" if isinstance(error, MemoryError) else str(error)
    return text if str(job.source) in text else f"{job.source}: {text}"


def _document(
    rows: list[dict[str, Any]],
    restorer: Restores,
    summary: Summary,
    jobs: Sequence[Job],
    about: dict[str, Any],
) -> dict[str, Any]:
    weights = restorer.weights
    names = {job.source: job.name for job in jobs}
    return {
        "schema": SCHEMA,
        **about,
        "weights": {"name": weights.name, "sha256": weights.sha256},
        "device": device_name(),
        "versions": versions(),
        "date": now(),
        "kernels": SIZE_MEANS,
        "sizes": list(SIZES),
        "measures": MEASURES,
        "count": len(summary.done),
        "failed": [{"picture": names[path], "reason": why} for path, why in summary.failed],
        "rows": rows,
        "summary": kernel_findings.summarise(rows),
        "report": kernel_findings.REPORT,
        "findings": kernel_findings.findings(rows),
        "conclusion": kernel_findings.conclusion(rows, weights.name),
    }


def _write_sheets(
    folder: Path, stem: str, sharp: np.ndarray, restorations: Sequence[Restoration]
) -> list[str]:
    written = []
    for kernel in KERNELS:
        place = f"sheets/{stem}_{kernel}.png"
        own = [one for one in restorations if one.row["kernel"] == kernel]
        images.write(folder / place, sheet(sharp, own))
        written.append(place)
    return written
