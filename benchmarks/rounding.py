"""What products of 8-bit numbers would cost the pictures.

    python -m benchmarks.rounding --weights deblurgan --pairs PAIRS --json FILE

Restores each pair's blurred picture in float32, and with what its convolutions and matrix products
multiply rounded to bfloat16, to float8_e4m3 and to int8 (`benchmarks/quantisation.py`). In the
latter two products with fewer than 64 channels in or out, such as the paper's first and last
layers, are bfloat16's. Scales are those of each product's own numbers. For the paper's network
`fast.float8` is what that module computes, whose scales are fixed, with all else in bfloat16.
Nothing is timed: the rounding is emulated where the device does not have it.

For each the JSON has `psnr`, in dB, of the 8-bit pictures against the sharp ones; `loss_db` of it
against float32's, in the mean, and `worst_loss_db` of one picture; `mean_difference` and
`largest_difference` of pixels from float32's, in grey levels of 255.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import command, latency, machine, quantisation
from benchmarks.networks import Network, trained
from deblur_jax import compiler
from deblur_jax.data.pairs import Pair, find_pairs, read_pair
from deblur_jax.evaluation import metrics
from deblur_jax.fast import choice
from deblur_jax.restore.restorer import pad_to_fit

LEAST_CHANNELS = 64  # channels, of products that 8 bits are asked for
WHOLE = "float32"
WIDTHS = (-12, 8, 8, 9, 9, 9)
HEADINGS = ("products", "PSNR dB", "loss dB", "worst dB", "mean lv", "most lv")


def measure(network: Network, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Restores all pairs with each type of products.

    Args:
      network: trained; of random parameters the pictures say nothing.
      pairs: at least one.

    Returns:
      The measures, see the module.

    Raises:
      UserError: a picture that cannot be read.
    """
    described = machine.describe()
    programs = {name: compiler.jit(forward) for name, forward in _forwards(network).items()}
    given = (network.params, network.batch_stats)
    scores: dict[str, list[float]] = {name: [] for name in programs}
    differences: dict[str, list[np.ndarray]] = {name: [] for name in programs}
    for pair in pairs:
        blurred, sharp = read_pair(pair)
        x = pad_to_fit(blurred / np.float32(127.5) - 1, network.config)[None]
        whole = None
        for name, program in programs.items():
            y = np.asarray(program(given, x))[0, : sharp.shape[0], : sharp.shape[1]]
            whole = y if whole is None else whole
            scores[name].append(metrics.psnr_of_floats(y, sharp, rounding="round"))
            away = 127.5 * np.abs(y - whole)
            differences[name].append(np.array([away.mean(), away.max()]))
    losses = {name: np.subtract(scores[WHOLE], found) for name, found in scores.items()}
    return {
        "benchmark": "rounding",
        **network.origin,
        **described,
        "generator": network.config.to_dict(),
        "pairs": len(pairs),
        "least_channels": LEAST_CHANNELS,
        "products": {
            name: {
                "psnr": float(np.mean(scores[name])),
                "loss_db": float(losses[name].mean()),
                "worst_loss_db": float(losses[name].max()),
                "mean_difference": float(np.mean(differences[name], 0)[0]),
                "largest_difference": float(np.max(differences[name], 0)[1]),
            }
            for name in programs
        },
    }


def _forwards(network: Network) -> dict[str, latency.Forward]:
    """Kind of products -> a function of parameters and statistics and of `[1, H, W, 3]`."""
    _, forward = latency.plain(network, "float32")
    # As products of float32 all of them: accelerators would take something coarser by themselves.
    found = {WHOLE: quantisation.quantised(forward, lambda x, _axes: x)}
    for name, rounding in quantisation.ROUNDINGS.items():
        found[name] = quantisation.quantised(
            forward,
            rounding,
            least_channels=LEAST_CHANNELS,
            otherwise=quantisation.bfloat16,
        )
    if network.config.generator == "resnet":
        _, found["fast.float8"] = latency.plain(
            network, "bfloat16", choice.accelerated(narrow=True)
        )
    return found


def sentences(m: dict[str, Any]) -> str:
    """The measures for a person to read."""
    name = m["weights"]["name"]
    lines = [
        f"{name}, {m['pairs']} pairs; differences from float32 in grey levels of 255",
        command.row(HEADINGS, WIDTHS),
    ]
    for products, found in m["products"].items():
        cells = (
            products, f"{found['psnr']:.3f}", f"{found['loss_db']:.3f}",
            f"{found['worst_loss_db']:.3f}", f"{found['mean_difference']:.3f}",
            f"{found['largest_difference']:.1f}",
        )  # fmt: skip
        lines.append(command.row(cells, WIDTHS))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rounding",
        description="Tells what products of 8-bit numbers would cost the pictures.",
    )
    parser.add_argument(
        "--weights", metavar="NAME", required=True, help="a shipped name, a file or a workdir"
    )
    parser.add_argument(
        "--pairs", metavar="DIR", type=Path, required=True, help="blurred and sharp pictures"
    )
    parser.add_argument("--limit", type=command.positive, metavar="N", help="the first N pairs")
    command.add_json(parser)
    return parser


def _benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    pairs = find_pairs(arguments.pairs)[: arguments.limit]
    return measure(trained(arguments.weights), pairs)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.run(_parser(), argv, _benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
