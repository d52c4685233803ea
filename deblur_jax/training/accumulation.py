"""Gradients of a batch that does not fit the memory: of one part after the other, averaged."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from deblur_jax import compiler
from deblur_jax.training import parallel


def split(batch: Any, parts: int) -> Any:
    """[B, ...] to [parts, B // parts, ...]. ValueError where the batch does not divide."""

    def cut(x: jax.Array) -> jax.Array:
        if x.shape[0] % parts:
            raise ValueError(f"a batch of {x.shape[0]} does not divide into {parts} parts")
        return x.reshape(parts, x.shape[0] // parts, *x.shape[1:])

    return jax.tree.map(cut, batch)


def gradients(
    loss: Callable[[Any, Any], tuple[jax.Array, Any]],
    params: Any,
    batch: Any,
    parts: int,
    axis: str | None = None,
) -> tuple[Any, Any]:
    """The gradient of a loss that is a mean over samples, and its other results.

    Args:
      loss: (params, batch) to a scalar and a tree of float arrays, means over the batch, too.
      params: where the gradient is taken; differing per device, see `parallel.varying`.
      batch: a tree of arrays [B, ...].
      parts: how many of equal size are computed one after the other; only one of them is in
        memory at a time.
      axis: the mapped axis or None.

    Returns:
      The gradient and the tree.
    """
    both = jax.grad(loss, has_aux=True)
    if parts == 1:
        return both(params, batch)
    pieces = split(batch, parts)
    shapes = jax.eval_shape(both, params, jax.tree.map(lambda x: x[0], pieces))
    blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

    def add(total: Any, part: Any) -> tuple[Any, None]:
        found = parallel.varying(both(params, part), axis)
        return jax.tree.map(jnp.add, total, found), None

    total, _ = jax.lax.scan(
        add, parallel.varying(blank, axis), pieces, unroll=compiler.loops_are_slow()
    )
    return jax.tree.map(lambda x: x / parts, total)


def in_parts(function: Callable[[Any], jax.Array], batch: Any, parts: int) -> jax.Array:
    """What a function of samples makes of a batch, [B, ...], one part after the other."""
    if parts == 1:
        return function(batch)
    pieces = split(batch, parts)
    if compiler.loops_are_slow():
        each = [function(jax.tree.map(lambda x, i=i: x[i], pieces)) for i in range(parts)]
        return jnp.concatenate(each)
    made = jax.lax.map(function, pieces)
    return made.reshape(-1, *made.shape[2:])
