"""From a configuration's fields to the `Recipe` that jitted code gets."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp

from deblur_jax import losses
from deblur_jax.data.sampling import AUGMENTATIONS
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import CriticConfig, GeneratorConfig, minimum_size, size_multiple, vgg
from deblur_jax.training.schedule import SCHEDULES, learning_rate
from deblur_jax.training.state import Recipe

PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
CRITIC_MINIMUM_SIZE = 16  # pixels a side that `models.critic` takes


def generator_config(config: Any) -> GeneratorConfig:
    """The generator that `config.model` describes."""
    fields = dict(config.model)
    fields.pop("critic_width")
    fields.pop("critic_norm")
    return GeneratorConfig.from_dict(fields)


def critic_config(config: Any) -> CriticConfig:
    """The critic that `config.model` describes."""
    model = config.model
    return CriticConfig(
        width=model.critic_width,
        norm=model.critic_norm,
        norm_epsilon=model.norm_epsilon,
        norm_momentum=model.norm_momentum,
    )


def make_recipe(config: Any) -> Recipe:
    """Reads a whole configuration (`configs/default.py`) and checks it.

    Raises:
      UsageError: a value that the field cannot have.
      UserError: VGG19's weights are wanted and not to be had.
    """
    train, loss = config.train, config.loss
    _choice("train.precision", train.precision, tuple(PRECISIONS))
    _choice("train.schedule", train.schedule, SCHEDULES)
    _choice("train.critic_data", train.critic_data, ("fresh", "same"))
    _choice("data.augment", config.data.augment, AUGMENTATIONS)
    # Read only after training: too late to learn of a slip of the pen.
    _choice("evaluate.protocol", config.evaluate.protocol, ("full", "half", "resize256"))
    _choice("loss.pixel", loss.pixel, tuple(losses.PIXEL_LOSSES))
    _choice("loss.gradient_penalty_norm", loss.gradient_penalty_norm, ("sample", "pixel"))
    _choice("loss.gradient_penalty_reduce", loss.gradient_penalty_reduce, ("mean", "sum"))
    _choice("loss.gradient_penalty_alpha", loss.gradient_penalty_alpha, ("sample", "batch"))
    for name, least in (("steps", 1), ("batch_size", 1), ("log_every", 1), ("checkpoint_every", 1)):
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
    dtype = PRECISIONS[train.precision]
    return Recipe(
        generator=generator,
        critic=critic_config(config),
        learning_rate=learning_rate(
            train.schedule,
            train.learning_rate,
            train.steps,
            warmup_steps=train.warmup_steps,
            decay_start=train.decay_start,
        ),
        adam_b1=train.adam_b1,
        adam_b2=train.adam_b2,
        weight_decay=train.weight_decay,
        clip_norm=train.clip_norm,
        pixel_loss=loss.pixel,
        pixel_weight=loss.pixel_weight,
        perceptual_weight=loss.perceptual_weight,
        adversarial_weight=loss.adversarial_weight,
        gradient_penalty_weight=loss.gradient_penalty_weight,
        gradient_penalty_norm=loss.gradient_penalty_norm,
        gradient_penalty_reduce=loss.gradient_penalty_reduce,
        alpha=loss.gradient_penalty_alpha,
        critic_steps=train.critic_steps,
        critic_data=train.critic_data,
        average_decay=train.average_decay,
        dtype=dtype,
        seed=config.seed,
        features=_features(loss.vgg_weights, dtype) if loss.perceptual_weight else None,
    )


def _features(path: str, dtype: Any) -> Any:
    if not path:
        raise UserError(
            "loss.perceptual_weight is not 0 and loss.vgg_weights names no file: give an .npz of "
            "Keras' VGG19 weights, or set loss.perceptual_weight to 0"
        )
    params = vgg.load(Path(path).expanduser())
    return lambda pictures: vgg.apply(params, pictures, dtype=dtype)


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
