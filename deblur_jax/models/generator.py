"""Generators as two pure functions: `init(key, config)` and `apply(params, x, config)`."""

from typing import Any

import jax
import jax.numpy as jnp

from deblur_jax.models import nafnet, resnet, unshuffle
from deblur_jax.models.config import LOCAL_GENERATORS, GeneratorConfig
from deblur_jax.models.layers import PLAIN, Operations

Params = Any  # a nested dict of float32 arrays

_NETWORKS: dict[str, Any] = {"resnet": resnet, "unshuffle": unshuffle, "nafnet": nafnet}
_MODULES: dict[str, Any] = {
    "resnet": resnet.Resnet,
    "unshuffle": unshuffle.Unshuffle,
    "nafnet": nafnet.Nafnet,
}


def size_multiple(config: GeneratorConfig) -> int:
    """Height and width of the network's input must be multiples of this many pixels."""
    return _NETWORKS[config.generator].size_multiple(config)


def minimum_size(config: GeneratorConfig) -> int:
    """The smallest height and width, in pixels, that the network can take."""
    return _NETWORKS[config.generator].minimum_size(config)


def _module(
    config: GeneratorConfig,
    moving: bool,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
    operations: Operations = PLAIN,
) -> Any:
    return _MODULES[config.generator](config, moving, dtype, axis_name, operations)


def _init(key: jax.Array, config: GeneratorConfig) -> dict[str, Any]:
    side = max(16, minimum_size(config))
    module = _module(config, moving=True, operations=Operations(unroll=False))
    # A loop is compiled anew each time outside of `jit`; other layers share what is compiled.
    draw = jax.jit(module.init) if config.generator == "nafnet" else module.init
    return draw(key, jnp.zeros((1, side, side, 3)), None)


def init(key: jax.Array, config: GeneratorConfig) -> Params:
    """Draws a generator's parameters.

    Args:
      key: a typed PRNG key.
      config: the network's shape.

    Returns:
      A nested dict of float32 arrays: 11,378,179 numbers for the paper's network.
    """
    return _init(key, config)["params"]


def init_stats(config: GeneratorConfig) -> Params:
    """A batch norm's moving averages before training: means 0, variances 1; {} without one."""
    shapes = jax.eval_shape(lambda: _init(jax.random.key(0), config)).get("batch_stats", {})
    start = {"mean": jnp.zeros, "var": jnp.ones}
    return jax.tree_util.tree_map_with_path(lambda path, s: start[path[-1].key](s.shape), shapes)


def finish(x: jax.Array, y: jax.Array, config: GeneratorConfig) -> jax.Array:
    """The output mode: from blurred `x` and the network's `y`, float32[B, H, W, 3], to restored."""
    x = x.astype(jnp.float32)
    if config.output == "tanh":
        return jnp.tanh(y)
    residual = y if config.generator in LOCAL_GENERATORS else jnp.tanh(y)
    if config.output == "average":
        return jnp.clip((x + residual) / 2, -1.0, 1.0)
    return jnp.clip(x + residual, -1.0, 1.0)


def apply(
    params: Params,
    x: jax.Array,
    config: GeneratorConfig,
    *,
    keys: jax.Array | None = None,
    batch_stats: Params | None = None,
    dtype: Any = jnp.float32,
    operations: Operations = PLAIN,
) -> jax.Array:
    """Restores blurred pictures.

    Args:
      params: from `init`.
      x: blurred, float32[B, H, W, 3] in [-1, 1]; H and W multiples of `size_multiple(config)` and
        at least `minimum_size(config)`.
      config: the shape that `params` were drawn with.
      keys: typed PRNG keys `[B]` switch dropout on, one mask per sample; None switches it off.
      batch_stats: moving averages for a batch norm; None takes the statistics of this batch.
      dtype: of the convolutions; norms' statistics and the output stay float32.
      operations: what it is computed with.

    Returns:
      Restored, float32[B, H, W, 3] in [-1, 1].

    Raises:
      ValueError: H or W does not fit the network.
    """
    _check_size(x, config)
    variables = {"params": params}
    moving = config.norm == "batch" and batch_stats is not None
    if config.norm == "batch":
        variables["batch_stats"] = batch_stats if moving else init_stats(config)
    module = _module(config, moving, dtype, operations=operations)
    y, _ = module.apply(variables, x, keys, mutable=["batch_stats"])
    return finish(x, y, config)


def apply_train(
    params: Params,
    x: jax.Array,
    config: GeneratorConfig,
    *,
    batch_stats: Params,
    keys: jax.Array | None = None,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
    operations: Operations = PLAIN,
) -> tuple[jax.Array, Params]:
    """Like `apply` with the batch's statistics; also returns the new moving averages.

    Where `axis_name` is given, a batch norm's statistics are averaged over that mapped axis.
    `operations` are what it is computed with.
    """
    _check_size(x, config)
    variables = {"params": params, "batch_stats": batch_stats}
    module = _module(config, False, dtype, axis_name, operations)
    y, changed = module.apply(variables, x, keys, mutable=["batch_stats"])
    return finish(x, y, config), changed.get("batch_stats", {})


def _check_size(x: jax.Array, config: GeneratorConfig) -> None:
    height, width = x.shape[1:3]
    multiple, least = size_multiple(config), minimum_size(config)
    if height % multiple or width % multiple or height < least or width < least:  # also symbolic
        raise ValueError(
            f"{config.generator} takes heights and widths of at least {least} that are multiples "
            f"of {multiple}, not {height}x{width}"
        )
