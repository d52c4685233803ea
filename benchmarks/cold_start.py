"""How long a person waits for the first picture: the command from its start to its end.

    python -m benchmarks.cold_start --weights default --size 256 --json FILE

Restores one photograph by `deblur-jax deblur`, each time as a process of its own. The first one
finds no compiled programs in the cache and is reported by itself (`cold_s`); the others find them
there, as every start after a user's first one does.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import command, folder, machine, timing
from deblur_jax.weights import registry

RUNS = 5


def measure(
    weights: str,
    size: int,
    runs: int = RUNS,
    *,
    run: Callable[[Path, Path, str, Path], float] = folder.of_command,
) -> dict[str, Any]:
    """Measures starts of the command; `run` restores as `folder.of_command` does.

    Args:
      weights: name or file, as of `deblur-jax deblur`.
      size: of the photograph, pixels a side.
      runs: starts with a warm cache.

    Returns:
      The measures: `timing.summary` of the starts with a warm cache, and `cold_s`.

    Raises:
      UserError: the command fails, or the weights cannot be read.
    """
    described = machine.describe()
    loaded = registry.load(weights)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "in").mkdir()
        (picture,) = folder.make_pictures(root / "in", 1, [(size, size)])
        seconds = [
            run(picture, root / f"out{number}", weights, root / "cache")
            for number in range(runs + 1)
        ]
    return {
        "benchmark": "cold_start",
        "weights": {"name": loaded.name, "sha256": loaded.sha256},
        **described,
        "height": size,
        "width": size,
        "cold_s": seconds[0],
        **timing.summary(seconds[1:]),
    }


def sentences(m: dict[str, Any]) -> str:
    """The measures for a person to read."""
    return (
        f"deblur-jax deblur of one picture of {m['width']}x{m['height']} with "
        f"{m['weights']['name']} on {m['device']}, from start to end\n"
        f"median {m['median_s']:.2f} s of {m['runs']} (p10 {m['p10_s']:.2f}, p90 "
        f"{m['p90_s']:.2f}), the first time {m['cold_s']:.2f} s"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold_start", description="Times the command's whole run."
    )
    parser.add_argument("--weights", default="default", metavar="NAME", help="as of deblur")
    parser.add_argument("--size", type=command.positive, default=256, help="pixels a side")
    parser.add_argument("--runs", type=command.positive, default=RUNS, help="warm starts")
    command.add_json(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""

    def benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
        return measure(arguments.weights, arguments.size, arguments.runs)

    return command.run(_parser(), argv, benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
