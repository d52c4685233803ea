"""This project's training step and its pieces, on one device."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks import timing
from benchmarks.peers import training
from benchmarks.peers.engines.engine import Arrays, Engine
from benchmarks.peers.engines.jax_restore import PACKAGES
from benchmarks.peers.job import Job
from benchmarks.peers.training import Setup
from deblur_jax import compiler, fast, losses
from deblur_jax.models import critic
from deblur_jax.training import steps
from deblur_jax.weights import authors


def start(job: Job, variant: str) -> Engine:
    """Draws the state and the batch; there are no variants."""
    del variant
    setup = training.prepare(job)
    return _step(setup) if job.part == "step" else _piece(setup, job.part)


def _step(setup: Setup) -> Engine:
    """`train_step` on one batch over and over; each call goes on where the last one ended."""
    state, program = setup.state, None

    def step(state: Any, batch: steps.Batch) -> Any:
        return steps.train_step(state, batch, recipe=setup.recipe)

    def compile_once() -> None:
        nonlocal program
        program = _compiled(step, state, setup.batch, donate_argnums=0)

    def call() -> steps.Scalars:
        nonlocal state
        assert program is not None
        state, scalars = jax.block_until_ready(program(state, setup.batch))
        return scalars

    return Engine(PACKAGES, compile_once, call, _losses)


def _losses(scalars: steps.Scalars) -> Arrays:
    return {key: np.array(value) for key, value in scalars.items() if key.startswith("loss/")}


def _piece(setup: Setup, part: str) -> Engine:
    """A loss with its gradients, of the critic's penalty or of the generator's pass."""
    recipe, state = setup.recipe, setup.state
    pieces: dict[str, tuple[Any, ...]] = {
        "penalty": ("gradient_penalty", recipe.critic, state.critic, penalty),
        "generator": ("mse", recipe.generator, state.generator, error),
    }
    name, config, params, loss = pieces[part]
    program: Any = None

    def value(params: Any, batch: steps.Batch) -> jax.Array:
        return loss(params, setup._replace(batch=batch))

    def compile_once() -> None:
        nonlocal program
        program = _compiled(jax.value_and_grad(value), params, setup.batch)

    def outputs(result: Any) -> Arrays:
        found, gradients = result
        named = authors.state_dict(config, gradients)
        return {f"loss/{name}": np.array(found)} | {f"gradient/{k}": v for k, v in named.items()}

    call = lambda: jax.block_until_ready(program(params, setup.batch))  # noqa: E731
    return Engine(PACKAGES, compile_once, call, outputs)


def penalty(params: Any, setup: Setup) -> jax.Array:
    """The gradient penalty between the first of the critic's pairs, by the critic's parameters."""
    recipe, batch = setup.recipe, setup.batch

    def score(x: jax.Array) -> jax.Array:
        return critic.apply(params, x, recipe.critic, operations=fast.choose_operations())

    return losses.gradient_penalty(
        score,
        batch["sharp"][1],
        batch["blurred"][1],
        steps._alphas(recipe, batch["index"][1], 0, None),
        norm=recipe.gradient_penalty_norm,
        reduce=recipe.gradient_penalty_reduce,
    )


def error(params: Any, setup: Setup) -> jax.Array:
    """The mean squared error of the generator's own pair, restored as in training."""
    own = {key: value[0] for key, value in setup.batch.items()}
    restored, _ = steps.restore(params, setup.state, own, setup.recipe, None, None)
    return losses.mse_loss(restored, own["sharp"])


def _compiled(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    with timing.fresh_compilation():
        return compiler.jit(function, **options).lower(*arguments).compile()
