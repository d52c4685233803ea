"""How long one forward pass of a generator takes.

    python -m benchmarks.latency --config configs/paper.py --height 720 --width 1280 \
        --json benchmarks/results/latency.json

Times the network alone: pictures and parameters lie on the device, the result stays there, and
reading, padding and writing are left out. A configuration runs on random parameters, which take
as long as trained ones; `--weights` takes those of a name, a file or a workdir. Dropout is off.

`--profile DIR` also writes a trace of a few passes after the timed ones: open DIR in TensorBoard,
or the `*.trace.json.gz` within it at https://ui.perfetto.dev (`benchmarks/tracing.py`).
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import command, machine, timing, tracing
from benchmarks.networks import Network, chosen, padded
from deblur_jax import compiler, fast, models
from deblur_jax.models.layers import PLAIN, Operations
from deblur_jax.restore.network import PRECISIONS

PAPER_S = 0.85  # arXiv 1711.07064, table 1: one GoPro frame on the authors' GPU
PAPER_SIZE = (720, 1280)  # pixels, height and width of that frame
REPORT_S = 0.97  # the Columbia report's time, for pictures of another size (256x256)


Forward = Callable[[Any, jax.Array], jax.Array]  # parameters and pictures to restored


class Compiled(NamedTuple):
    """A pass that is ready.

    Attributes:
      seconds: that preparing the parameters, tracing and compiling took.
      program: XLA's, a `Forward`.
      params: what it takes, on the device.
    """

    seconds: float
    program: Any
    params: Any


def plain(network: Network, precision: str, operations: Operations = PLAIN) -> tuple[Any, Forward]:
    """The network as `models` writes it, the one that operations are counted of.

    `operations` are others that it is computed with.
    """

    def forward(params: Any, x: jax.Array) -> jax.Array:
        own, batch_stats = params
        return models.apply_generator(
            own,
            x,
            network.config,
            batch_stats=batch_stats,
            dtype=PRECISIONS[precision],
            operations=operations,
        )

    return (network.params, network.batch_stats), forward


def forward_of(network: Network, precision: str) -> tuple[Any, Forward]:
    """The pass that is timed, the one that a user's pictures take: parameters and a function.

    The parameters are prepared once, on the host; the function takes them and pictures.
    """
    return fast.choose_forward(
        network.params,
        network.config,
        batch_stats=network.batch_stats,
        dtype=PRECISIONS[precision],
    )


def gigaflops(network: Network, x: Any, precision: str = "float32") -> float:
    """Billions of floating-point operations in one pass, as XLA counts them before it optimises.

    They are those of the plain network, however the timed one computes: a formulation that
    multiplies less is then seen to be faster, and not to do less. A multiplication and an addition
    are two; taps of a convolution that fall on its zero padding, or on the zeros between the
    samples of a transposed one, are none; norms and activations count one an operation, tanh none.
    Nothing is compiled, as an accelerator's program hides its convolutions in library calls, which
    its own count may miss; and XLA counts the body of a loop once, however often it runs.

    Args:
      network: whose `params` may be shapes alone.
      x: pictures, float32[B, H, W, 3], or their shape.
      precision: of the convolutions.
    """
    params, forward = plain(network, precision)
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), (params, x))
    # Only XLA:CPU counts what is not compiled yet; on a GPU there is nothing (jax 0.11.2).
    with compiler.on_cpu():
        counts: Any = jax.jit(forward).lower(*shapes).cost_analysis()
    return float(counts["flops"]) / 1e9


def compiled(network: Network, x: jax.Array, precision: str) -> Compiled:
    """Prepares, traces and compiles a pass over `x`, float32[B, H, W, 3]."""
    dtype = PRECISIONS[precision]
    compiler.compiler_options(dtype)  # tries its options out when first called: not to be timed
    start = time.perf_counter()
    prepared, forward = forward_of(network, precision)
    params = jax.block_until_ready(jax.device_put(prepared))
    program = compiler.jit(forward, dtype=dtype).lower(params, x).compile()
    return Compiled(time.perf_counter() - start, program, params)


def measure(
    network: Network,
    *,
    height: int,
    width: int,
    batch: int = 1,
    precision: str = "float32",
    runs: int = 9,
    warmups: int = timing.WARMUPS,
    profile: Path | None = None,
) -> dict[str, Any]:
    """Compiles and times one size.

    Args:
      network: what to run.
      height, width: of the pictures, in pixels; padded up to what the network takes.
      batch: pictures in one pass.
      precision: of the convolutions, 'float32' or 'bfloat16'.
      runs: timed passes.
      warmups: passes before them.
      profile: folder for a trace of passes after them, or None.

    Returns:
      The measures; `compile_s` is preparing parameters, tracing and compiling, without any cache.
      `speedup_over_paper` is None unless one picture has the paper's size.

    Raises:
      UserError: the trace cannot be written.
    """
    described = machine.describe()
    rows, columns = padded(height, width, network.config)
    pixels = np.random.default_rng(0).uniform(-1, 1, (batch, rows, columns, 3))
    x = jax.block_until_ready(jax.device_put(pixels.astype(np.float32)))
    gflop = gigaflops(network, x, precision)
    compile_s, program, params = compiled(network, x, precision)
    times = timing.summary(timing.repeat(lambda: program(params, x), runs, warmups=warmups))
    median = times["median_s"]
    measures = {
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
        **_others(median if (height, width) == PAPER_SIZE and batch == 1 else None),
    }
    if profile:
        tracing.record(lambda: program(params, x), profile)
    return measures


def _others(seconds: float | None) -> dict[str, Any]:
    """What the paper and the report state; the speedup where `seconds` are of the paper's size."""
    return {
        "paper_s": PAPER_S,
        "paper_hardware": "the paper's own",
        "report_s": REPORT_S,
        "speedup_over_paper": None if seconds is None else PAPER_S / seconds,
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
    command.add_network(parser)
    command.add_size(parser, PAPER_SIZE)
    parser.add_argument("--batch", type=command.positive, default=1, help="pictures in one pass")
    parser.add_argument("--runs", type=command.positive, default=9, help="timed passes")
    command.add_common(parser)
    command.add_profile(parser)
    return parser


def _benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.profile:
        tracing.refuse_unwritable(arguments.profile)
    return measure(
        chosen(arguments.config, arguments.weights),
        height=arguments.height,
        width=arguments.width,
        batch=arguments.batch,
        precision=arguments.precision or "float32",
        runs=arguments.runs,
        profile=arguments.profile,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.run(_parser(), argv, _benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
