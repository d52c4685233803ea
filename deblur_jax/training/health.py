"""Steps that are left out: what is not finite changes nothing but the step's number.

All of it is part of the compiled step. A state's `health` counts, and the loop reads the counts
with the numbers that it logs anyway.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

# What is looked at after each update, in the order in which it goes wrong, and its name in words.
_NETWORKS = ("critic", "generator")
_WATCHED = {
    f"{key}/{network}": f"the {network}'s {word}"
    for network in _NETWORKS
    for key, word in (
        ("loss", "loss"),
        ("gradient_norm", "gradient"),
        ("parameter_norm", "parameters after the update"),
    )
}
LEFT_OUT, IN_A_ROW, CAUSE = "left_out/total", "left_out/in_a_row", "left_out/cause"


def healthy() -> dict[str, jax.Array]:
    """The counts before the first step: int32 scalars."""
    return {name: jnp.zeros((), jnp.int32) for name in ("left_out", "in_a_row", "cause")}


def cause(scalars: Mapping[str, jax.Array]) -> jax.Array:
    """int32 scalar, a bit for each watched number that is not finite anywhere; 0 if all are well.

    Args:
      scalars: of an update, or of several, stacked.
    """
    bits = jnp.zeros((), jnp.int32)
    for place, name in enumerate(_WATCHED):
        if name in scalars:
            bad = ~jnp.isfinite(scalars[name]).all()
            bits = bits | jnp.where(bad, jnp.int32(1 << place), jnp.int32(0))
    return bits


def settle(old: Any, new: Any, bits: jax.Array, *, most_in_a_row: int = 0) -> Any:
    """The state after a step: `new`, or `old` with the next step's number if something is wrong.

    Args:
      old, new: `TrainState`s before and after the step.
      bits: from `cause`.
      most_in_a_row: so many steps left out in a row stop all further ones, until the loop has gone
        back to a checkpoint; 0 never does.
    """
    before = old.health
    stopped = (before["in_a_row"] >= most_in_a_row) if most_in_a_row else jnp.zeros((), bool)
    well = (bits == 0) & ~stopped
    kept = jax.tree.map(lambda n, o: jnp.where(well, n, o), new, old)
    out = (~well).astype(jnp.int32)
    health = {
        "left_out": before["left_out"] + out,
        "in_a_row": jnp.where(well, 0, before["in_a_row"] + 1),
        # Of the steps in a row; the last cause stays to be read once they are over.
        "cause": jnp.where(stopped, before["cause"], jnp.where(well, before["cause"], bits)),
    }
    return kept._replace(step=new.step, health=health)


def scalars(state: Any) -> dict[str, jax.Array]:
    """The counts as a step's scalars."""
    names = {LEFT_OUT: "left_out", IN_A_ROW: "in_a_row", CAUSE: "cause"}
    return {name: state.health[field].astype(jnp.float32) for name, field in names.items()}


def say(bits: int) -> str:
    """The causes in words, the first and so the likeliest at the front."""
    found = [word for place, word in enumerate(_WATCHED.values()) if bits >> place & 1]
    return (
        f"{' and '.join(found[:2]) or 'a number'} {'were' if len(found) > 1 else 'was'} not finite"
    )
