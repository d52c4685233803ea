"""Arrays that vary over mapped axes, which a checked `shard_map` keeps account of."""

from typing import Any

import jax
from jax import lax


def on_the_same_axes(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Marks both as varying over the mapped axes of either, as gradients by hand must be."""
    axes = [_axes(a) for a in (x, y)]
    missing = [tuple((axes[0] | axes[1]) - own) for own in axes]
    x, y = (
        lax.pcast(a, lack, to="varying") if lack else a
        for a, lack in zip((x, y), missing, strict=True)
    )
    return x, y


def _axes(x: jax.Array) -> frozenset[Any]:
    """The mapped axes over which a checked `shard_map` knows an array to vary."""
    kind = jax.typeof(x)
    newer = getattr(kind, "manual_axis_type", None)  # JAX has had two names for it
    return getattr(kind, "vma", frozenset()) if newer is None else newer.varying
