"""Measuring weights, and reports of what was measured."""

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deblur_jax.atomic import refuse_unwritable
from deblur_jax.data import gopro
from deblur_jax.data.pairs import Pair, find_pairs
from deblur_jax.errors import UsageError
from deblur_jax.evaluation.files import PICTURES, evaluate_to_file
from deblur_jax.evaluation.kernel_study.study import FILE as STUDY_FILE
from deblur_jax.evaluation.kernel_study.study import Study, find_pictures, study_kernels
from deblur_jax.evaluation.kohler import run as kohler_run
from deblur_jax.restore.files import Progress
from deblur_jax.restore.restorer import Restorer, on_every_device
from deblur_jax.weights import registry

if TYPE_CHECKING:
    from deblur_jax.evaluation.metrics.perceptual import Perceptual

_VAGUE = ("test", "train", "val", "validation")


def evaluate(
    output: str,
    *,
    pairs: str | None = None,
    dataset: str | None = None,
    directory: str | None = None,
    subset: str | None = None,
    protocol: str = "full",
    filter: str = "bicubic",
    weights: str = "default",
    precision: str = "float32",
    dropout: int | None = None,
    self_ensemble: int = 1,
    limit: int | None = None,
    pictures: int = PICTURES,
    perceptual: Sequence[str] = (),
    overwrite: bool = False,
    command: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any] | None:
    """Scores weights over a folder of pairs, or over a data set by name, and writes results.json.

    None where that file exists and is to stay. Interrupted, the same call goes on from what has
    been scored; pairs that cannot be scored stand in the document as `failed`.

    Args:
      output: file to write; pictures for a report go into a folder beside it.
      pairs, dataset: one of them: a folder, or `gopro` or `kohler`.
      directory: where the data set lies; GoPro has a default.
      subset: `linear` or `gamma`, which of GoPro's blurred pictures.
      protocol, filter, limit, command, progress, say: see `evaluate_pairs`.
      weights, precision, dropout, self_ensemble: see `Restorer`.
      pictures: how many to keep for a report.
      perceptual: further scores, `lpips` and `niqe`; they need a library and its weights.
      overwrite: replaces the file; what an interrupted evaluation scored still counts.

    Raises:
      UsageError: a folder without pairs, a data set that is not known, an option that it does not
        have, an output that is a folder.
      UserError: no pair can be scored, weights that cannot be loaded, an unwritable output.
    """
    target = Path(output)
    if target.is_dir():
        raise UsageError(f"{output} is a folder; name the file to write, such as results.json")
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} leaves nothing to evaluate")
    if pictures < 0:
        raise UsageError(f"{pictures} pictures cannot be kept")
    options: dict[str, Any] = {"limit": limit, "command": command, "progress": progress, "say": say}
    kohler = dataset == kohler_run.DATASET
    if kohler:
        _refuse_for_kohler(directory, protocol, subset, perceptual)
    else:
        found, name = _pairs_to_score(pairs, dataset, directory, subset)
    if target.exists() and not overwrite:
        return None
    refuse_unwritable(output)  # not after an hour of work
    further = _perceptual(perceptual)
    restorers = on_every_device(
        registry.load(weights), precision=precision, dropout=dropout, self_ensemble=self_ensemble
    )
    if kohler:
        return kohler_run.evaluate_to_file(output, str(directory), restorers[0], **options)
    return evaluate_to_file(
        output,
        found,
        restorers,
        protocol=protocol,
        filter=filter,
        dataset=name,
        subset=subset or ("linear" if dataset == "gopro" else None),
        pictures=pictures,
        perceptual=further,
        **options,
    )


def name_of(folder: str | Path) -> str:
    """What to call a folder's pairs: `frames`, but `reds/test` where `test` alone says little."""
    path = Path(folder).resolve()
    parts = path.parts[1:]
    return "/".join(parts[-2:] if path.name.lower() in _VAGUE else parts[-1:])


def _perceptual(names: Sequence[str]) -> "Perceptual | None":
    if not names:
        return None
    from deblur_jax.evaluation.metrics.perceptual import Perceptual  # brings PyTorch

    return Perceptual(names)


