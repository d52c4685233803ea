"""How fast training goes, in pairs a second and device, with data that lie on the device.

    python -m benchmarks.throughput --config configs/tiny.py --json throughput.json

The step is the one that a run with `data.placement = 'device'` makes, over all devices: crops, the
critic's updates, the generator's. Pairs are random pixels, so no files are needed. Logging,
checkpoints and validation are left out. A perceptual loss takes VGG's weights from
`--vgg-weights` or the configuration; where neither names a file they are random, which takes as
long, and the JSON file says `"vgg_source": "random"`.

`--profile DIR` also writes a trace of a few steps after the timed ones: open DIR in TensorBoard, or
the `*.trace.json.gz` within it at https://ui.perfetto.dev (`benchmarks/tracing.py`). On an
accelerator `wait_share` is then the share of these steps in which it had nothing to do.

`--parts` times by themselves: `data_s`, cutting the crops of all slices; `generator_step_s` and
`critic_step_s`, one update each; `penalty_s`, the gradient penalty with its gradients by the
critic's parameters; `perceptual_s`, the perceptual loss with its gradients by the pictures.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from benchmarks import command, config_file, machine, random_values, timing, tracing
from deblur_jax import fast, losses
from deblur_jax.data import resident, store
from deblur_jax.data.training_set import TrainingSet, augmentation
from deblur_jax.models import critic
from deblur_jax.training import parallel, steps
from deblur_jax.training.feed import Feed
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.state import Recipe, TrainState
from deblur_jax.training.terms import generator_terms

PAIRS = 8  # random pairs on the device; how many there are does not change the time
MARGIN = 32  # pixels by which they are larger than a crop

Step = Callable[[TrainState], tuple[TrainState, steps.Scalars]]


def random_pairs(crop: int) -> TrainingSet:
    """Pairs of random pixels, a little larger than `crop`."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (PAIRS, 2, crop + MARGIN, crop + MARGIN, 3), np.uint8)
    pairs = store.of_arrays([(blurred, sharp) for blurred, sharp in pixels])
    return TrainingSet(pairs, np.arange(PAIRS, dtype=np.int32))


def prepare(config: Any) -> tuple[Recipe, Feed, resident.Resident]:
    """From a configuration to steps that are ready to be compiled.

    Changes the configuration: no pretraining, and random weights of VGG where it names no file.

    Returns:
      The recipe, the feed with its pairs in place, and the pairs on the device.

    Raises:
      UsageError: the configuration does not fit the machine or itself.
    """
    if not config.loss.vgg_weights:
        config.loss.vgg_source = "random"
    # The schedule's phase without a critic is not what is timed.
    config.train.pretrain_generator_steps = 0
    recipe = make_recipe(config)
    # Turned and zoomed crops are cut out of larger windows.
    pairs = random_pairs(augmentation(config.data).window(config.data.crop))
    feed = Feed(config, recipe, pairs)
    feed.place()
    return recipe, feed, jax.device_put(resident.of_store(pairs.store, pairs.entries))


