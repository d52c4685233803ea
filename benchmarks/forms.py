"""Formulations of one network timed in turn on this device, to choose among them.

    python -m benchmarks.forms --config configs/paper.py --precision bfloat16 --json FILE

`chosen` is what restoring takes here (`deblur_jax/fast/choice.py`), `plain` the network as
`models` writes it, `accelerated` what a GPU or a TPU takes. DeblurGAN's network has two more of the
latter: `squares of N`, the first and the last layer N x N pixels at a time (`fast/ends.py`), and
`float8`, the residual blocks' products of 8 bits (`fast/float8.py`), whose pixels differ.

Results are compared before anything is timed. Each round calls every form once in a new random
order; a form's ratio is the median over the rounds of its time against `chosen`'s in the same one.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import command, latency, machine, timing
from benchmarks.networks import Network, chosen, padded
from deblur_jax import compiler, models
from deblur_jax.fast import choice, ends
from deblur_jax.models.layers import PLAIN, Operations
from deblur_jax.restore.network import PRECISIONS

CHOSEN = "chosen"
ROUNDS = 20
WIDTHS = (-14, 10, 7, 13, 11, 11)  # of the table's columns, below zero to the left
HEADINGS = ("form", "median s", "ratio", "p10-p90", "difference", "compile s")
Forward = latency.Forward


def forms_of(network: Network, precision: str) -> dict[str, tuple[Any, Forward]]:
    """Name -> parameters and a function of them and of pictures, `[B, H, W, 3]` to the same."""
    given = (network.params, network.batch_stats)

    def with_operations(operations: Operations) -> Forward:
        def forward(params: Any, x: jax.Array) -> jax.Array:
            own, batch_stats = params
            return models.apply_generator(
                own, x, network.config,
                batch_stats=batch_stats, dtype=PRECISIONS[precision], operations=operations,
            )  # fmt: skip

        return forward

    found = {
        CHOSEN: latency.forward_of(network, precision),
        "plain": (given, with_operations(PLAIN)),
        "accelerated": (given, with_operations(choice.accelerated())),
    }
    if network.config.generator == "resnet":
        for side in ends.SIDES:
            found[f"squares of {side}"] = (given, with_operations(choice.accelerated(side)))
        found["float8"] = (given, with_operations(choice.accelerated(narrow=True)))
    return found


def measure(
    network: Network,
    *,
    height: int,
    width: int,
    batch: int = 1,
    precision: str = "float32",
    rounds: int = ROUNDS,
    repeat: Callable[..., list[float]] = timing.repeat,
) -> dict[str, Any]:
    """Compiles every form, compares their results and times them in turn.

    Args:
      network: what to run.
      height, width: of the pictures in pixels; padded up to what the network takes.
      batch: pictures in one pass.
      precision: of the convolutions, 'float32' or 'bfloat16'.
      rounds: calls of each form that are timed.
      repeat: as `timing.repeat`, which calls and times.

    Returns:
      The measures. `forms` has for each `summary`'s keys, `compile_s`, `ratio` with `ratio_p10` and
      `ratio_p90`, and `difference`, the largest from `chosen` in [-1, 1]'s units.
    """
    described = machine.describe()
    rows, columns = padded(height, width, network.config)
    rng = np.random.default_rng(0)
    pixels = rng.uniform(-1, 1, (batch, rows, columns, 3)).astype(np.float32)
    x = jax.block_until_ready(jax.device_put(pixels))
    dtype = PRECISIONS[precision]
    compiler.compiler_options(dtype)  # tries its options out when first called: not to be timed
    calls: dict[str, Callable[[], Any]] = {}
    results, compile_s = {}, {}
    for name, (own, forward) in forms_of(network, precision).items():
        params = jax.block_until_ready(jax.device_put(own))
        lowered = compiler.jit(forward, dtype=dtype).lower(params, x)
        compile_s[name], program = timing.once(lowered.compile)
        calls[name] = lambda program=program, params=params: program(params, x)
        results[name] = np.asarray(calls[name]())
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name in rng.permutation(list(calls)):
            # The call before has left its own numbers in the caches.
            seconds[str(name)] += repeat(calls[str(name)], 1, warmups=1)
    return {
        "benchmark": "forms",
        **network.origin,
        **described,
        "generator": network.config.to_dict(),
        "height": height,
        "width": width,
        "batch": batch,
        "precision": precision,
        "forms": {
            name: {
                "compile_s": compile_s[name],
                "difference": float(np.abs(results[name] - results[CHOSEN]).max()),
                **_ratio(seconds[name], seconds[CHOSEN]),
                **timing.summary(seconds[name]),
            }
            for name in calls
        },
    }


def _ratio(seconds: list[float], chosen: list[float]) -> dict[str, float]:
    p10, median, p90 = np.quantile(np.divide(seconds, chosen), (0.1, 0.5, 0.9))
    return {"ratio": float(median), "ratio_p10": float(p10), "ratio_p90": float(p90)}


def sentences(m: dict[str, Any]) -> str:
    """The measures for a person to read."""
    lines = [
        f"{m['batch']} x {m['width']}x{m['height']}, {m['precision']}, on {m['device']}",
        command.row(HEADINGS, WIDTHS),
    ]
    for name, form in m["forms"].items():
        spread = f"{form['ratio_p10']:.2f}-{form['ratio_p90']:.2f}"
        cells = (
            name, f"{form['median_s']:.4g}", f"{form['ratio']:.3f}", spread,
            f"{form['difference']:.1e}", f"{form['compile_s']:.1f}",
        )  # fmt: skip
        lines.append(command.row(cells, WIDTHS))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forms", description="Times formulations of a network in turn."
    )
    command.add_network(parser)
    parser.add_argument(
        "--height", type=command.positive, default=latency.PAPER_SIZE[0], help="pixels"
    )
    parser.add_argument(
        "--width", type=command.positive, default=latency.PAPER_SIZE[1], help="pixels"
    )
    parser.add_argument("--batch", type=command.positive, default=1, help="pictures in one pass")
    parser.add_argument("--rounds", type=command.positive, default=ROUNDS, help="timed calls each")
    command.add_common(parser)
    return parser


def _benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    return measure(
        chosen(arguments.config, arguments.weights),
        height=arguments.height,
        width=arguments.width,
        batch=arguments.batch,
        precision=arguments.precision or "float32",
        rounds=arguments.rounds,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.run(_parser(), argv, _benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
