"""One training step: the critic's updates, then the generator's, as pure functions.

Each takes a state and data and returns a state and scalars. They run on one device, or on each of
many under the axis that `axis` names; gradients and scalars are then averaged over it.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from deblur_jax import compiler, fast, losses
from deblur_jax.models import critic, generator
from deblur_jax.training import accumulation, guards, health, optimizers, parallel
from deblur_jax.training.state import Recipe, TrainState
from deblur_jax.training.terms import generator_terms

Batch = dict[str, jax.Array]  # blurred, sharp: float32[B, H, W, 3] in [-1, 1]; index: uint32[B]
Scalars = dict[str, jax.Array]

DROPOUT, _CRITIC_DROPOUT, _ALPHA = range(3)  # purposes of a sample's keys
# What drops out when the generator restores for the critic, see `Recipe.critic_dropout`.
_MASKS = {"own": _CRITIC_DROPOUT, "generator": DROPOUT, "none": None}
CRITIC_DROPOUTS = tuple(_MASKS)
CRITIC_BATCHES = ("separate", "joint")


def sample_keys(seed: int, purpose: int, index: jax.Array) -> jax.Array:
    """One PRNG key a sample, from nothing but the seed, the purpose and the sample's number."""
    base = jax.random.fold_in(jax.random.key(seed), purpose)
    return jax.vmap(lambda i: jax.random.fold_in(base, i))(index)


def restore(
    params: Any,
    state: TrainState,
    batch: Batch,
    recipe: Recipe,
    purpose: int | None,
    axis: str | None,
) -> tuple[jax.Array, Any]:
    """The generator in training mode; also returns a batch norm's new averages.

    Dropout draws its masks for `purpose`; None switches it off.
    """
    return generator.apply_train(
        params,
        batch["blurred"],
        recipe.generator,
        batch_stats=state.batch_stats,
        keys=None if purpose is None else sample_keys(recipe.seed, purpose, batch["index"]),
        dtype=recipe.dtype,
        axis_name=axis,
        operations=fast.choose_operations()._replace(remat=recipe.remat),
    )


def critic_step(
    state: TrainState,
    batch: Batch,
    *,
    recipe: Recipe,
    axis: str | None = None,
    restored: jax.Array | None = None,
    draw: int | jax.Array = 0,
) -> tuple[TrainState, Scalars]:
    """One update of the critic: mean D(restored) - mean D(sharp) + weight * penalty.

    Args:
      state: the run's state.
      batch: this update's data.
      recipe: what to do.
      axis: the mapped axis or None.
      restored: what the generator made of `batch`, where one set serves several updates.
      draw: number of the draw of alpha, where one batch serves several updates.

    Returns:
      The state with a new critic, and the update's scalars.
    """
    if restored is None:
        restored = restore_for_critic(state, batch, recipe, axis)
    alpha = _alphas(recipe, batch["index"], draw, axis)
    data = {
        "fake": jax.lax.stop_gradient(restored),
        "sharp": batch["sharp"],
        "alpha": jnp.broadcast_to(alpha, batch["index"].shape),
    }
    operations = fast.choose_operations()

    def loss(params: Any, data: Any) -> tuple[jax.Array, Scalars]:
        fake, sharp, alpha = data["fake"], data["sharp"], data["alpha"]
        score = lambda x: critic.apply(  # noqa: E731
            params, x, recipe.critic, dtype=recipe.dtype, axis_name=axis, operations=operations
        )
        if recipe.critic_batches == "joint":
            # Whatever is scored, scores come from one pass over restored, sharp and mixed pictures.
            together = lambda x: jnp.split(score(jnp.concatenate([fake, sharp, x])), 3)  # noqa: E731
            fake_scores, real_scores, _ = together(losses.interpolate(sharp, fake, alpha))
            penalised = lambda x: together(x)[2]  # noqa: E731
        else:
            real_scores, fake_scores, penalised = score(sharp), score(fake), score
        distance = losses.critic_loss(real_scores, fake_scores)
        penalty = losses.gradient_penalty(
            penalised,
            sharp,
            fake,
            alpha,
            norm=recipe.gradient_penalty_norm,
            reduce=recipe.gradient_penalty_reduce,
        )
        total = distance + recipe.gradient_penalty_weight * penalty
        return total, {
            "loss/critic": total,
            "loss/critic_wasserstein": distance,
            "loss/gradient_penalty": penalty,
        }

    gradients, scalars = accumulation.gradients(
        loss, parallel.varying(state.critic, axis), data, recipe.accumulate, axis
    )
    gradients, scalars = parallel.mean((gradients, scalars), axis)
    scalars["gradient_norm/critic"] = optax.global_norm(gradients)
    updates, critic_moments = optimizers.critic(recipe).update(gradients, state.critic_moments)
    rate = (recipe.critic_learning_rate or recipe.learning_rate)(state.step)
    params = jax.tree.map(lambda p, u: p - rate * u, state.critic, updates)
    scalars["parameter_norm/critic"] = optax.global_norm(params)
    return state._replace(critic=params, critic_moments=critic_moments), scalars


