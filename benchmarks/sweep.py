"""Latency over sizes and batches: `latency.measure` for each, a JSON file each, and a table.

    python -m benchmarks.sweep --config configs/paper.py --sizes 256x256 640x360 1280x720 \
        --batches 1 2 4 --directory benchmarks/results

A file is named by what was measured, as `benchmarks/results/README.md` says, with the batch where
it is not 1: `latency_paper_1280x720_batch4_float32_h200.json`. One that exists is passed over,
unless `--overwrite` is given. What does not fit in the device's memory is named, and the rest done;
the exit code is then 1. `deblur-jax report --results DIR/latency_*.json …` draws them.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks import command, latency, machine
from benchmarks.networks import Network, chosen
from deblur_jax import atomic
from deblur_jax.evaluation.device import device_name
from deblur_jax.weights import registry

SIZES = ((256, 256), (640, 360), (1280, 720))  # pixels, width and height
HEADINGS = ("size", "batch", "median s", "p10-p90 s", "s a picture", "GFLOP/s", "MB", "file")
WIDTHS = (-10, 5, 9, 17, 11, 8, 8, -1)  # of the table's columns, below zero to the left
PROGRAM = "python -m benchmarks.sweep"


class Case(NamedTuple):
    """One measurement: pixels of the pictures, pictures in one pass."""

    width: int
    height: int
    batch: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}, batch {self.batch}"

    @property
    def work(self) -> int:
        return self.width * self.height * self.batch


def cases(sizes: Sequence[tuple[int, int]], batches: Sequence[int]) -> list[Case]:
    """Each size with each batch once, the least pixels first.

    The allocator tells the most that it ever held: in this order it was for the last one.
    """
    found = {Case(*size, batch) for size in sizes for batch in batches}
    return sorted(found, key=lambda case: (case.work, case))


def file_name(model: str, case: Case, precision: str, device: str) -> str:
    """Such as `latency_paper_1280x720_batch4_float32_h200.json`.

    Args:
      model: of `model_name`.
      case: what is measured.
      precision: of the convolutions.
      device: as `device_name` gives it.
    """
    batch = [f"batch{case.batch}"] if case.batch > 1 else []
    parts = ["latency", model, f"{case.width}x{case.height}", *batch, precision]
    return "_".join([*parts, machine.tag(device)]) + ".json"


def model_name(config: str, weights: str | None) -> str:
    """The weights' or the configuration's name without folder and suffix: `best`, `paper-vgg16`.

    A configuration that shares its name with shipped weights is told from them: `fast-random`.
    """
    path, _, argument = (weights, "", "") if weights else config.partition(":")
    name = f"{Path(path).stem}-{argument}" if argument else Path(path).stem
    if not weights and name in registry.names():
        name += "-random"
    return re.sub(r"[^\w.-]+", "-", name)


def sweep(arguments: argparse.Namespace) -> int:
    """Measures what is not there yet, a row of the table each; gives the exit code."""
    folder, precision = arguments.directory, arguments.precision or "float32"
    atomic.refuse_unwritable(folder / "latency.json")
    model, device = model_name(arguments.config, arguments.weights), device_name()
    network, code = None, 0
    print(command.row(HEADINGS, WIDTHS), flush=True)
    for case in cases(arguments.sizes, arguments.batches):
        path = folder / file_name(model, case, precision, device)
        if path.exists() and not arguments.overwrite:
            print(f"{case}: {path} is there already", flush=True)
            continue
        if network is None:
            network = chosen(arguments.config, arguments.weights)
        measures = _measured(network, case, precision, arguments.runs)
        if measures is None:
            code = 1
        else:
            command.write(path, measures)
            print(command.row(_row(measures, path), WIDTHS), flush=True)
    return code


def _measured(network: Network, case: Case, precision: str, runs: int) -> dict[str, Any] | None:
    """Of one case; None, and a sentence on stderr, where the memory is too small for it."""
    height, width, batch = case.height, case.width, case.batch
    try:
        return latency.measure(
            network, height=height, width=width, batch=batch, precision=precision, runs=runs
        )
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not command.out_of_memory(error):
            raise
        print(f"{PROGRAM}: {case}: {command.NO_MEMORY}", file=sys.stderr, flush=True)
        return None


def _row(m: dict[str, Any], path: Path) -> list[str]:
    memory = m["peak_memory_mb"]
    return [
        f"{m['width']}x{m['height']}",
        str(m["batch"]),
        f"{m['median_s']:.4g}",
        f"{m['p10_s']:.4g}-{m['p90_s']:.4g}",
        f"{m['seconds_per_picture']:.4g}",
        f"{m['gflop_per_s']:.4g}",
        "–" if memory is None else f"{memory:.0f}",
        path.name,
    ]


def _size(text: str) -> tuple[int, int]:
    """Width and height of `1280x720`, for argparse."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if min(sides) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1280x720")
    return sides


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Times a generator's forward pass over sizes and batches."
    )
    command.add_network(parser)
    parser.add_argument(
        "--sizes", type=_size, nargs="+", default=SIZES, metavar="WxH",
        help="pixels (default: 256x256 640x360 1280x720)",
    )  # fmt: skip
    parser.add_argument(
        "--batches", type=command.positive, nargs="+", default=[1], metavar="N",
        help="pictures in one pass (default: 1)",
    )  # fmt: skip
    parser.add_argument("--runs", type=command.positive, default=9, help="timed passes of each")
    command.add_precision(parser)
    parser.add_argument("--directory", type=Path, required=True, metavar="DIR", help="of the files")
    parser.add_argument("--overwrite", action="store_true", help="measure what is there, too")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.guarded(_parser(), argv, sweep, interrupted="files that were written stay")


if __name__ == "__main__":
    sys.exit(main())
