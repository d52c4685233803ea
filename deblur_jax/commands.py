"""What the commands do, as functions: the command line parses, calls one of these and prints."""

import hashlib
import platform
import shlex
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deblur_jax.atomic import refuse_unwritable
from deblur_jax.blur import blur_picture
from deblur_jax.compiler import cache_folder
from deblur_jax.data import gopro
from deblur_jax.data.pairs import Pair, find_pairs
from deblur_jax.data.store import stores_at_hand
from deblur_jax.errors import UsageError, UserError
from deblur_jax.evaluation.device import device_name
from deblur_jax.evaluation.files import PICTURES, evaluate_to_file
from deblur_jax.evaluation.kernel_study.study import FILE as STUDY_FILE
from deblur_jax.evaluation.kernel_study.study import Study, find_pictures, study_kernels
from deblur_jax.evaluation.kohler import run as kohler_run
from deblur_jax.images import Picture
from deblur_jax.restore.files import Progress, Summary, process_files
from deblur_jax.restore.restorer import Restorer, on_every_device
from deblur_jax.version import __version__
from deblur_jax.weights import registry

if TYPE_CHECKING:
    from deblur_jax.data.video.scenes import Scene
    from deblur_jax.evaluation.metrics.perceptual import Perceptual

LIBRARIES = ("jax", "jaxlib", "flax", "numpy", "pillow", "tensorflow-cpu", "tensorflow")
_VAGUE = ("test", "train", "val", "validation")
PROBE_SIDE = 96  # pixels; every method takes a picture of this size