def restore_for_critic(
    state: TrainState, batch: Batch, recipe: Recipe, axis: str | None
) -> jax.Array:
    """What the critic is to tell from the sharp pictures; no averages are moved by it."""
    purpose = _MASKS[recipe.critic_dropout]
    return accumulation.in_parts(
        lambda part: restore(state.generator, state, part, recipe, purpose, axis)[0],
        batch,
        recipe.accumulate,
    )


def _alphas(recipe: Recipe, index: jax.Array, draw: int | jax.Array, axis: str | None) -> jax.Array:
    """Places between sharp and restored, uniform in [0, 1): `[B]`, or one for the whole batch."""
    if recipe.alpha == "batch":
        # The batch's first sample decides; on every device it must be the same one.
        first = index[0] if axis is None else jax.lax.pmin(index[0], axis)
        index = first[None]
    keys = sample_keys(recipe.seed, _ALPHA, index)
    return jax.vmap(lambda key: jax.random.uniform(jax.random.fold_in(key, draw)))(keys)


def generator_loss(
    params: Any, state: TrainState, batch: Batch, recipe: Recipe, axis: str | None
) -> tuple[jax.Array, tuple[Scalars, jax.Array, Any]]:
    """The generator's loss with its parts, the restored pictures and the new moving averages."""
    restored, batch_stats = restore(params, state, batch, recipe, DROPOUT, axis)
    scalars: Scalars = {}
    total = jnp.zeros(())
    for name, term in generator_terms(state.critic, batch, recipe, axis).items():
        scalars[f"loss/{name}"] = term.size(restored)
        total = total + term.weight * scalars[f"loss/{name}"]
    scalars["loss/generator"] = total
    return total, (scalars, restored, batch_stats)


def generator_step(
    state: TrainState, batch: Batch, *, recipe: Recipe, axis: str | None = None
) -> tuple[TrainState, Scalars]:
    """One update of the generator and of its moving average.

    Args:
      state: the run's state.
      batch: this update's data.
      recipe: what to do.
      axis: the mapped axis or None.

    Returns:
      The state one step on, and scalars: each loss, `psnr` of restored and blurred crops in dB, the
      guards, the gradient's norm, the learning rate.
    """

    def loss(params: Any, part: Batch) -> tuple[jax.Array, tuple[Scalars, Any]]:
        total, (scalars, restored, batch_stats) = generator_loss(params, state, part, recipe, axis)
        restored = jax.lax.stop_gradient(restored)
        scalars["psnr/restored"] = _psnr(restored, part["sharp"])
        scalars["psnr/blurred"] = _psnr(part["blurred"], part["sharp"])
        scalars |= guards.measure(restored, part["blurred"])
        return total, (scalars, batch_stats)

    gradients, (scalars, batch_stats) = accumulation.gradients(
        loss, parallel.varying(state.generator, axis), batch, recipe.accumulate, axis
    )
    gradients, scalars, batch_stats = parallel.mean((gradients, scalars, batch_stats), axis)
    norm = optax.global_norm(gradients)
    rate = recipe.learning_rate(state.step)
    scalars |= {"gradient_norm/generator": norm, "learning_rate": rate}
    if recipe.clip_norm:
        shrink = jnp.minimum(1.0, recipe.clip_norm / (norm + 1e-12))
        gradients = jax.tree.map(lambda g: g * shrink, gradients)
    updates, generator_moments = optimizers.generator(recipe).update(
        gradients, state.generator_moments, state.generator
    )
    params = jax.tree.map(
        lambda p, u: p - rate * (u + recipe.weight_decay * p), state.generator, updates
    )
    scalars["parameter_norm/generator"] = optax.global_norm(params)
    average = state.average
    if recipe.average_decay:
        # Early on the average follows faster, or it would long remember the first draw.
        decay = jnp.minimum(recipe.average_decay, (1.0 + state.step) / (10.0 + state.step))
        average = optax.incremental_update(params, average, 1 - decay)
    state = state._replace(
        step=state.step + 1,
        generator=params,
        average=average,
        batch_stats=batch_stats,
        generator_moments=generator_moments,
    )
    return state, scalars


