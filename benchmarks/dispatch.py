"""What mapping a step over devices costs: dispatch and data, against one jitted step.

    python -m benchmarks.dispatch --config configs/tiny.py --devices 8 --batch 8 --json FILE

Virtual devices share the machine's cores, which XLA:CPU may keep busier with several small programs
than with one: the two steps tell nothing of real devices. `dispatch_s` is how long the call that
starts a step keeps the host, and `data_s` how much longer a step takes that cuts its own crops than
one whose batch lies there. Pairs are random pixels, pretraining is left out.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import command, config_file, input_step, machine, random_values, throughput, timing
from deblur_jax import compiler
from deblur_jax.training import steps

RUNS = 9


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    parser = argparse.ArgumentParser(prog="benchmarks.dispatch", description=__doc__)
    parser.add_argument("--config", default="configs/tiny.py", help="a configuration")
    parser.add_argument("--devices", type=command.positive, default=8, help="virtual CPU devices")
    parser.add_argument("--batch", type=command.positive, default=8, help="pairs over all of them")
    parser.add_argument("--runs", type=command.positive, default=RUNS, help="timed steps")
    command.add_json(parser)
    return parser


def measure(config: Any, runs: int) -> dict[str, Any]:
    """Times the steps that a configuration describes; `throughput.prepare` changes it.

    Returns:
      Seconds, medians: `step_s` over all devices, `jit_s` of one jitted step on one of them with
      the whole batch, `dispatch_s`, `data_s`; and the shares of `step_s` that the last two are.
    """
    pairs = throughput.random_pairs(config.data.crop)
    recipe, feed, data = input_step.feed_of(config, pairs.store)
    cutting = input_step.cutting_step(feed, recipe, data)
    fixed = input_step.fixed_step(feed, recipe, data)
    state = random_values.train_state(recipe)
    _, own, given = input_step.compare(cutting, fixed, state, runs)

    state = random_values.train_state(recipe)
    dispatch = []
    for number in range(runs + 1):
        begun = time.perf_counter()
        state, scalars = fixed(state)
        if number:
            dispatch.append(time.perf_counter() - begun)
        jax.block_until_ready((state, scalars))

    batch = whole_batch(feed)
    one = compiler.jit(
        lambda state, batch: steps.train_step(state, batch, recipe=recipe), donate_argnums=0
    )
    alone = random_values.train_state(recipe)

    def advance() -> Any:
        nonlocal alone
        alone, scalars = one(alone, batch)
        return alone, scalars

    jitted = timing.repeat(advance, runs)
    step_s, cut_s = float(np.median(given)), float(np.median(own))
    dispatch_s, data_s = float(np.median(dispatch)), max(0.0, cut_s - step_s)
    return {
        "step_s": step_s,
        "jit_s": float(np.median(jitted)),
        "dispatch_s": dispatch_s,
        "data_s": data_s,
        "dispatch_share": dispatch_s / cut_s,
        "data_share": data_s / cut_s,
    }


def whole_batch(feed: Any) -> steps.Batch:
    """One step's slices of all devices on one of them: [S, B, crop, crop, 3]."""
    slices = feed.samples(False) // feed.batch_size
    parts = [next(feed.take(1, number * feed.batch_size)) for number in range(slices)]
    stacked = {name: np.stack([np.asarray(part[name]) for part in parts]) for name in parts[0]}
    return jax.device_put(stacked, jax.devices()[0])


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""

    def benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
        flag = f"--xla_force_host_platform_device_count={arguments.devices}"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}"  # JAX reads it later
        config = config_file.load(arguments.config)
        config.train.batch_size = arguments.batch
        about = machine.describe() | {"config": arguments.config, "crop": config.data.crop}
        about |= {"devices": jax.device_count(), "batch": arguments.batch}
        return about | {"runs": arguments.runs} | measure(config, arguments.runs)

    return command.run(build_parser(), argv, benchmark, sentences)


def sentences(found: dict[str, Any]) -> str:
    """The measures in words."""
    return (
        f"{found['devices']} devices: {1e3 * found['step_s']:.1f} ms a step, one jitted step on "
        f"one {1e3 * found['jit_s']:.1f} ms; dispatch takes {1e3 * found['dispatch_s']:.2f} ms "
        f"({found['dispatch_share']:.1%}), cutting the data {1e3 * found['data_s']:.2f} ms "
        f"({found['data_share']:.1%})"
    )


if __name__ == "__main__":
    sys.exit(main())