def _pairs_to_score(
    pairs: str | None, dataset: str | None, directory: str | None, subset: str | None
) -> tuple[list[Pair], str]:
    """The pairs and what to call them."""
    if pairs is not None:
        if directory is not None:
            raise UsageError("--directory says where a data set lies; --pairs is a folder itself")
        folder = None if subset is None else gopro.SUBSETS[subset]
        return find_pairs(pairs, blurred_folder=folder), name_of(pairs)
    if dataset == "gopro":
        return gopro.test_pairs(directory, subset=subset or "linear"), "gopro"
    raise UsageError(f"no data set {dataset!r}; there are gopro and kohler")


def _refuse_for_kohler(
    directory: str | None, protocol: str, subset: str | None, perceptual: Sequence[str]
) -> None:
    if directory is None:
        raise UsageError("Köhler's benchmark: say where it lies, with --directory")
    if protocol != "full" or subset is not None or perceptual:
        raise UsageError("Köhler's benchmark has a protocol of its own, without these options")


def kernel_study(
    images: str,
    output: str,
    *,
    weights: str = "default",
    precision: str = "float32",
    dropout: int | None = None,
    self_ensemble: int = 1,
    limit: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Study | None:
    """Studies weights on a folder of sharp pictures; None where a study exists and is to stay.

    Raises:
      UsageError: no folder, no pictures in it, or a wrong option.
      UserError: no picture could be studied, weights that cannot be loaded, an unwritable output.
    """
    jobs = find_pictures(images, output, limit)
    target = Path(output) / STUDY_FILE
    if target.exists() and not overwrite:
        return None
    refuse_unwritable(target)  # before the weights are loaded and pictures restored
    restorer = Restorer(
        registry.load(weights),
        precision=precision,
        dropout=dropout,
        self_ensemble=self_ensemble,
        reuse=False,
    )
    call = ["deblur-jax", "kernel-study", "--images", images, "--output", output]
    call += ["--weights", weights, "--precision", precision]
    call += [] if dropout is None else ["--dropout", str(dropout)]
    call += [] if self_ensemble == 1 else ["--self-ensemble", str(self_ensemble)]
    call += [] if limit is None else ["--limit", str(limit)]
    about = {
        "images": Path(images).resolve().name,
        "precision": precision,
        "dropout": dropout,
        "self_ensemble": self_ensemble,
        "command": shlex.join(call),
    }
    return study_kernels(jobs, output, restorer, about=about, progress=progress)


def report(
    results: Sequence[str],
    output: str,
    *,
    weights: str | None = None,
    precision: str = "float32",
    overwrite: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[str, int]:
    """Builds a report's page, Markdown, CSV and plots.

    With `weights`, pictures of other kinds and the kernel study are measured first, into
    `measured/` there, unless the same weights left them there. A report that exists is left alone
    unless `overwrite`.

    Returns:
      What was written, in a line, and how many pictures could not be measured with the weights.

    Raises:
      UsageError: neither files nor weights, a file that is not there, an output that is a file.
      UserError: a file that cannot be read or is damaged, an unwritable output.
    """
    from deblur_jax.report.build import PAGE, build  # brings matplotlib and jinja2
    from deblur_jax.report.documents import read_all

    if not results and weights is None:
        raise UsageError("name the files to report on (--results), or weights to measure first")
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{output} is a file; name a folder for the report")
    if (folder / PAGE).exists() and not overwrite:
        return f"{folder / PAGE}: exists and was skipped (--overwrite replaces it)", 0
    refuse_unwritable(folder / PAGE)
    figures: list[Path] = []
    if weights is not None:
        read_all(results)  # what is wrong with them is said before minutes of measuring
        figures = _measured_figures(folder / "measured", weights, precision, overwrite, progress)
    said = f"{build([*results, *map(str, figures)], output)}: written"
    failed = sum(len(json.loads(path.read_bytes()).get("failed", ())) for path in figures)
    if failed:
        pictures = "picture" if failed == 1 else "pictures"
        said += f"; {failed} {pictures} could not be measured, as it says"
    return said, failed


def _measured_figures(
    folder: Path,
    weights: str,
    precision: str,
    again: bool,
    progress: Callable[[int, int, str], None] | None,
) -> list[Path]:
    from deblur_jax.evaluation.figures import measure_figures

    # It is timed, so no size may share a larger one's program.
    restorer = Restorer(registry.load(weights), precision=precision, reuse=False)
    about = {
        "precision": precision,
        "dropout": None,
        "self_ensemble": 1,
        "command": shlex.join(["deblur-jax", "report", "--weights", weights]),
    }
    return measure_figures(folder, restorer, about=about, again=again, progress=progress)
