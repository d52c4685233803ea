"""Formulations of one network timed in turn on this device, to choose among them.

    python -m benchmarks.forms --config configs/paper.py --precision bfloat16 --json FILE

`chosen` is what restoring takes here (`deblur_jax/fast/choice.py`), `plain` the network as
`models` writes it, `accelerated` what a GPU or a TPU takes; on one of these it is `chosen` once
more, and its ratio tells the noise. DeblurGAN's network has more of the latter: `squares of N`, the
first and the last layer N x N pixels at a time (`fast/ends.py`), and `float8`, the residual blocks'
products of 8 bits (`fast/float8.py`), whose pixels differ.

Results are compared before anything is timed. Each round times every form once, after a call that
is not timed, in a new random order (`peers/rounds.py`); a form's ratio is the median over the
rounds of its time against `chosen`'s in the same one. A form that the device refuses is left out.
"""

import argparse
import functools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import command, latency, machine, timing
from benchmarks.networks import Network, chosen, padded
from benchmarks.peers import rounds
from deblur_jax import compiler
from deblur_jax.fast import choice, ends
from deblur_jax.restore.network import PRECISIONS

CHOSEN = "chosen"
ROUNDS = 20
WIDTHS = (-14, 10, 7, 13, 11, 11)  # of the table's columns, below zero to the left
HEADINGS = ("form", "median s", "ratio", "p10-p90", "difference", "compile s")
Forward = latency.Forward


def forms_of(network: Network, precision: str) -> dict[str, tuple[Any, Forward]]:
    """Name -> parameters and a function of them and of pictures, `[B, H, W, 3]` to the same."""
    found = {
        CHOSEN: latency.forward_of(network, precision),
        "plain": latency.plain(network, precision),
        "accelerated": latency.plain(network, precision, choice.accelerated()),
    }
    if network.config.generator == "resnet":
        for side in ends.SIDES:
            operations = choice.accelerated(side)
            found[f"squares of {side}"] = latency.plain(network, precision, operations)
        found["float8"] = latency.plain(network, precision, choice.accelerated(narrow=True))
    return found


class _Form:
    """A compiled form, as `rounds.interleave` calls and times it."""

    def __init__(self, program: Callable[[], Any], clock: Callable[[], float]) -> None:
        self.program = program
        self.clock = clock

    def call(self) -> None:
        jax.block_until_ready(self.program())

    def time(self) -> float:
        return timing.once(self.program, clock=self.clock)[0]


def measure(
    network: Network,
    *,
    height: int,
    width: int,
    batch: int = 1,
    precision: str = "float32",
    count: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """Compiles every form, compares their results and times them in turn.

    Args:
      network: what to run.
      height, width: of the pictures in pixels; padded up to what the network takes.
      batch: pictures in one pass.
      precision: of the convolutions, 'float32' or 'bfloat16'.
      count: of rounds.
      clock: gives seconds.

    Returns:
      The measures. `forms` has for each `timing.summary`'s keys, `compile_s` (tracing and
      compiling), `ratio` with `ratio_p10` and `ratio_p90`, and `difference`, the largest from
      `chosen` in [-1, 1]'s units; `refused` has a name and a reason for each that failed.
    """
    described = machine.describe()
    rows, columns = padded(height, width, network.config)
    rng = np.random.default_rng(0)
    pixels = rng.uniform(-1, 1, (batch, rows, columns, 3)).astype(np.float32)
    x = jax.block_until_ready(jax.device_put(pixels))
    dtype = PRECISIONS[precision]
    compiler.compiler_options(dtype)  # tries its options out when first called: not to be timed
    running: dict[str, _Form] = {}
    measures: dict[str, dict[str, float]] = {}
    refused: dict[str, str] = {}
    expected = None
    for name, (own, forward) in forms_of(network, precision).items():
        try:
            params = jax.block_until_ready(jax.device_put(own))
            compile_s, program = timing.once(
                lambda forward=forward, params=params: (
                    compiler.jit(forward, dtype=dtype).lower(params, x).compile()
                )
            )
            result = np.asarray(program(params, x))
        except jax.errors.JaxRuntimeError as error:
            if name == CHOSEN:
                raise
            refused[name] = str(error).partition("\n")[0]
            continue
        expected = result if expected is None else expected
        running[name] = _Form(functools.partial(program, params, x), clock)
        difference = float(np.abs(result - expected).max())
        measures[name] = {"compile_s": compile_s, "difference": difference}
    seconds = rounds.interleave(running, count, rng, untimed=1, pause=lambda: None).seconds
    ratios = rounds.ratios(seconds)
    for name in running:
        ratio = ratios[name].get(CHOSEN, {"median": 1.0, "p10": 1.0, "p90": 1.0})
        measures[name] |= {"ratio": ratio["median"]}
        measures[name] |= {f"ratio_{key}": ratio[key] for key in ("p10", "p90")}
        measures[name] |= timing.summary(seconds[name])
    return {
        "benchmark": "forms",
        **network.origin,
        **described,
        "generator": network.config.to_dict(),
        "height": height,
        "width": width,
        "batch": batch,
        "precision": precision,
        "forms": measures,
        "refused": refused,
    }


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
    lines += [f"{name}: {reason}" for name, reason in m["refused"].items()]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forms", description="Times formulations of a network in turn."
    )
    command.add_network(parser)
    command.add_size(parser, latency.PAPER_SIZE)
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
        count=arguments.rounds,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.run(_parser(), argv, _benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
