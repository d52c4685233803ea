"""DeblurGAN's generator for restoring on a CPU: `models.resnet`, with dropout off, made quick.

Parameters are prepared once; the residual blocks are one loop, which compiles once for all of
them; barriers keep XLA from computing a norm again for each of the windows that see it. A bias in
front of an instance norm is left out, as the norm takes it away.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deblur_jax.fast import winograd
from deblur_jax.fast.layers import (
    convolve,
    convolve_from_few,
    convolve_to_few,
    double,
    instance_scale,
)
from deblur_jax.models.config import GeneratorConfig
from deblur_jax.models.extent import Extent
from deblur_jax.models.layers import depth_to_space, reflect_pad

_TRANSPOSED = ("transpose", "transpose_same")
Affine = tuple[Any, Any]  # scale and shift of each channel, float32[C]
Reflect = Callable[[jax.Array, int], jax.Array]
Clear = Callable[[jax.Array], jax.Array]
Upsampling = Callable[[jax.Array, dict[str, Any], Reflect, Clear], jax.Array]


def prepare(params: Any, config: GeneratorConfig, batch_stats: Any = None) -> dict[str, Any]:
    """What `apply` takes, from parameters as `models.init_generator` draws them.

    Args:
      params: float arrays.
      config: the shape that they were drawn with.
      batch_stats: a batch norm's moving averages; needed with one.
    """
    norms = iter(range(2 + 2 * config.blocks + 3))

    def affine(bias: Any) -> Affine | None:
        """Of the norm behind the next convolution, which Flax numbers in the order of their use."""
        name = f"Norm_{next(norms)}"
        if config.norm == "instance":
            return None
        bias = np.asarray(bias, np.float32)
        if config.norm == "none":
            return np.ones_like(bias), bias
        scaling, averages = params[name]["BatchNorm_0"], batch_stats[name]["BatchNorm_0"]
        deviation = np.sqrt(np.asarray(averages["var"], np.float64) + config.norm_epsilon)
        scale = np.asarray(scaling["scale"]) / deviation
        shift = np.asarray(scaling["bias"]) + (bias - np.asarray(averages["mean"])) * scale
        return scale.astype(np.float32), shift.astype(np.float32)

    def layer(name: str) -> dict[str, Any]:
        own = params[name]
        return {"kernel": np.asarray(own["kernel"], np.float32), "affine": affine(own["bias"])}

    def block_layer(name: str) -> dict[str, Any]:
        own = layer(name)
        return own | {"kernel": winograd.transform_kernel(own["kernel"])}

    def up_layer(name: str) -> dict[str, Any]:
        (own,) = params[name].values()
        bias, kernel = np.asarray(own["bias"], np.float32), np.asarray(own["kernel"], np.float32)
        if config.upsample in _TRANSPOSED:
            return {"kernel": kernel, "affine": affine(bias)}
        shuffles = config.upsample == "pixel_shuffle"  # four biases a channel, which stay apart
        behind = affine(np.zeros(len(bias) // 4, np.float32) if shuffles else bias)
        return {
            "kernel": winograd.transform_kernel(kernel),
            "affine": behind,
            "bias": bias if shuffles else None,
        }

    parts = ("a", "b")[: config.block_convolutions]
    prepared: dict[str, Any] = {"head": layer("head")}
    prepared |= {f"down_{i}": layer(f"down_{i}") for i in (0, 1)}
    blocks = [
        {part: block_layer(f"block_{i}_{part}") for part in parts} for i in range(config.blocks)
    ]
    if blocks:
        prepared["blocks"] = jax.tree.map(lambda *leaves: np.stack(leaves), *blocks)
    prepared |= {f"up_{i}": up_layer(f"up_{i}") for i in (0, 1)}
    return prepared | {"tail": jax.tree.map(np.asarray, dict(params["tail"]))}


def apply(
    prepared: dict[str, Any], x: jax.Array, config: GeneratorConfig, extent: Extent | None = None
) -> jax.Array:
    """What `models.resnet.Resnet` computes, without dropout: float32[B, H, W, 3] to the same shape.

    The result is tanh's argument; `models.generator` has the output modes. Where an `extent` is
    given, the pictures fill only that part of `x`.
    """
    bar = lax.optimization_barrier
    reflect = extent.reflect_pad if extent else reflect_pad
    clear = extent.clear if extent else lambda y: y

    def norm(y: jax.Array, affine: Affine | None) -> jax.Array:
        scale, shift = affine or instance_scale(y, config.norm_epsilon, extent)
        return y * scale + shift

    def norm_relu(y: jax.Array, affine: Affine | None) -> jax.Array:
        return jax.nn.relu(norm(y, affine))

    def block(y: jax.Array, own: dict[str, Any]) -> tuple[jax.Array, None]:
        z = bar(winograd.convolve(bar(reflect(y, 1)), own["a"]["kernel"]))
        z = norm_relu(z, own["a"]["affine"])
        if "b" in own:
            z = bar(winograd.convolve(bar(reflect(z, 1)), own["b"]["kernel"]))
            z = norm(z, own["b"]["affine"])
        return bar(y + z), None

    pad = (1, 1) if config.downsample == "symmetric" else (0, 1)
    own = prepared["head"]
    y = bar(convolve_from_few(bar(reflect(x, 3)), own["kernel"]))
    y = bar(norm_relu(y, own["affine"]))
    for i in (0, 1):
        own = prepared[f"down_{i}"]
        y = bar(norm_relu(bar(convolve(clear(y), own["kernel"], 2, pad)), own["affine"]))
    up = _UPSAMPLINGS[config.upsample]
    if config.blocks:
        y, _ = lax.scan(block, y, prepared["blocks"])
    for i in (0, 1):
        own = prepared[f"up_{i}"]
        y = bar(norm_relu(bar(up(y, own, reflect, clear)), own["affine"]))
    y = convolve_to_few(bar(reflect(y, 3)), prepared["tail"]["kernel"])
    return y + prepared["tail"]["bias"]


def _transposed(kind: str) -> Upsampling:
    return lambda y, own, _reflect, clear: double(clear(y), own["kernel"], kind)


def _pixel_shuffle(y: jax.Array, own: dict[str, Any], reflect: Reflect, _clear: Clear) -> jax.Array:
    y = winograd.convolve(lax.optimization_barrier(reflect(y, 1)), own["kernel"])
    return depth_to_space(y + own["bias"], 2)


def _resized(y: jax.Array, own: dict[str, Any], reflect: Reflect, _clear: Clear) -> jax.Array:
    y = jnp.repeat(jnp.repeat(y, 2, axis=1), 2, axis=2)
    return winograd.convolve(lax.optimization_barrier(reflect(y, 1)), own["kernel"])


def _resized_same(y: jax.Array, own: dict[str, Any], _reflect: Reflect, clear: Clear) -> jax.Array:
    y = clear(jnp.repeat(jnp.repeat(y, 2, axis=1), 2, axis=2))
    padded = jnp.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return winograd.convolve(lax.optimization_barrier(padded), own["kernel"])


_UPSAMPLINGS: dict[str, Upsampling] = {
    "transpose": _transposed("transpose"),
    "transpose_same": _transposed("transpose_same"),
    "pixel_shuffle": _pixel_shuffle,
    "resize_conv": _resized,
    "resize_conv_same": _resized_same,
}
