"""Measures what the Columbia report's Figs. 5 to 10 need, on pictures that a dependency bundles."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deblur_jax.evaluation import kinds
from deblur_jax.evaluation.demo import PHOTOGRAPHS, bundled
from deblur_jax.evaluation.kernel_study import study
from deblur_jax.evaluation.timed import Restores
from deblur_jax.restore.inputs import plan


def measure_figures(
    folder: str | Path,
    restorer: Restores,
    *,
    about: dict[str, Any],
    again: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Path]:
    """Pictures of other kinds and the kernel study; what the same weights left there stays.

    Args:
      folder: gets `kinds.json` and `kernel_study/`.
      restorer: the model.
      about: what the study's document shall say of the call; see `study.study_kernels`.
      again: measures even where a file of the same weights is there.
      progress: called with (pictures done, pictures in all, name) after each.

    Returns:
      The files for the report.

    Raises:
      UserError: scikit-image's pictures are not there, or a file cannot be written.
    """
    folder = Path(folder)
    of_kinds, of_kernels = folder / kinds.FILE, folder / "kernel_study" / study.FILE
    if again or not _is_of(of_kinds, restorer):
        kinds.run_kinds(folder, restorer, progress=progress)
    if again or not _is_of(of_kernels, restorer):
        files = [bundled(photograph.file) for photograph in PHOTOGRAPHS]
        jobs = plan([str(path) for path in files if path], str(of_kernels.parent))
        study.study_kernels(
            jobs,
            of_kernels.parent,
            restorer,
            about={"images": "scikit-image's photographs"} | about,
            progress=(
                None if progress is None else lambda it: progress(it.number, it.total, it.job.name)
            ),
        )
    return [of_kinds, of_kernels]


def _is_of(path: Path, restorer: Restores) -> bool:
    """Whether a file is there and was measured with these weights."""
    try:
        document = json.loads(path.read_bytes())
        same = document["weights"]["sha256"] == restorer.weights.sha256
        return same and not document.get("failed")
    except (OSError, ValueError, KeyError, TypeError):
        return False
