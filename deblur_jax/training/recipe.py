"""From a configuration's fields to the `Recipe` that jitted code gets."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from deblur_jax import losses
from deblur_jax.data import protocols
from deblur_jax.data.sampling import AUGMENTATIONS
from deblur_jax.errors import UsageError
from deblur_jax.models import CriticConfig, GeneratorConfig, minimum_size, size_multiple, vgg
from deblur_jax.training.optimizers import OPTIMIZERS
from deblur_jax.training.schedule import SCHEDULES, learning_rate
from deblur_jax.training.state import Recipe
from deblur_jax.training.steps import CRITIC_BATCHES, CRITIC_DROPOUTS
from deblur_jax.weights import vgg as vgg_weights

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
CRITIC = "critic_"  # what fields of `config.model` begin with that are the critic's alone
CRITIC_MINIMUM_SIZE = 16  # pixels a side that `models.critic` takes


def generator_config(config: Any) -> GeneratorConfig:
    """The generator that `config.model` describes."""
    fields = {k: v for k, v in dict(config.model).items() if not k.startswith(CRITIC)}
    return GeneratorConfig.from_dict(fields)


def critic_config(config: Any) -> CriticConfig:
    """The critic that `config.model` describes."""
    model = dict(config.model)
    fields = {k.removeprefix(CRITIC): v for k, v in model.items() if k.startswith(CRITIC)}
    shared = ("norm_epsilon", "norm_momentum", "init")
    return CriticConfig.from_dict(fields | {name: model[name] for name in shared})


def make_recipe(config: Any) -> Recipe:
    """Reads a whole configuration (`configs/default.py`) and checks it.

    Raises:
      UsageError: a value that the field cannot have.
      UserError: VGG19's weights are wanted and not to be had.
    """
    train, loss = config.train, config.loss
    _choice("train.precision", train.precision, tuple(PRECISIONS))
    _choice("train.schedule", train.schedule, SCHEDULES)
    _choice("train.optimizer", train.optimizer, OPTIMIZERS)
    _choice("train.critic_data", train.critic_data, ("fresh", "same"))
    _choice("train.critic_batches", train.critic_batches, CRITIC_BATCHES)
    _choice("train.critic_dropout", train.critic_dropout, CRITIC_DROPOUTS)
    _choice("data.augment", config.data.augment, AUGMENTATIONS)
    # Read only after training: too late to learn of a slip of the pen.
    if config.evaluate.dropout and not config.model.dropout:
        raise UsageError(
            "evaluate.dropout is True, and model.dropout is 0: there is none to leave on"
        )
    protocols.check(config.evaluate.protocol, config.evaluate.protocol_filter)
    _choice("loss.pixel", loss.pixel, tuple(losses.PIXEL_LOSSES))
    _choice("loss.perceptual", loss.perceptual, tuple(losses.PIXEL_LOSSES))
    _choice("loss.vgg_tap", loss.vgg_tap, vgg.TAPS)
    _choice("loss.vgg_preprocessing", loss.vgg_preprocessing, vgg.PREPROCESSINGS)
    _choice("loss.gradient_penalty_norm", loss.gradient_penalty_norm, ("sample", "pixel"))
    _choice("loss.gradient_penalty_reduce", loss.gradient_penalty_reduce, ("mean", "sum"))
    _choice("loss.gradient_penalty_alpha", loss.gradient_penalty_alpha, ("sample", "batch"))
    for name, least in (
        ("steps", 1),
        ("batch_size", 1),
        ("log_every", 1),
        ("checkpoint_every", 1),
        ("decay_every", 1),
        ("keep_checkpoints", 1),
        ("keep_best", 0),
        ("checkpoint_minutes", 0),
        ("critic_learning_rate", 0),
        ("accumulate", 1),
        ("most_left_out", 1),
        ("most_returns", 0),
    ):
        if train[name] < least:
            raise UsageError(f"train.{name} is {train[name]}; it must be at least {least}")
    if not (loss.pixel_weight or loss.perceptual_weight or loss.adversarial_weight):
        raise UsageError("all weights under loss are 0: there is nothing to train")
    if loss.adversarial_weight and train.critic_steps < 1:
        raise UsageError(
            "train.critic_steps must be at least 1 where loss.adversarial_weight is not 0"
        )
    generator = generator_config(config)
    _check_crop(config.data.crop, generator)
    if train.remat and generator.generator == "unshuffle":
        raise UsageError("train.remat is for model.generator 'resnet' and 'nafnet'")
    dtype = PRECISIONS[train.precision]

    def schedule(rate: float) -> Callable[[jax.Array], jax.Array]:
        return learning_rate(
            train.schedule,
            rate,
            train.steps,
            warmup_steps=train.warmup_steps,
            decay_start=train.decay_start,
            decay_every=train.decay_every,
        )

    critic_rate = train.critic_learning_rate
    return Recipe(
        generator=generator,
        critic=critic_config(config),
        learning_rate=schedule(train.learning_rate),
        critic_learning_rate=schedule(critic_rate) if critic_rate else None,
        accumulate=train.accumulate,
        remat=train.remat,
        most_left_out=train.most_left_out,
        optimizer=train.optimizer,
        adam_b1=train.adam_b1,
        adam_b2=train.adam_b2,
        weight_decay=train.weight_decay,
        clip_norm=train.clip_norm,
        pixel_loss=loss.pixel,
        pixel_weight=loss.pixel_weight,
        perceptual_weight=loss.perceptual_weight,
        perceptual_loss=loss.perceptual,
        grid_weight=loss.grid_weight,
        adversarial_weight=loss.adversarial_weight,
        gradient_penalty_weight=loss.gradient_penalty_weight,
        gradient_penalty_norm=loss.gradient_penalty_norm,
        gradient_penalty_reduce=loss.gradient_penalty_reduce,
        alpha=loss.gradient_penalty_alpha,
        critic_steps=train.critic_steps,
        critic_data=train.critic_data,
        critic_batches=train.critic_batches,
        critic_dropout=train.critic_dropout,
        average_decay=train.average_decay,
        dtype=dtype,
        seed=config.seed,
        features=features(config) if loss.perceptual_weight else None,
    )


def features(config: Any) -> Callable[[jax.Array], jax.Array]:
    """The fixed network of the perceptual loss that `config.loss` describes, as a function.

    Raises:
      UserError: its weights are not to be had.
    """
    loss = config.loss
    params = vgg_weights.load(loss.vgg, loss.vgg_source, loss.vgg_weights, seed=config.seed)
    return lambda pictures: vgg.apply(
        params,
        pictures,
        tap=loss.vgg_tap,
        preprocessing=loss.vgg_preprocessing,
        dtype=PRECISIONS[config.train.precision],
    )


def _check_crop(crop: int, generator: GeneratorConfig) -> None:
    multiple = size_multiple(generator)
    least = max(minimum_size(generator), CRITIC_MINIMUM_SIZE)
    if crop % multiple or crop < least:
        raise UsageError(
            f"data.crop is {crop}; it must be a multiple of {multiple} and at least {least}"
        )


def _choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{field} is {value!r}; it can be {', '.join(choices)}")
