"""Everything that a training step changes, and the recipe that it follows."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deblur_jax import compiler
from deblur_jax.models import CriticConfig, GeneratorConfig, critic, generator
from deblur_jax.training import optimizers
from deblur_jax.training.health import healthy


class TrainState(NamedTuple):
    """The state of a run; every leaf is an array.

    Attributes:
      step: int32 scalar, generator updates done.
      generator, critic: parameters, float32; `critic` is {} where no adversarial loss is used.
      average: exponential moving average of the generator's parameters.
      batch_stats: moving averages of the generator's batch norms, {} without them.
      generator_moments, critic_moments: what `optimizers` keep.
      health: counts of steps that were left out, see `health`.
    """

    step: jax.Array
    generator: Any
    critic: Any
    average: Any
    batch_stats: Any
    generator_moments: Any
    critic_moments: Any
    health: Any = ()


class Recipe(NamedTuple):
    """What a step does; plain values, fixed when it is compiled.

    Attributes:
      generator, critic: shapes of the networks.
      learning_rate: step (int32 scalar) to rate, for both networks.
      critic_learning_rate: the same for the critic alone, or None.
      optimizer: of the generator, `adam` or `muon`; the critic's is Adam.
      adam_b1, adam_b2: Adam's decays (DeblurGAN: 0.5 and 0.999).
      weight_decay: decoupled, on the generator (AdamW's; 0 in the paper).
      clip_norm: largest global norm of the generator's gradient; 0 for no limit.
      pixel_loss: name in `losses.PIXEL_LOSSES`; pixel_weight: its weight.
      perceptual_weight: of the distance in features (DeblurGAN: 100); perceptual_loss: name of
        that distance in `losses.PIXEL_LOSSES` (DeblurGAN: `mse`).
      grid_weight: of `losses.grid_loss` (0 in the paper).
      adversarial_weight: of -mean D(restored); 0 trains no critic.
      gradient_penalty_weight: 10 in WGAN-GP.
      gradient_penalty_norm, gradient_penalty_reduce: as in `losses.gradient_penalty`.
      alpha: `sample` draws one alpha a sample, `batch` one for all.
      critic_steps: critic updates before each generator update (5).
      critic_batches: `separate` scores restored, sharp and mixed pictures in passes of their own;
        `joint` in one pass, whose batch norm sees all three (the Columbia report's code).
      critic_dropout: what drops out in the generator when it restores for the critic: `own` masks,
        those of the `generator`'s update (the authors' code), or `none`.
      critic_data: `fresh` gives each critic update a slice of its own; `same` uses the generator's
        slice, and one set of restored pictures, for all (the authors' habit).
      average_decay: of the moving average of parameters; 0 keeps the newest.
      dtype: of the convolutions, float32 or bfloat16.
      seed: of dropout and alpha.
      accumulate: parts that a device's batch is computed in, one after the other.
      remat: computes residual blocks again for the gradient instead of keeping what they made.
      most_left_out: steps left out in a row that stop all further ones, as in `health.settle`.
      features: pictures to features for the perceptual loss, or None.
    """

    generator: GeneratorConfig
    critic: CriticConfig
    learning_rate: Callable[[jax.Array], jax.Array]
    optimizer: str = "adam"
    adam_b1: float = 0.5
    adam_b2: float = 0.999
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    pixel_loss: str = "l1"
    pixel_weight: float = 0.0
    perceptual_weight: float = 0.0
    perceptual_loss: str = "mse"
    grid_weight: float = 0.0
    adversarial_weight: float = 1.0
    gradient_penalty_weight: float = 10.0
    gradient_penalty_norm: str = "sample"
    gradient_penalty_reduce: str = "mean"
    alpha: str = "sample"
    critic_steps: int = 5
    critic_data: str = "fresh"
    critic_batches: str = "separate"
    critic_dropout: str = "own"
    average_decay: float = 0.0
    dtype: Any = jnp.float32
    seed: int = 0
    critic_learning_rate: Callable[[jax.Array], jax.Array] | None = None
    accumulate: int = 1
    remat: bool = False
    most_left_out: int = 0
    features: Callable[[jax.Array], jax.Array] | None = None

    @property
    def adversarial(self) -> bool:
        """Whether a critic takes part."""
        return self.adversarial_weight > 0

    @property
    def slices(self) -> int:
        """Slices of data in a full step: the generator's, then one for each fresh critic update."""
        return 1 + (self.critic_steps if self.adversarial and self.critic_data == "fresh" else 0)


def init_state(key: jax.Array, recipe: Recipe) -> TrainState:
    """The state before the first step, drawn from a typed PRNG key."""
    with compiler.on_cpu():
        return _init_state(key, recipe)


def _init_state(key: jax.Array, recipe: Recipe) -> TrainState:
    generator_key, critic_key = jax.random.split(key)
    generator_params = generator.init(generator_key, recipe.generator)
    critic_params = critic.init(critic_key, recipe.critic) if recipe.adversarial else {}
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        generator=generator_params,
        critic=critic_params,
        # A copy: a donated buffer may not stand twice in the state.
        average=jax.tree.map(jnp.copy, generator_params) if recipe.average_decay else {},
        batch_stats=generator.init_stats(recipe.generator),
        generator_moments=optimizers.generator(recipe).init(generator_params),
        critic_moments=optimizers.critic(recipe).init(critic_params),
        health=healthy(),
    )
