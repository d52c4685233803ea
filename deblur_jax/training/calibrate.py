"""Measures the terms of the generator's loss on some batches: what --mode=calibrate does."""

import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from deblur_jax import compiler
from deblur_jax.atomic import refuse_unwritable, write_text
from deblur_jax.data import training_set
from deblur_jax.errors import UsageError
from deblur_jax.training import steps
from deblur_jax.training.balance import RESULT, proposal, setting, summary
from deblur_jax.training.feed import Feed
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.resume import check_workdir, restore
from deblur_jax.training.start import start_state
from deblur_jax.training.state import Recipe, TrainState, init_state
from deblur_jax.training.terms import generator_terms
from deblur_jax.weights.checkpoints import FOLDER, Checkpoints


def calibrate_run(config: Any, workdir: str | Path) -> dict[str, Any]:
    """Measures the terms on some batches, prints them and writes `calibration.json`.

    The networks are those of the workdir's latest checkpoint, or freshly drawn ones; a fresh critic
    first makes `calibrate.critic_updates` updates, as it has no opinion before.

    Args:
      config: as `configs/default.py` describes it, a perceptual weight among its losses.
      workdir: folder of the run, which is not changed otherwise.

    Returns:
      What was written: `terms` with the means over the batches of each term's `size` and
      `gradient` norm with respect to the restored pictures, each also times its `weight`;
      `ratio`, the weighted perceptual gradient to the weighted adversarial one (or, without a
      critic, to the pixel loss's); `proposed`, the weight that would make it `calibrate.ratio`.

    Raises:
      UsageError: fewer than two terms to compare, or numbers that cannot be.
      UserError: the data or VGG's weights are not to be had.
    """
    workdir, wanted = Path(workdir), config.calibrate
    _check(config)
    recipe = make_recipe(config)
    refuse_unwritable(workdir / RESULT)  # not after minutes of work
    state, step = _state(config, recipe, workdir)
    # A critic's first updates are to be seen, not held back by a warm-up.
    recipe = recipe._replace(learning_rate=lambda step: config.train.learning_rate)
    data = training_set.gather(
        config.data, seed=config.seed, report=lambda line: print(line, flush=True)
    )
    feed = Feed(config, recipe, data)
    if config.data.placement == "device" and (refused := feed.place()):
        print(refused, flush=True)
    untrained = step <= config.train.pretrain_generator_steps  # which leaves the critic alone
    updates = wanted.critic_updates if recipe.adversarial and untrained else 0
    batches = feed.take(updates + wanted.batches, 0)
    state = _trained_critic(state, recipe, batches, updates)
    terms = _measure(state, recipe, batches)
    found = proposal(terms, wanted.ratio) | {
        "step": step,
        "critic_updates": updates,
        "batches": wanted.batches,
        **setting(config),
    }
    write_text(workdir / RESULT, json.dumps(found, indent=2) + "\n")
    print(summary(found), flush=True)
    return found


def _check(config: Any) -> None:
    loss, wanted = config.loss, config.calibrate
    if not loss.perceptual_weight:
        raise UsageError("loss.perceptual_weight is 0: there is no perceptual term to weigh")
    if not (loss.adversarial_weight or loss.pixel_weight):
        raise UsageError("the perceptual term stands alone: there is nothing to weigh it against")
    if wanted.batches < 1 or wanted.critic_updates < 0:
        raise UsageError("calibrate.batches must be at least 1 and critic_updates not negative")
    if not 0 < wanted.ratio < math.inf:
        raise UsageError(f"calibrate.ratio is {wanted.ratio}; it must be a positive number")


def _state(config: Any, recipe: Recipe, workdir: Path) -> tuple[TrainState, int]:
    """The run's latest state and its step; a fresh one and 0 before the first checkpoint."""
    if not (workdir / FOLDER).is_dir():
        return start_state(config, recipe), 0
    checkpoints = Checkpoints(workdir, read_only=True)
    try:
        step = checkpoints.latest()
        if not step:
            return start_state(config, recipe), 0
        check_workdir(workdir, config)
        state = init_state(jax.random.key(config.seed), recipe)
        return restore(checkpoints, step, state).state, step
    finally:
        checkpoints.close()


def _trained_critic(
    state: TrainState, recipe: Recipe, batches: Iterator[steps.Batch], updates: int
) -> TrainState:
    if not updates:
        return state
    update = compiler.jit(partial(steps.critic_step, recipe=recipe))
    for _ in range(updates):
        state, _ = update(state, next(batches))
    return state


def _measure(
    state: TrainState, recipe: Recipe, batches: Iterator[steps.Batch]
) -> dict[str, dict[str, float]]:
    """Each term's weight, and its mean size and gradient norm over the batches."""
    weights: dict[str, float] = {}  # known from the trace on

    def measure(state: TrainState, batch: steps.Batch) -> dict[str, tuple[jax.Array, jax.Array]]:
        purpose = steps.DROPOUT
        restored, _ = steps.restore(state.generator, state, batch, recipe, purpose, None)
        found = {}
        for name, term in generator_terms(state.critic, batch, recipe).items():
            size, gradient = jax.value_and_grad(term.size)(restored)
            found[name] = size, optax.global_norm(gradient)
            weights[name] = term.weight
        return found

    compiled = compiler.jit(measure)
    history: dict[str, list[tuple[float, float]]] = {}
    for batch in batches:
        for name, (size, gradient) in compiled(state, batch).items():
            history.setdefault(name, []).append((float(size), float(gradient)))
    means = {name: np.mean(values, axis=0) for name, values in history.items()}
    return {
        name: {"weight": weights[name], "size": float(mean[0]), "gradient": float(mean[1])}
        for name, mean in means.items()
    }
