"""The one place where it is decided which formulation is taken, by platform and precision."""

import functools
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from deblur_jax import models
from deblur_jax.fast import ends, float8, nafnet, nafnet_block, resnet, sums
from deblur_jax.fast.convolution import convolution
from deblur_jax.models import GeneratorConfig, generator
from deblur_jax.models.extent import Extent
from deblur_jax.models.layers import PLAIN, Operations, depthwise_grouped

PLAIN_VARIABLE = "DEBLUR_JAX_PLAIN"
Forward = Callable[..., jax.Array]


def choose_operations() -> Operations:
    """What networks are trained with.

    XLA:CPU is slow at some derivatives of convolutions, see `fast.convolution`, and at sums over
    pixels, see `fast.sums`; accelerators have libraries for all of them. `DEBLUR_JAX_PLAIN=1` in
    the environment leaves everything to XLA.
    """
    if _plain():
        return Operations()
    if jax.default_backend() == "cpu":
        return Operations(convolution, sums.instance_norm, nafnet_block=nafnet_block.block)
    # Compiling gradients takes long, and in them a loop costs nothing.
    return Operations(depthwise=depthwise_grouped, unroll=False)


def choose_forward(
    params: Any,
    config: GeneratorConfig,
    *,
    batch_stats: Any = None,
    dtype: Any = jnp.float32,
    platform: str | None = None,
) -> tuple[Any, Forward]:
    """A generator for restoring, without dropout, in the formulation that is quickest.

    On CPUs NAFNet's blocks take `fast.nafnet` and, in float32, the paper's network takes
    `fast.resnet`; accelerators take each instance norm in one pass. Everything else is the plain
    network, and with `DEBLUR_JAX_PLAIN=1` in the environment that is, too.

    Args:
      params: from `models.init_generator`.
      config: the shape that they were drawn with.
      batch_stats: moving averages of a batch norm; None takes each batch's own statistics.
      dtype: of the convolutions.
      platform: `cpu`, `gpu` or `tpu`; None is JAX's default.

    Returns:
      Parameters, prepared once on the host, and a function of them, of blurred pictures and, where
      these fill only a part of their array, of their `Extent`; it is `models.apply_generator` but
      for rounding: float32[B, H, W, 3] to the same.
    """
    batch_stats = batch_stats or None
    on_cpu = (platform or jax.default_backend()) == "cpu"
    own_statistics = config.norm == "batch" and batch_stats is None
    if on_cpu and not _plain():
        if config.generator == "nafnet":
            apply = functools.partial(nafnet.apply, dtype=dtype)
            return nafnet.prepare(params), _finished(apply, config)
        if config.generator == "resnet" and not own_statistics and dtype == jnp.float32:
            return resnet.prepare(params, config, batch_stats), _finished(resnet.apply, config)

    operations = PLAIN if on_cpu or _plain() else accelerated()

    def plain(both: Any, x: jax.Array, extent: Extent | None = None) -> jax.Array:
        own, stats = both
        within = operations if extent is None else extent.operations(operations)
        return models.apply_generator(
            own, x, config, batch_stats=stats, dtype=dtype, operations=within
        )

    return (params, batch_stats), plain


def accelerated(square: int = 1, *, narrow: bool = False) -> Operations:
    """What accelerators restore with; of the options it is not measured yet what they bring.

    Args:
      square: side in pixels of the squares that the first and the last layer take at a time, see
        `fast.ends`; 1 leaves them as they are.
      narrow: wide convolutions in 8-bit floats, see `fast.float8`.
    """
    return Operations(
        convolution=float8.convolution if narrow else None,
        instance_norm=sums.instance_norm_once,
        depthwise=depthwise_grouped,
        unroll=False,
        ends=ends.squares(square) if square > 1 else None,
    )


def _finished(apply: Forward, config: GeneratorConfig) -> Forward:
    """A network's residual with the output mode behind it."""

    def quick(prepared: Any, x: jax.Array, extent: Extent | None = None) -> jax.Array:
        return generator.finish(x, apply(prepared, x, config, extent), config)

    return quick


def _plain() -> bool:
    return os.environ.get(PLAIN_VARIABLE, "0") not in ("", "0")
