"""How near a forward pass comes to what the device can do: its operations, bytes and ceilings.

    python -m benchmarks.roofline --config configs/paper.py --height 720 --width 1280 \
        --json benchmarks/results/roofline.json

Times what `latency` times, and before that measures two ceilings on the spot: a large product of
matrices in the same precision, and reading and writing a large array.

Keys of the JSON file, besides `latency`'s:

- `gflop`: of the plain network, as XLA counts them; whatever is timed.
- `products_gflop`: of the convolutions and products in the program that is timed, loops in full; by
  Winograd's algorithm they are fewer. null where the program has a loop of unknown length.
- `least_mb`: parameters and picture read, result written: no program moves less (10^6 bytes).
- `activations_mb`: results of the plain network's convolutions, each written once and read once:
  what a program moves that joins all else to its convolutions, but keeps none of them in a cache.
- `product_side`, `product_gflop_per_s`, `copy_mb`, `copy_gb_per_s`: the ceilings.
- `compute_s`, `products_s`, `least_memory_s`, `memory_s`: what `gflop`, `products_gflop`,
  `least_mb`, and both sorts of bytes would take at the ceilings.
- `compute_share`, `products_share`, `least_memory_share`, `memory_share`: these by `median_s`. A
  compute share above 1 means fewer operations than the plain network's.
- `floor_s`: the larger of `products_s` (`compute_s` where that is null) and `least_memory_s`;
  `floor_share`: by `median_s`.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import ceilings, command, latency, machine, operations
from benchmarks.networks import Network, chosen, padded

_FLOAT32 = 4  # bytes, of pictures and parameters


def work(network: Network, rows: int, columns: int, precision: str) -> dict[str, Any]:
    """What one pass over a picture of `rows` x `columns` pixels does, without running it.

    Returns:
      `products_gflop`, `least_mb` and `activations_mb`.
    """
    x = jax.ShapeDtypeStruct((1, rows, columns, 3), jnp.float32)

    def counted(pair: tuple[Any, latency.Forward]) -> operations.Operations:
        params, forward = pair
        return operations.count(forward, params, x)

    timed = counted(latency.forward_of(network, precision))
    plain = counted(latency.plain(network, precision))
    numbers = sum(int(leaf.size) for leaf in jax.tree.leaves((network.params, network.batch_stats)))
    return {
        "products_gflop": None if timed.flops is None else timed.flops / 1e9,
        "least_mb": _FLOAT32 * (numbers + 2 * math.prod(x.shape)) / machine.MEGABYTE,
        "activations_mb": 2 * plain.convolved_bytes / machine.MEGABYTE,
    }


def shares(m: dict[str, Any]) -> dict[str, Any]:
    """What the work would take at the ceilings, and which share that is of the measured time.

    Args:
      m: the measures of `latency`, `work` and `ceilings`.
    """
    compute, memory = m["product_gflop_per_s"], 1e3 * m["copy_gb_per_s"]  # MB/s
    seconds = {
        "compute": m["gflop"] / compute,
        "products": None if m["products_gflop"] is None else m["products_gflop"] / compute,
        "least_memory": m["least_mb"] / memory,
        "memory": (m["least_mb"] + m["activations_mb"]) / memory,
    }
    needed = seconds["compute"] if seconds["products"] is None else seconds["products"]
    seconds["floor"] = max(needed, seconds["least_memory"])
    found: dict[str, Any] = {}
    for name, value in seconds.items():
        found[f"{name}_s"] = value
        found[f"{name}_share"] = None if value is None else value / m["median_s"]
    return found


def measure(
    network: Network, *, height: int, width: int, precision: str = "float32", runs: int = 9
) -> dict[str, Any]:
    """Measures the ceilings, then a pass; arguments as of `latency.measure`."""
    highest = ceilings.product(precision) | ceilings.copy()
    measures = latency.measure(network, height=height, width=width, precision=precision, runs=runs)
    rows, columns = padded(height, width, network.config)
    measures |= work(network, rows, columns, precision) | highest
    return measures | {"benchmark": "roofline"} | shares(measures)


def sentences(m: dict[str, Any]) -> str:
    """The measures for a person to read."""
    name = m["config"] or m["weights"]["name"]

    def line(what: str, amount: str, key: str) -> str:
        seconds, share = m[f"{key}_s"], 100 * m[f"{key}_share"]
        return f"  {what}: {amount}, {seconds:.4g} s, {share:.3g} %"

    lines = [
        f"{name}, {m['precision']}, {m['width']}x{m['height']}, on {m['device']}: "
        f"median {m['median_s']:.4g} s",
        f"ceilings: {m['product_gflop_per_s']:.4g} GFLOP/s in products, "
        f"{m['copy_gb_per_s']:.4g} GB/s copied",
        "at the ceilings, and as a share of the time measured:",
        line("operations of the plain network", f"{m['gflop']:.4g} GFLOP", "compute"),
    ]
    if m["products_gflop"] is not None:
        amount = f"{m['products_gflop']:.4g} GFLOP"
        lines.append(line("products that are computed", amount, "products"))
    least, both = m["least_mb"], m["least_mb"] + m["activations_mb"]
    return "\n".join([
        *lines,
        line("parameters, picture and result", f"{least:.4g} MB", "least_memory"),
        line("and all activations once", f"{both:.4g} MB", "memory"),
        f"floor {m['floor_s']:.4g} s: {100 * m['floor_share']:.3g} % of the time measured",
    ])  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.roofline",
        description="Compares a generator's forward pass with what the device can do.",
    )
    command.add_network(parser)
    command.add_size(parser, latency.PAPER_SIZE)
    parser.add_argument("--runs", type=command.positive, default=9, help="timed passes")
    command.add_common(parser)
    return parser


def _benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    return measure(
        chosen(arguments.config, arguments.weights),
        height=arguments.height,
        width=arguments.width,
        precision=arguments.precision or "float32",
        runs=arguments.runs,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.run(_parser(), argv, _benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
