"""What the benchmarks' command lines share: arguments, errors as one sentence, the JSON file."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from benchmarks import tracing
from benchmarks.timing import fresh_compilation
from deblur_jax import atomic
from deblur_jax.errors import UsageError, UserError
from deblur_jax.huge_pages import start_again_with_huge_pages
from deblur_jax.restore.network import PRECISIONS

SCHEMA = 1
NO_MEMORY = "the device has not enough memory for this size"


def positive(text: str) -> int:
    """A whole number from 1 on, for argparse."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return value


def add_network(parser: argparse.ArgumentParser) -> None:
    """Adds `--config` and `--weights`, one of which names a generator."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--config", default="configs/paper.py", help="a configuration, with random parameters"
    )
    source.add_argument("--weights", metavar="NAME", help="a shipped name, a file or a workdir")


def add_size(parser: argparse.ArgumentParser, size: tuple[int, int]) -> None:
    """Adds `--height` and `--width`, in pixels, which are `size` where they are not given."""
    for side, pixels in zip(("height", "width"), size, strict=True):
        parser.add_argument(f"--{side}", type=positive, default=pixels, help="pixels")


def add_common(parser: argparse.ArgumentParser) -> None:
    """Adds `--precision` and `--json`."""
    add_precision(parser)
    add_json(parser)


def add_precision(parser: argparse.ArgumentParser) -> None:
    """Adds `--precision`."""
    parser.add_argument("--precision", choices=tuple(PRECISIONS), help="of the convolutions")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", metavar="FILE", type=Path, help="where the measures go")


def add_profile(parser: argparse.ArgumentParser) -> None:
    """Adds `--profile`."""
    parser.add_argument(
        "--profile",
        metavar="DIR",
        type=Path,
        help=f"write a jax.profiler trace of {tracing.CALLS} calls after the timed ones",
    )


def run(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    benchmark: Callable[[argparse.Namespace], dict[str, Any]],
    sentences: Callable[[dict[str, Any]], str],
) -> int:
    """Parses, measures, writes the JSON file and prints what was measured.

    Args:
      parser: of the command, with `add_common`'s arguments.
      argv: the arguments; None for the process' own.
      benchmark: from arguments to measures, ready for JSON.
      sentences: from measures to what a person reads.

    Returns:
      The exit code: 0; 1 where the machine is at fault; 2 where the call is; 130 when interrupted.
    """

    def work(arguments: argparse.Namespace) -> int:
        _check_target(arguments.json)
        measures = benchmark(arguments)
        if arguments.json:
            write(arguments.json, measures)
        print(sentences({"schema": SCHEMA} | measures), flush=True)
        return 0

    return guarded(parser, argv, work)


def guarded(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    work: Callable[[argparse.Namespace], int],
    *,
    interrupted: str = "nothing was written",
) -> int:
    """Parses and works, compiling afresh, with each foreseeable error as one sentence.

    A process of its own takes large memory in huge pages, as `deblur-jax` does, and so does every
    process that it starts.

    Args:
      parser, argv: as of `run`.
      work: from arguments to the exit code.
      interrupted: what to say of the files where the user stops it.

    Returns:
      The exit code, as of `run`.
    """
    if argv is None:
        start_again_with_huge_pages()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed why
        return int(stop.code or 0)
    try:
        with fresh_compilation():
            return work(arguments)
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_code
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not out_of_memory(error):
            raise
        print(f"{parser.prog}: {NO_MEMORY}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted, {interrupted}", file=sys.stderr)
        return 130


def out_of_memory(error: Exception) -> bool:
    """Whether the host's or the device's memory was too small."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Cells under one another in columns of so many characters; below zero stands to the left."""
    aligned = (
        cell.ljust(-width) if width < 0 else cell.rjust(width)
        for cell, width in zip(cells, widths, strict=True)
    )
    return "  ".join(aligned)


def write(path: Path, measures: dict[str, Any]) -> None:
    """Writes measures as JSON; UserError as `atomic.write_text`."""
    atomic.write_text(path, json.dumps({"schema": SCHEMA} | measures, indent=2) + "\n")


def _check_target(path: Path | None) -> None:
    """Raises before the measuring, not after it, where the file cannot be written."""
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    atomic.make_folder(path.parent)
