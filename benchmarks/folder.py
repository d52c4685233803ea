"""What restoring a folder of mixed sizes takes beside the network's own time.

    python -m benchmarks.folder --weights default --pictures 50 --sizes 10 --json FILE

Makes photographs of so many sizes in a temporary folder, cut from scikit-image's, half PNG and half
JPEG. First each is restored in memory by a program of its own size that is compiled already: their
sum is the least that this formulation needs. Then `deblur-jax deblur` works through the folder
twice, with a cache of compiled programs that is empty and with one that is warm, each time as a
process of its own: start, reading, writing, programs and padding included.

`overhead` is what the second of these takes by the sum, less one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import command, machine, timing
from deblur_jax.compiler import CACHE_VARIABLE
from deblur_jax.errors import UserError
from deblur_jax.evaluation.demo import PHOTOGRAPHS, bundled
from deblur_jax.images import read_rgb
from deblur_jax.restore.restorer import Restorer
from deblur_jax.weights import registry

SIDES = (480, 1920)  # pixels, the shortest and the longest side
RUNS = 2  # of each picture in memory after a first one; their median counts


def draw_sizes(count: int, seed: int = 0) -> list[tuple[int, int]]:
    """Heights and widths in pixels, drawn evenly from `SIDES`."""
    drawn = np.random.default_rng(seed).integers(*SIDES, (count, 2), endpoint=True)
    return [(int(height), int(width)) for height, width in drawn]


def make_pictures(folder: Path, count: int, sizes: Sequence[tuple[int, int]]) -> list[Path]:
    """Writes `count` photographs of these heights and widths in turn, PNG and JPEG in turn.

    UserError where scikit-image's photographs are not there.
    """
    found = [path for path in (bundled(photograph.file) for photograph in PHOTOGRAPHS) if path]
    if not found:
        raise UserError("scikit-image's photographs are not there")
    paths = []
    for number in range(count):
        photograph = read_rgb(found[number % len(found)])
        height, width = sizes[number % len(sizes)]
        repeats = [
            -(-int(n) // m) for n, m in zip((height, width), photograph.shape[:2], strict=True)
        ]
        picture = np.tile(photograph, (*repeats, 1))[:height, :width]
        path = folder / f"{number:03}{('.png', '.jpg')[number % 2]}"
        Image.fromarray(picture).save(path, quality=90)
        paths.append(path)
    return paths


def of_memory(paths: Sequence[Path], restorer: Restorer) -> list[float]:
    """Seconds that each picture takes in memory, the median of runs after a first one."""
    pictures = [read_rgb(path) for path in paths]
    return [
        timing.summary(timing.repeat(lambda p=picture: restorer(p), RUNS, warmups=1))["median_s"]
        for picture in pictures
    ]


def of_command(source: Path, output: Path, weights: str, cache: Path) -> float:
    """Seconds of `deblur-jax deblur` as a process; UserError where it fails."""
    call = [sys.executable, "-m", "deblur_jax", "deblur", str(source), "--output", str(output)]
    start = time.perf_counter()
    ended = subprocess.run(
        [*call, "--weights", weights],
        env=os.environ | {CACHE_VARIABLE: str(cache)},
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise UserError(f"restoring {source} failed: {ended.stderr.strip().splitlines()[-1]}")
    return time.perf_counter() - start


def measure(
    weights: str,
    pictures: int,
    sizes: int,
    *,
    run: Callable[[Path, Path, str, Path], float] = of_command,
) -> dict[str, Any]:
    """Measures all of it; `run` works through a folder as `of_command` does."""
    described = machine.describe()
    loaded = registry.load(weights)
    restorer = Restorer(loaded, reuse=False)
    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place) / "in", Path(place) / "cache"
        folder.mkdir()
        paths = make_pictures(folder, pictures, draw_sizes(sizes))
        megapixels = sum(np.prod(Image.open(path).size) for path in paths) / 1e6
        seconds = [run(folder, Path(place) / name, weights, cache) for name in ("cold", "warm")]
        alone = of_memory(paths, restorer)
    return {
        "benchmark": "folder",
        "weights": {"name": loaded.name, "sha256": loaded.sha256},
        **described,
        "pictures": pictures,
        "megapixels": float(megapixels),
        "sizes": sizes,
        "runs": RUNS,
        "network_s": sum(alone),
        "cold_s": seconds[0],
        "warm_s": seconds[1],
        "overhead": seconds[1] / sum(alone) - 1,
    }


def sentences(m: dict[str, Any]) -> str:
    """The measures for a person to read."""
    return (
        f"{m['pictures']} pictures of {m['sizes']} sizes, {m['megapixels']:.1f} megapixels, with "
        f"{m['weights']['name']} on {m['device']}\n"
        f"in memory {m['network_s']:.1f} s, the folder {m['warm_s']:.1f} s ({m['overhead']:+.1%}), "
        f"the first time {m['cold_s']:.1f} s"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.folder", description="Times a folder of mixed sizes."
    )
    parser.add_argument("--weights", default="default", metavar="NAME", help="as of deblur")
    parser.add_argument("--pictures", type=command.positive, default=50, help="of mixed sizes")
    parser.add_argument("--sizes", type=command.positive, default=10, help="how many sizes")
    command.add_json(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""

    def benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
        return measure(arguments.weights, arguments.pictures, arguments.sizes)

    return command.run(_parser(), argv, benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
