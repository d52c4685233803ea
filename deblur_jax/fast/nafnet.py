"""NAFNet's blocks for restoring on a CPU: `models.nafnet`, with dropout off, made quick.

The same sums in another order. A norm's scale, shift and mean go into the 1x1 convolution behind it
once, when parameters are prepared; what is left of it is one factor a pixel, applied to the
convolution's result. A barrier keeps XLA from scaling a pixel again for each of the nine neighbours
that see it. And as plain functions the network is traced and compiled in half the time, which a
folder of many sizes pays for each of them.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deblur_jax.fast.layers import convolve
from deblur_jax.models.config import GeneratorConfig
from deblur_jax.models.extent import Extent
from deblur_jax.models.layers import depth_to_space, space_to_depth
from deblur_jax.models.nafnet import FACTOR, NORM_EPSILON, gate

Layer = dict[str, Any]  # kernel and bias
Stage = list[dict[str, Layer]]  # its blocks
_STAGES = ("before_", "inner", "after_")


def prepare(params: Any) -> dict[str, Any]:
    """What `apply` takes, from parameters as `models.init_generator` draws them, float arrays."""
    return {
        name: _blocks(own) if name.startswith(_STAGES) else jax.tree.map(_float32, dict(own))
        for name, own in params.items()
    }


def _blocks(stacked: Any) -> Stage:
    count = len(stacked["norm_a_scale"])
    return [_block(jax.tree.map(lambda leaf, i=i: leaf[i], dict(stacked))) for i in range(count)]


def _block(own: Any) -> dict[str, Layer]:
    """One block's layers, computed in float64."""
    own = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), own)

    def expand(part: str) -> Layer:
        layer, scale = own[f"expand_{part}"], own[f"norm_{part}_scale"]
        kernel = scale[:, None] * layer["kernel"]
        bias = own[f"norm_{part}_shift"] @ layer["kernel"] + layer["bias"]
        # A column whose sum is zero does not see a pixel's mean.
        return {"kernel": kernel - kernel.mean(0), "bias": bias}

    def project(part: str) -> Layer:
        layer = own[f"project_{part}"]
        return {key: layer[key] * layer["weight"] for key in ("kernel", "bias")}

    layers = {"depthwise": own["depthwise"]}
    for part in ("a", "b"):
        layers |= {f"expand_{part}": expand(part), f"project_{part}": project(part)}
    return jax.tree.map(_float32, layers)


def _float32(leaf: Any) -> Any:
    return np.asarray(leaf, np.float32)


def apply(
    prepared: dict[str, Any],
    x: jax.Array,
    config: GeneratorConfig,
    extent: Extent | None = None,
    *,
    dtype: Any = jnp.float32,
) -> jax.Array:
    """What `models.nafnet.Nafnet` computes, without dropout: float32[B, H, W, 3] to the same shape.

    `models.generator` has the output modes. Where an `extent` is given, the pictures fill only that
    part of `x`. With bfloat16 as `dtype` the products of pixels and kernels are of such numbers;
    sums, norms and everything else stay in float32.
    """
    bar = lax.optimization_barrier
    clear = extent.clear if extent else lambda y: y

    def stage(y: jax.Array, name: str) -> jax.Array:
        for own in prepared.get(name, ()):
            y = block(y, own)
        return y

    def block(y: jax.Array, own: dict[str, Layer]) -> jax.Array:
        wide = depthwise(clear(_expand(y, own["expand_a"], dtype)), own["depthwise"])
        y = bar(y + _dense(bar(gate(wide)), own["project_a"], dtype))
        wide = _expand(y, own["expand_b"], dtype)
        return bar(y + _dense(bar(gate(wide)), own["project_b"], dtype))

    def depthwise(y: jax.Array, own: Layer) -> jax.Array:
        height, width = y.shape[1:3]
        padded = bar(jnp.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0))))
        total = own["bias"]
        for i in range(3):
            for j in range(3):
                total = total + padded[:, i : i + height, j : j + width] * own["kernel"][i, j]
        return total

    def window(y: jax.Array, own: Layer) -> jax.Array:
        return convolve(clear(y), own["kernel"], 1, (1, 1)) + own["bias"]

    y = window(space_to_depth(x, FACTOR), prepared["head"])
    skips = []
    for level in range(len(config.outer_blocks)):
        y = stage(y, f"before_{level}")
        skips.append(y)
        y = _dense(space_to_depth(y, 2), prepared[f"down_{level}"], dtype)
    y = stage(y, "inner")
    for level in reversed(range(len(config.outer_blocks))):
        wide = _product(y, prepared[f"up_{level}"]["kernel"], dtype)
        y = stage(skips.pop() + depth_to_space(wide, 2), f"after_{level}")
    return depth_to_space(window(y, prepared["tail"]), FACTOR)


def _product(x: jax.Array, kernel: jax.Array, dtype: Any) -> jax.Array:
    if dtype == jnp.float32:
        return x @ kernel
    return jnp.matmul(x.astype(dtype), kernel.astype(dtype), preferred_element_type=jnp.float32)


def _dense(x: jax.Array, own: Layer, dtype: Any) -> jax.Array:
    return _product(x, own["kernel"], dtype) + own["bias"]


def _expand(x: jax.Array, own: Layer, dtype: Any) -> jax.Array:
    """The norm of each pixel's channels and the 1x1 convolution behind it."""
    bar = lax.optimization_barrier
    centred = x - x.mean(-1, keepdims=True)
    inverse = lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + NORM_EPSILON)
    # The kernel does not see the mean, but rounding to few digits would.
    seen = x if dtype == jnp.float32 else centred
    return bar(_product(seen, own["kernel"], dtype)) * bar(inverse) + own["bias"]