def time_steps(
    step: Step,
    state: TrainState,
    count: int,
    *,
    profile: Path | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[TrainState, dict[str, Any]]:
    """Times `count` steps after one that compiles and one that warms up.

    A trace of `tracing.CALLS` further steps goes to the folder `profile`, where one is given;
    UserError where it cannot be written.

    Returns:
      The state after them, and `timing.summary` with `first_s`, the first step and its compiling,
      and `compile_s`, that without a median step.
    """

    def advance() -> Any:
        nonlocal state
        # The state before is gone: its buffers serve the next one.
        state, scalars = step(state)
        return state, scalars

    first, _ = timing.once(advance, clock=clock)
    times = timing.summary(timing.repeat(advance, count, warmups=1, clock=clock))
    compile_s = max(first - times["median_s"], 0.0)
    if profile:
        tracing.record(advance, profile, apart=False)
    return state, {"first_s": first, "compile_s": compile_s} | times


def part_step(
    feed: Feed,
    recipe: Recipe,
    packed: resident.Resident,
    update: Callable[..., Any],
) -> Step:
    """A step of one part alone, over all devices.

    A program of its own cuts the crops before: in one with the update XLA:CPU would cut them again
    wherever the update reads them, which takes longer than the update.

    Args:
      feed, recipe, packed: of `prepare`.
      update: of a state and a batch to these of the next step, as `steps.generator_step`.
    """
    cut = _crops(feed, 1)
    own = parallel.positions(feed.batch_size)

    def one(state: TrainState, batch: steps.Batch) -> Any:
        batch = jax.tree.map(lambda x: x[0], batch)
        return update(state, batch, recipe=recipe, axis=parallel.AXIS)

    mapped = parallel.pmap_step(one, (None, 0))
    return lambda state: mapped(state, cut(state.step, own, packed))


def data_step(feed: Feed, recipe: Recipe, packed: resident.Resident) -> Step:
    """Cuts the crops of a step's slices, and does nothing with them."""
    cut = _crops(feed, recipe.slices)
    own = parallel.positions(feed.batch_size)
    return lambda state: (state, cut(state.step, own, packed))


def _crops(feed: Feed, slices: int) -> Callable[..., Any]:
    """A program that cuts a step's crops on each device, slices in front."""

    def crops(step: jax.Array, own: jax.Array, packed: resident.Resident) -> steps.Batch:
        first = step.astype(np.uint32) * feed.batch_size * slices
        index = parallel.sample_numbers(first, slices, feed.batch_size, own)
        return feed.crops(packed, index) | {"index": index}

    return parallel.pmap_data(crops, (None, 0, None))


def penalty_update(
    state: TrainState, batch: steps.Batch, *, recipe: Recipe, axis: str | None
) -> tuple[TrainState, steps.Scalars]:
    """The gradient penalty between sharp and blurred crops, and its gradients' norm."""

    def penalty(params: Any) -> jax.Array:
        def score(x: jax.Array) -> jax.Array:
            return critic.apply(
                params,
                x,
                recipe.critic,
                dtype=recipe.dtype,
                axis_name=axis,
                operations=fast.choose_operations(),
            )

        return losses.gradient_penalty(
            score,
            batch["sharp"],
            batch["blurred"],
            np.float32(0.5),
            norm=recipe.gradient_penalty_norm,
            reduce=recipe.gradient_penalty_reduce,
        )

    value, gradients = jax.value_and_grad(penalty)(parallel.varying(state.critic, axis))
    return state, parallel.mean({"value": value, "norm": optax.global_norm(gradients)}, axis)


def perceptual_update(
    state: TrainState, batch: steps.Batch, *, recipe: Recipe, axis: str | None
) -> tuple[TrainState, steps.Scalars]:
    """The perceptual loss of blurred crops, and its gradient's norm by their pixels."""
    term = generator_terms(state.critic, batch, recipe, axis)["perceptual"]
    value, gradient = jax.value_and_grad(term.size)(batch["blurred"])
    return state, parallel.mean({"value": value, "norm": optax.global_norm(gradient)}, axis)


def time_parts(
    feed: Feed,
    recipe: Recipe,
    packed: resident.Resident,
    state: TrainState,
    count: int,
) -> dict[str, float]:
    """Median seconds of each part, compiled by itself; which ones, the module's docstring says.

    A critic's update holds the generator's forward pass where each has fresh data. The parts need
    not add up to the step's time: some lie within others, and a step is optimised as a whole.
    """

    def critic_update(state: TrainState, batch: steps.Batch, **options: Any) -> Any:
        # On the same data all updates share one set of restored pictures; any pictures do here.
        shared = batch["blurred"] if recipe.critic_data == "same" else None
        return steps.critic_step(state, batch, restored=shared, **options)

    updates: dict[str, Callable[..., Any]] = {"generator_step_s": steps.generator_step}
    if recipe.adversarial:
        updates |= {"critic_step_s": critic_update, "penalty_s": penalty_update}
    if recipe.features is not None:
        updates["perceptual_s"] = perceptual_update
    parts = {"data_s": data_step(feed, recipe, packed)}
    parts |= {name: part_step(feed, recipe, packed, own) for name, own in updates.items()}
    found = {}
    for name, step in parts.items():
        state, times = time_steps(step, state, count)
        found[name] = times["median_s"]
    return found


def measure(
    config: Any,
    *,
    name: str,
    count: int = 10,
    parts: bool = False,
    profile: Path | None = None,
) -> dict[str, Any]:
    """Compiles and times training steps.

    Args:
      config: as `configs/default.py` describes it.
      name: of the configuration, for the JSON file.
      count: timed steps.
      parts: also time the parts of a step by themselves.
      profile: folder for a trace of steps after the timed ones, or None.

    Returns:
      The measures; an image is one pair of the generator's batch, as in a run's log.
    """
    described = machine.describe()
    config = config.copy_and_resolve_references()  # `prepare` changes it
    recipe, feed, packed = prepare(config)
    state = random_values.train_state(recipe)
    sizes = {
        "parameters": _numbers(state.generator),
        "critic_parameters": _numbers(state.critic),
    }
    steps_made = 2 + count + (tracing.CALLS if profile else 0)
    advance = feed.phase(0, steps_made, 0, False)
    state, times = time_steps(lambda state: advance(state, 1), state, count, profile=profile)
    batch, rate = config.train.batch_size, 1 / times["median_s"]
    return {
        "benchmark": "throughput",
        "config": name,
        **described,
        "generator": recipe.generator.to_dict(),
        **sizes,
        "batch": batch,
        "crop": config.data.crop,
        "precision": config.train.precision,
        "critic_steps": recipe.critic_steps if recipe.adversarial else 0,
        "pairs_per_step": recipe.slices * batch,
        "perceptual": recipe.features is not None,
        "vgg_source": config.loss.vgg_source if recipe.features is not None else None,
        **times,
        "steps_per_second": rate,
        "images_per_second": rate * batch,
        "images_per_second_per_device": rate * batch / jax.device_count(),
        "parts": time_parts(feed, recipe, packed, state, count) if parts else None,
        "allocator_peak_mb": machine.allocator_peak_mb(),
        "wait_share": tracing.wait_share(profile) if profile else None,
    }


def _numbers(tree: Any) -> int:
    return sum(int(leaf.size) for leaf in jax.tree.leaves(tree))


def sentences(m: dict[str, Any]) -> str:
    """The measures for a person to read."""
    devices = "1 device" if m["device_count"] == 1 else f"{m['device_count']} devices"
    perceptual = "with" if m["perceptual"] else "without"
    lines = [
        f"{m['config']}, {m['precision']}, {m['batch']} crops of {m['crop']}x{m['crop']}, "
        f"{m['critic_steps']} critic updates, {perceptual} a perceptual loss, "
        f"on {devices} ({m['device']})",
        f"step: median {m['median_s']:.4g} s of {m['runs']} (p10 {m['p10_s']:.4g}, "
        f"p90 {m['p90_s']:.4g}), compiled in {m['compile_s']:.1f} s",
        f"{m['steps_per_second']:.4g} steps/s, {m['images_per_second']:.4g} images/s, "
        f"{m['images_per_second_per_device']:.4g} images/s and device",
    ]
    if m["parts"]:
        named = (f"{part.removesuffix('_s')} {value:.4g} s" for part, value in m["parts"].items())
        lines.append("of which " + ", ".join(named).replace("_", " "))
    if m["wait_share"] is not None:
        lines.append(f"the device waits in {m['wait_share']:.1%} of the time")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput", description="Times training steps."
    )
    parser.add_argument("--config", default="configs/tiny.py", help="a configuration file")
    parser.add_argument("--batch", type=command.positive, help="pairs an update, on all devices")
    parser.add_argument("--crop", type=command.positive, help="pixels, side of the crops")
    parser.add_argument("--steps", type=command.positive, default=10, help="timed steps")
    parser.add_argument("--vgg-weights", metavar="FILE", help="VGG's weights (default: random)")
    parser.add_argument(
        "--parts",
        action="store_true",
        help="also compile and time data, updates, penalty and perceptual loss by themselves",
    )
    command.add_common(parser)
    command.add_profile(parser)
    return parser


def _benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.profile:
        tracing.refuse_unwritable(arguments.profile)
    config = config_file.load(arguments.config)
    if arguments.batch:
        config.train.batch_size = arguments.batch
    if arguments.crop:
        config.data.crop = arguments.crop
    if arguments.precision:
        config.train.precision = arguments.precision
    if arguments.vgg_weights:
        config.loss.vgg_weights = arguments.vgg_weights
    return measure(
        config,
        name=arguments.config,
        count=arguments.steps,
        parts=arguments.parts,
        profile=arguments.profile,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return command.run(_parser(), argv, _benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
