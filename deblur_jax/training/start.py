"""The state that a run starts from: freshly drawn, or with weights that exist already."""

from typing import Any

import jax
import jax.numpy as jnp

from deblur_jax.errors import UsageError
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.training.state import Recipe, TrainState, init_state
from deblur_jax.weights import registry

# What may differ between weights and the run that takes them up: the parameters mean the same.
_FREE = ("dropout", "init", "norm_momentum", "output")


def start_state(config: Any, recipe: Recipe) -> TrainState:
    """The state before the first step.

    Args:
      config: `train.start_from` names weights for the generator (a shipped name, a file, or
        another run's workdir), `train.start_critic_from` a critic (a file or a workdir); empty
        draws afresh.
      recipe: the run's networks.

    Raises:
      UsageError: weights of another network, or for a critic that the run does not have.
      UserError: weights that cannot be loaded.
    """
    state = init_state(jax.random.key(config.seed), recipe)
    train = config.train
    if train.start_from:
        weights = registry.load(train.start_from)
        _check_same("start_from", train.start_from, weights.config, recipe.generator, "model.")
        params = jax.tree.map(jnp.asarray, weights.params)
        # A copy, as buffers are donated: one may not stand twice in the state.
        average = jax.tree.map(jnp.copy, params) if recipe.average_decay else {}
        state = state._replace(generator=params, average=average)
        if weights.batch_stats:
            state = state._replace(batch_stats=jax.tree.map(jnp.asarray, weights.batch_stats))
    if train.start_critic_from:
        if not recipe.adversarial:
            raise UsageError(
                "train.start_critic_from names a critic, and loss.adversarial_weight is 0"
            )
        critic = registry.load_critic(train.start_critic_from)
        _check_same(
            "start_critic_from", train.start_critic_from, critic.config, recipe.critic,
            "model.critic_",
        )  # fmt: skip
        state = state._replace(critic=jax.tree.map(jnp.asarray, critic.params))
    return state


def _check_same(
    field: str,
    name: str,
    found: GeneratorConfig | CriticConfig,
    wanted: GeneratorConfig | CriticConfig,
    prefix: str,
) -> None:
    ours = wanted.to_dict()
    for key, value in found.to_dict().items():
        if key not in _FREE and ours[key] != value:
            shared = "model." if key == "norm_epsilon" else prefix
            raise UsageError(
                f"train.{field}={name} has {shared}{key} = {value!r}, not {ours[key]!r}: it is "
                f"another network; give --config.{shared}{key}={value} to train that one"
            )