def _psnr(a: jax.Array, b: jax.Array) -> jax.Array:
    """Mean PSNR in dB of float pictures in [-1, 1]; a guide while training, not a score."""
    error = jnp.square(a - b).mean((1, 2, 3))
    return (10 * jnp.log10(4.0 / jnp.maximum(error, 1e-10))).mean()


def train_step(
    state: TrainState,
    batch: Batch,
    *,
    recipe: Recipe,
    axis: str | None = None,
    pretrain: bool = False,
) -> tuple[TrainState, Scalars]:
    """The critic's updates and the generator's, all of them or none.

    A step with a loss, a gradient or a parameter that is not finite leaves the state as it was but
    for the step's number and `health`.

    Args:
      state: the run's state.
      batch: slices stacked in front: blurred, sharp float32[S, B, H, W, 3], index uint32[S, B].
        Slice 0 is the generator's; the others are the critic's,
        S = `recipe.slices`, or 1 when pretraining.
      recipe: what to do.
      axis: the mapped axis or None.
      pretrain: leaves the critic out, and its losses stand at 0.

    Returns:
      The state one step on, and the scalars of the last updates.
    """
    new, scalars, bits = _updates(state, batch, recipe, axis, pretrain)
    state = health.settle(state, new, bits, most_in_a_row=recipe.most_left_out)
    return state, scalars | health.scalars(state)


def _updates(
    state: TrainState, batch: Batch, recipe: Recipe, axis: str | None, pretrain: bool
) -> tuple[TrainState, Scalars, jax.Array]:
    """A step's updates, good or bad; also says what is wrong with them, as `health.cause`."""
    own = jax.tree.map(lambda x: x[0], batch)
    if pretrain or not recipe.adversarial:
        alone = recipe._replace(adversarial_weight=0.0)
        state, scalars = generator_step(state, own, recipe=alone, axis=axis)
        absent = _absent_critic(state) if recipe.adversarial else {}
        return state, absent | scalars, health.cause(scalars)

    # The critic's matrix products are as fast in a loop, and there they are compiled once.
    unroll = compiler.loops_are_slow() and fast.choose_operations().convolution is None
    if recipe.critic_data == "same":
        restored = restore_for_critic(state, own, recipe, axis)

        def update(state: TrainState, draw: jax.Array) -> tuple[TrainState, Scalars]:
            return critic_step(state, own, recipe=recipe, axis=axis, restored=restored, draw=draw)

        state, history = jax.lax.scan(update, state, jnp.arange(recipe.critic_steps), unroll=unroll)
    else:
        start = state  # whose generator stays the same through all of the critic's updates

        def restored_part(part: Batch) -> jax.Array:
            return restore_for_critic(start, part, recipe, axis)

        def fresh_update(state: TrainState, data: Any) -> tuple[TrainState, Scalars]:
            part, restored = data
            return critic_step(state, part, recipe=recipe, axis=axis, restored=restored)

        parts = jax.tree.map(lambda x: x[1:], batch)
        # Where loops are slow the generator stays outside; elsewhere that would only take memory.
        ahead = jax.vmap(restored_part)(parts) if compiler.loops_are_slow() else None
        state, history = jax.lax.scan(fresh_update, state, (parts, ahead), unroll=unroll)
    state, scalars = generator_step(state, own, recipe=recipe, axis=axis)
    bits = health.cause(history) | health.cause(scalars)
    return state, jax.tree.map(lambda x: x[-1], history) | scalars, bits


def _absent_critic(state: TrainState) -> Scalars:
    """The critic's scalars while only the generator is trained: each line has every loss."""
    names = ("loss/critic", "loss/critic_wasserstein", "loss/gradient_penalty", "loss/adversarial")
    scalars = {name: jnp.zeros(()) for name in (*names, "gradient_norm/critic")}
    return scalars | {"parameter_norm/critic": optax.global_norm(state.critic)}