def deblur(
    inputs: Sequence[str],
    output: str,
    *,
    weights: str = "default",
    precision: str = "float32",
    tile: str | int = "auto",
    dropout: int | None = None,
    compare: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Restores pictures; see `process_files` for the files and `Restorer` for the rest."""
    restorer = Restorer(registry.load(weights), precision=precision, tile=tile, dropout=dropout)
    return process_files(
        inputs,
        output,
        lambda picture, _name: restorer.restore_picture(picture),
        compare=compare,
        overwrite=overwrite,
        progress=progress,
    )


def blur(
    inputs: Sequence[str],
    output: str,
    *,
    method: str = "trajectory",
    kernel_size: int | None = None,
    seed: int = 0,
    constants: str | None = None,
    light: str | None = None,
    exposure: float | None = None,
    noise: tuple[float, float] | None = None,
    jpeg: int | None = None,
    compat: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Makes blurred copies; each picture's path is drawn from the seed and the picture's name.

    Pictures of more than 8 bits keep their depth, but what they are blurred from is 8-bit.
    The options are those of `blur_picture`.

    Raises:
      UsageError: an unknown method, or an option or value that the method cannot have.
    """

    def apply(image: np.ndarray, number: int) -> np.ndarray:
        return blur_picture(
            image,
            method,
            kernel_size=kernel_size,
            seed=number,
            constants=constants,
            light=light,
            exposure=exposure,
            noise=noise,
            jpeg=jpeg,
            compat=compat,
        )

    def refuse_wrong_call() -> None:
        side = max(PROBE_SIDE, kernel_size or 0)
        apply(np.zeros((side, side, 3), np.uint8), 0)

    tried = False

    def function(picture: Picture, name: str) -> Picture:
        nonlocal tried
        tried = True
        shallow = picture.at_depth("uint8")
        try:
            blurred = apply(shallow.rgb, seed_of(seed, name))
        except UsageError as error:
            refuse_wrong_call()  # otherwise the fault lies in this picture
            raise UserError(str(error)) from error
        same_depth = Picture(blurred).at_depth(picture.rgb.dtype.name).rgb
        return picture.with_rgb(same_depth)

    summary = process_files(inputs, output, function, overwrite=overwrite, progress=progress)
    if not tried:  # all are there already, or none could be read: the options were not looked at
        refuse_wrong_call()
    return summary


def make_pairs(
    inputs: Sequence[str],
    output: str,
    *,
    frames: str = "7,9,11,13",
    blurred: str = "both",
    **options: Any,
) -> "list[Scene]":
    """Makes pairs of videos; `frames` lists numbers of frames, the options are `make_scenes`'s.

    Raises:
      UsageError: `frames` are not odd numbers of 3 or more, or what `make_scenes` refuses.
      UserError: a file is where the output's folder should be.
    """
    from deblur_jax.data.video.pairs import BLURRED
    from deblur_jax.data.video.scenes import make_scenes  # loads FFmpeg, which others need not

    try:
        lengths = [int(number) for number in frames.split(",")]
    except ValueError as error:
        raise UsageError(f"--frames {frames}: name odd numbers, such as 7,9,11,13") from error
    kinds = BLURRED if blurred == "both" else (blurred,)
    return make_scenes(inputs, output, lengths=lengths, kinds=kinds, **options)


def seed_of(seed: int, name: str) -> int:
    """A picture's own seed, below 2^31: the same for the same seed and name on any machine."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


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
      weights, precision, dropout: see `Restorer`.
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
    restorers = on_every_device(registry.load(weights), precision=precision, dropout=dropout)
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
    restorer = Restorer(registry.load(weights), precision=precision, dropout=dropout)
    call = ["deblur-jax", "kernel-study", "--images", images, "--output", output]
    call += ["--weights", weights, "--precision", precision]
    call += [] if dropout is None else ["--dropout", str(dropout)]
    call += [] if limit is None else ["--limit", str(limit)]
    about = {
        "images": Path(images).resolve().name,
        "precision": precision,
        "dropout": dropout,
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
) -> str:
    """Builds a report's page, Markdown, CSV and plots; returns what was written, in a line.

    With `weights`, pictures of other kinds and the kernel study are measured first, into
    `measured/` there, unless the same weights left them there. A report that exists is left alone
    unless `overwrite`.

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
        return f"{folder / PAGE}: exists and was skipped (--overwrite replaces it)"
    refuse_unwritable(folder / PAGE)
    files = list(results)
    if weights is not None:
        read_all(files)  # what is wrong with them is said before minutes of measuring
        files += _measured_figures(folder / "measured", weights, precision, overwrite, progress)
    return f"{build(files, output)}: written"


def _measured_figures(
    folder: Path,
    weights: str,
    precision: str,
    again: bool,
    progress: Callable[[int, int, str], None] | None,
) -> list[str]:
    from deblur_jax.evaluation.figures import measure_figures

    restorer = Restorer(registry.load(weights), precision=precision)
    about = {
        "precision": precision,
        "dropout": None,
        "command": shlex.join(["deblur-jax", "report", "--weights", weights]),
    }
    paths = measure_figures(folder, restorer, about=about, again=again, progress=progress)
    return [str(path) for path in paths]


def import_weights(
    path: str, output: str, *, output_mode: str | None = None, overwrite: bool = False
) -> str:
    """Makes a weights file of another project's; returns what was found and written, in lines.

    A file that exists is left alone unless `overwrite`.

    Raises:
      UsageError: the output is a folder or the file itself; a wrong output mode.
      UserError: what `importing.read` refuses, or an output that cannot be written.
    """
    from deblur_jax.weights import importing

    skipped = _skipped(output, overwrite, source=path)
    if skipped:
        return skipped
    source = importing.read(path, output_mode)
    digest = importing.write(output, source)
    return f"{path}: {importing.describe(source.network)}\n{output}: written, sha256 {digest}"


def export_weights(
    weights: str, output: str, *, critic: bool = False, overwrite: bool = False
) -> str:
    """Writes weights as a `.pth` of the authors' layout; returns what was written, in a line.

    A file that exists is left alone unless `overwrite`.

    Raises:
      UsageError: the output is a folder or the file itself.
      UserError: what `exporting.export` refuses.
    """
    from deblur_jax.weights import exporting

    skipped = _skipped(output, overwrite, source=weights)
    return skipped or f"{output}: {exporting.export(weights, output, critic=critic)}"


def _skipped(output: str, overwrite: bool, *, source: str) -> str:
    """What to say of an output that exists and is to stay; empty where it is to be written."""
    target = Path(output)
    if target.is_dir():
        raise UsageError(f"{output} is a folder; name the file to write")
    if not target.exists():
        return ""
    if Path(source).exists() and target.samefile(source):
        raise UsageError(f"{output} is the file to read; name another one to write")
    return "" if overwrite else f"{output}: exists and was skipped (--overwrite replaces it)"


def info() -> str:
    """Versions, device, shipped weights with their hashes, and what is cached, a line each."""
    lines = [f"deblur-jax {__version__}", f"python {platform.python_version()}"]
    for library in LIBRARIES:
        try:
            lines.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            continue
    lines.append(f"device {device_name()}")
    for name in registry.names():
        try:
            lines.append(f"weights {name} sha256 {registry.load(name).sha256}")
        except UserError as error:
            lines.append(f"weights {name}: {error}")
    if not registry.names():
        lines.append("weights none shipped")
    lines.append(f"cache {cache_folder() or 'off'}")
    decoded = stores_at_hand()
    if decoded:
        size = sum(path.stat().st_size for store in decoded for path in store.glob("*.npy")) / 1e9
        sets = f"{len(decoded)} set{'s' if len(decoded) > 1 else ''}"
        where = f"in {decoded[0].parent} (may be deleted)"
        lines.append(f"decoded pairs {sets}, {size:.1f} GB, {where}")
    return "\n".join(lines)
