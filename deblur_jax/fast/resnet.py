"""DeblurGAN's generator for restoring on a CPU: `models.resnet`, with dropout off, made quick.

Parameters are prepared once; the residual blocks are one loop, which compiles once for all of
them; a layer applies the norm and the activation behind the one before it strip by strip, as it
reads (`bordered`). A bias in front of an instance norm is left out, as the norm takes it away.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deblur_jax.fast import winograd
from deblur_jax.fast.bordered import Bordered, Change, among_zeros, reflected
from deblur_jax.fast.layers import (
    by_taps,
    convolve_from_few,
    convolve_to_few,
    double,
    halve,
    instance_scale,
)
from deblur_jax.models.config import GeneratorConfig
from deblur_jax.models.extent import Extent
from deblur_jax.models.layers import depth_to_space, reflect_pad

_TRANSPOSED = ("transpose", "transpose_same")
Affine = tuple[Any, Any]  # scale and shift of each channel, float32[C]
Upsampling = Callable[[jax.Array, dict[str, Any], Change | None, Extent | None], jax.Array]


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
            return {"matrix": np.ascontiguousarray(by_taps(kernel)), "affine": affine(bias)}
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
    for part in parts:
        # Parts of one allocation: the heap would keep so many of some megabytes once they are free.
        together: Any = np.stack([block[part]["kernel"] for block in blocks]) if blocks else []
        for block, kernel in zip(blocks, together, strict=True):
            block[part]["kernel"] = kernel
    prepared["blocks"] = blocks
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
    reflect = functools.partial(reflected, extent=extent)

    def norm(y: jax.Array, affine: Affine | None) -> Change:
        """Of what the layer has computed, `y`: for the next one to apply where it reads."""
        scale, shift = affine or instance_scale(y, config.norm_epsilon, extent)
        return lambda seen: seen * scale + shift

    def norm_relu(y: jax.Array, affine: Affine | None) -> Change:
        normal = norm(y, affine)
        return lambda seen: jax.nn.relu(normal(seen))

    blocks = prepared["blocks"]

    def inner(x: Bordered, i: jax.Array, part: str) -> tuple[jax.Array, Affine | None]:
        """A convolution of block i, and the scale and shift that are to follow, if known."""
        layers = [own[part] for own in blocks]
        z = bar(winograd.convolve(x, [layer["kernel"] for layer in layers], which=i))
        if config.norm == "instance":
            return z, None
        scale, shift = (
            jnp.stack(each)[i] for each in zip(*(layer["affine"] for layer in layers), strict=True)
        )
        return z, (scale, shift)

    def block(y: jax.Array, i: jax.Array) -> tuple[jax.Array, None]:
        z, affine = inner(reflect(y, 1), i, "a")
        if config.block_convolutions == 1:
            return bar(y + norm_relu(z, affine)(z)), None
        z, affine = inner(reflect(z, 1, norm_relu(z, affine)), i, "b")
        return bar(y + norm(z, affine)(z)), None

    zeros = (1, 1) if config.downsample == "symmetric" else (0, 1)
    own = prepared["head"]
    around = extent.reflect_pad(x, 3) if extent else reflect_pad(x, 3)
    y = bar(convolve_from_few(bar(around), own["kernel"]))
    behind = norm_relu(y, own["affine"])
    for i in (0, 1):
        own = prepared[f"down_{i}"]
        y = bar(halve(among_zeros(y, *zeros, behind, extent), own["kernel"]))
        behind = norm_relu(y, own["affine"])
    change: Change | None = behind
    if config.blocks:  # each adds to what it reads, which is wanted whole
        y, change = lax.scan(block, bar(behind(y)), jnp.arange(config.blocks))[0], None
    up = _UPSAMPLINGS[config.upsample]
    for i in (0, 1):
        own = prepared[f"up_{i}"]
        y = bar(up(y, own, change, extent))
        change = norm_relu(y, own["affine"])
    y = convolve_to_few(reflect(y, 3, change), prepared["tail"]["kernel"])
    return y + prepared["tail"]["bias"]


def _transposed(kind: str) -> Upsampling:
    return lambda y, own, change, extent: double(y, own["matrix"], kind, change, extent)


def _pixel_shuffle(
    y: jax.Array, own: dict[str, Any], change: Change | None, extent: Extent | None
) -> jax.Array:
    y = winograd.convolve(reflected(y, 1, change, extent), own["kernel"])
    return depth_to_space(y + own["bias"], 2)


def _resized(
    y: jax.Array, own: dict[str, Any], change: Change | None, extent: Extent | None
) -> jax.Array:
    y = jnp.repeat(jnp.repeat(y, 2, axis=1), 2, axis=2)
    return winograd.convolve(reflected(y, 1, change, extent), own["kernel"])


def _resized_same(
    y: jax.Array, own: dict[str, Any], change: Change | None, extent: Extent | None
) -> jax.Array:
    y = jnp.repeat(jnp.repeat(y, 2, axis=1), 2, axis=2)
    return winograd.convolve(among_zeros(y, 1, 1, change, extent), own["kernel"])


_UPSAMPLINGS: dict[str, Upsampling] = {
    "transpose": _transposed("transpose"),
    "transpose_same": _transposed("transpose_same"),
    "pixel_shuffle": _pixel_shuffle,
    "resize_conv": _resized,
    "resize_conv_same": _resized_same,
}
