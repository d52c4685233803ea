"""The terms of the generator's loss, each a function of the restored pictures alone."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from deblur_jax import fast, losses
from deblur_jax.models import critic
from deblur_jax.training.state import Recipe


class Term(NamedTuple):
    """One term.

    Attributes:
      weight: of the term in the loss.
      size: restored, float32[B, H, W, 3] in [-1, 1], to a float32 scalar, without the weight.
    """

    weight: float
    size: Callable[[jax.Array], jax.Array]


def generator_terms(
    critic_params: Any, batch: Mapping[str, jax.Array], recipe: Recipe, axis: str | None = None
) -> dict[str, Term]:
    """The terms that a recipe has, by name: `pixel`, `perceptual`, `grid`, `adversarial`.

    Args:
      critic_params: the critic's parameters, which the adversarial term asks.
      batch: what the others compare with, `sharp` and `blurred`: float32[B, H, W, 3] in [-1, 1].
      recipe: which terms, and their weights.
      axis: the mapped axis or None.
    """
    sharp, blurred = batch["sharp"], batch["blurred"]
    terms: dict[str, Term] = {}
    if recipe.pixel_weight:
        distance = losses.PIXEL_LOSSES[recipe.pixel_loss]
        terms["pixel"] = Term(recipe.pixel_weight, lambda restored: distance(restored, sharp))
    if recipe.features is not None:
        features, measure = recipe.features, losses.PIXEL_LOSSES[recipe.perceptual_loss]
        terms["perceptual"] = Term(
            recipe.perceptual_weight,
            lambda restored: losses.perceptual_loss(features, restored, sharp, distance=measure),
        )
    if recipe.grid_weight:
        terms["grid"] = Term(
            recipe.grid_weight, lambda restored: losses.grid_loss(restored, sharp, blurred)
        )
    if recipe.adversarial:

        def adversarial(restored: jax.Array) -> jax.Array:
            scores = critic.apply(
                critic_params,
                restored,
                recipe.critic,
                dtype=recipe.dtype,
                axis_name=axis,
                operations=fast.choose_operations(),
            )
            return losses.adversarial_loss(scores)

        terms["adversarial"] = Term(recipe.adversarial_weight, adversarial)
    return terms
