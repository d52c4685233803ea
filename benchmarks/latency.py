"""How long one forward pass of a generator takes.

    python -m benchmarks.latency --config configs/paper.py --height 720 --width 1280 \
        --json benchmarks/results/latency.json

Times the network alone: pictures and parameters lie on the device, the result stays there, and
reading, padding and writing are left out. A configuration runs on random parameters, which take
as long as trained ones; `--weights` takes those of a name, a file or a workdir. Dropout is off.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import command, config_file, machine, random_values, timing
from deblur_jax import compiler, models
from deblur_jax.models import GeneratorConfig, generator
from deblur_jax.restore.restorer import PRECISIONS
from deblur_jax.training.recipe import generator_config
from deblur_jax.weights import registry

PAPER_S = 0.85  # arXiv 1711.07064, table 1: one GoPro frame on the authors' GPU
PAPER_SIZE = (720, 1280)  # pixels, height and width of that frame
REPORT_S = 0.97  # the Columbia report's time, for pictures of another size (256x256)


class Network(NamedTuple):
    """A generator with parameters on the device.

    Attributes:
      origin: `config` and `weights`, as they go into the JSON file; one of them is None.
      config: the generator's shape.
      params, batch_stats: as `models.apply_generator` takes them.
    """

    origin: dict[str, Any]
    config: GeneratorConfig
    params: Any
    batch_stats: Any


def random_network(name: str) -> Network:
    """The generator of a configuration file with random parameters."""
    config = generator_config(config_file.load(name))
    stats = generator.init_stats(config) or None
    origin = {"config": name, "weights": None}
    return Network(origin, config, random_values.generator(config), stats)


def trained_network(name: str) -> Network:
    """The generator of a shipped name, a weights file or a workdir."""
    weights = registry.load(name)
    origin = {"config": None, "weights": {"name": weights.name, "sha256": weights.sha256}}
    params, stats = jax.device_put((weights.params, weights.batch_stats or None))
    return Network(origin, weights.config, params, stats)


def padded(height: int, width: int, config: GeneratorConfig) -> tuple[int, int]:
    """The smallest size, not below the given one, that the network takes."""
    multiple, least = models.size_multiple(config), models.minimum_size(config)
    rows, columns = (-(-max(side, least) // multiple) * multiple for side in (height, width))
    return rows, columns


def gigaflops(lowered: Any) -> float:
    """Billions of floating-point operations in one pass, as XLA counts them before it optimises.

    A multiplication and an addition are two; taps of a convolution that fall on its zero padding,
    or on the zeros between the samples of a transposed one, are none; norms and activations count
    one an operation, tanh none. The count is made before compiling because an accelerator's program
    hides its convolutions in library calls, which the compiled program's own count may miss. XLA
    counts the body of a loop once, however often it runs: a network in loops needs another count.
    """
    return float(lowered.cost_analysis()["flops"]) / 1e9


def compiled(network: Network, x: jax.Array, precision: str) -> tuple[float, float, Any]:
    """Traces and compiles a pass over `x`, float32[B, H, W, 3].

    Returns:
      Seconds that it took, billions of operations of a pass, and the program, which is called with
      parameters, batch statistics and pictures.
    """
    compiler.compiler_options()  # tries its options out when first called: not to be timed

    def forward(params: Any, batch_stats: Any, x: jax.Array) -> jax.Array:
        return models.apply_generator(
            params, x, network.config, batch_stats=batch_stats, dtype=PRECISIONS[precision]
        )

    start = time.perf_counter()
    lowered = compiler.jit(forward).lower(network.params, network.batch_stats, x)
    program = lowered.compile()
    return time.perf_counter() - start, gigaflops(lowered), program


def measure(
    network: Network,
    *,
    height: int,
    width: int,
    batch: int = 1,
    precision: str = "float32",
    runs: int = 9,
    warmups: int = timing.WARMUPS,
) -> dict[str, Any]:
    """Compiles and times one size.

    Args:
      network: what to run.
      height, width: of the pictures, in pixels; padded up to what the network takes.
      batch: pictures in one pass.
      precision: of the convolutions, 'float32' or 'bfloat16'.
      runs: timed passes.
      warmups: passes before them.

    Returns:
      The measures; `compile_s` is tracing and compiling from nothing, without any cache.
      `speedup_over_paper` is None unless one picture has the paper's size.
    """
    described = machine.describe()
    rows, columns = padded(height, width, network.config)
    pixels = np.random.default_rng(0).uniform(-1, 1, (batch, rows, columns, 3))
    x = jax.block_until_ready(jax.device_put(pixels.astype(np.float32)))
    compile_s, gflop, program = compiled(network, x, precision)
    times = timing.summary(
        timing.repeat(
            lambda: program(network.params, network.batch_stats, x), runs, warmups=warmups
        )
    )
    median = times["median_s"]
    comparable = (height, width) == PAPER_SIZE and batch == 1
    return {
        "benchmark": "latency",
        **network.origin,
        **described,
        "generator": network.config.to_dict(),
        "parameters": sum(int(leaf.size) for leaf in jax.tree.leaves(network.params)),
        "height": height,
        "width": width,
        "padded_height": rows,
        "padded_width": columns,
        "batch": batch,
        "precision": precision,
        "compile_s": compile_s,
        "warmups": warmups,
        **times,
        "seconds_per_picture": median / batch,
        "gflop": gflop,
        "gflop_per_s": gflop / median,
        "peak_memory_mb": machine.program_memory_mb(program),
        "peak_memory_of": "XLA's plan: arguments, result and temporaries",
        "allocator_peak_mb": machine.allocator_peak_mb(),
        "paper_s": PAPER_S,
        "paper_hardware": "the paper's own",
        "report_s": REPORT_S,
        "speedup_over_paper": PAPER_S / median if comparable else None,
    }


def sentences(m: dict[str, Any]) -> str:
    """The measures for a person to read."""
    name = m["config"] or m["weights"]["name"]
    memory = m["peak_memory_mb"]
    if m["speedup_over_paper"] is None:
        against = f"no comparison with the paper's {PAPER_S} s, which is one picture of 1280x720"
    else:
        against = (
            f"{m['speedup_over_paper']:.2f} times as fast as the paper's {PAPER_S} s on its own "
            f"hardware (the report: {REPORT_S} s, at another size)"
        )
    return "\n".join((
        f"{name}, {m['parameters'] / 1e6:.2f} M parameters, {m['precision']}, on {m['device']}",
        f"{m['batch']} x {m['width']}x{m['height']}: median {m['median_s']:.4g} s of {m['runs']} "
        f"runs (p10 {m['p10_s']:.4g}, p90 {m['p90_s']:.4g}), compiled in {m['compile_s']:.1f} s",
        f"{m['gflop']:.4g} GFLOP, {m['gflop_per_s']:.4g} GFLOP/s, "
        f"memory {'not known' if memory is None else f'{memory:.0f} MB'}",
        against,
    ))  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency", description="Times a generator's forward pass."
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--config", default="configs/paper.py", help="a configuration, with random parameters"
    )
    source.add_argument("--weights", metavar="NAME", help="a shipped name, a file or a workdir")
    parser.add_argument("--height", type=command.positive, default=PAPER_SIZE[0], help="pixels")
    parser.add_argument("--width", type=command.positive, default=PAPER_SIZE[1], help="pixels")
    parser.add_argument("--batch", type=command.positive, default=1, help="pictures in one pass")
    parser.add_argument("--runs", type=command.positive, default=9, help="timed passes")
    command.add_common(parser)
    return parser


def _benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.weights is not None:
        network = trained_network(arguments.weights)
    else:
        network = random_network(arguments.config)
    return measure(
        network,
        height=arguments.height,
        width=arguments.width,
        batch=arguments.batch,
        precision=arguments.precision or "float32",
        runs=arguments.runs,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.run(_parser(), argv, _benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
