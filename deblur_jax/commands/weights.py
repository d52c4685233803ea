"""Weights and networks from and to files of other programs."""

from collections.abc import Sequence
from pathlib import Path

from deblur_jax.errors import UsageError


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


def export(
    weights: str,
    output: str,
    *,
    values: str = "uint8",
    precision: str = "float32",
    platforms: Sequence[str] = ("cpu", "cuda", "tpu"),
    overwrite: bool = False,
) -> str:
    """Writes a `jax.export` artifact; returns what was written, in a line.

    A file that exists is left alone unless `overwrite`. Options and errors as in `restore.export`,
    and UsageError where the output is a folder or the weights themselves.
    """
    from deblur_jax.restore import export as exporting
    from deblur_jax.weights import registry

    skipped = _skipped(output, overwrite, source=weights)
    return skipped or exporting.export(
        registry.load(weights), output, values=values, precision=precision, platforms=platforms
    )


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
