"""What the benchmarks' command lines share: arguments, errors as one sentence, the JSON file."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from benchmarks.timing import fresh_compilation
from deblur_jax import atomic
from deblur_jax.errors import UsageError, UserError
from deblur_jax.restore.restorer import PRECISIONS

SCHEMA = 1


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


def add_common(parser: argparse.ArgumentParser) -> None:
    """Adds `--precision` and `--json`."""
    parser.add_argument("--precision", choices=tuple(PRECISIONS), help="of the convolutions")
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", metavar="FILE", type=Path, help="where the measures go")


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
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed why
        return int(stop.code or 0)
    try:
        _check_target(arguments.json)
        with fresh_compilation():
            measures = {"schema": SCHEMA} | benchmark(arguments)
        if arguments.json:
            atomic.write_text(arguments.json, json.dumps(measures, indent=2) + "\n")
        print(sentences(measures), flush=True)
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_code
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(f"{parser.prog}: the device has not enough memory for this size", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted, nothing was written", file=sys.stderr)
        return 130
    return 0


def _check_target(path: Path | None) -> None:
    """Raises before the measuring, not after it, where the file cannot be written."""
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder")
    atomic.make_folder(path.parent)
