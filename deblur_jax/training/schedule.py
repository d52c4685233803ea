"""Learning rates as functions of the step."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

SCHEDULES = ("constant", "constant_linear", "cosine")


def learning_rate(
    kind: str,
    base: float,
    steps: int,
    *,
    warmup_steps: int = 0,
    decay_start: float = 0.5,
    decay_every: int = 1,
) -> Callable[[jax.Array], jax.Array]:
    """A schedule from step 0 to `steps`.

    Args:
      kind: `constant`; `constant_linear` is `base` for the share `decay_start` of the run, then
        falls linearly to zero (DeblurGAN: 150 of 300 epochs); `cosine` falls along half a cosine
        from the start.
      base: the highest rate.
      steps: of the whole run.
      warmup_steps: over which the rate first rises linearly.
      decay_start: share of the run, in [0, 1]; only for `constant_linear`.
      decay_every: steps between changes of the rate after the warm-up: 1, or the number of steps in
        an epoch, as the authors' code changes it.

    Returns:
      step (int32 scalar) to rate (float32 scalar).
    """
    if kind not in SCHEDULES:
        raise ValueError(f"schedule is {kind!r}; it can be {', '.join(SCHEDULES)}")

    def rate(step: jax.Array) -> jax.Array:
        done = (step // decay_every * decay_every).astype(jnp.float32) / max(steps, 1)
        if kind == "constant":
            factor = jnp.ones(())
        elif kind == "cosine":
            factor = 0.5 * (1 + jnp.cos(jnp.pi * jnp.minimum(done, 1.0)))
        else:
            factor = jnp.clip((1 - done) / max(1 - decay_start, 1e-9), 0.0, 1.0)
        rise = (step.astype(jnp.float32) + 1) / (warmup_steps + 1)
        return base * factor * jnp.minimum(rise, 1.0)

    return rate
