"""NAFNet's blocks without its global pooling: a U-net from half the resolution downwards.

Chen et al., "Simple Baselines for Image Restoration" (arXiv 2204.04676): a norm over the channels
of each pixel, 1x1 convolutions, one depthwise 3x3 convolution, and a product of two halves of the
channels in place of an activation. Two things differ. The channel attention is left out, as its
mean over the picture would make a tile differ from the whole. And 2x2 neighbourhoods become
channels first, which leaves the costly full resolution out.

So the result at a pixel depends only on its neighbourhood: tiles are exact, and bfloat16 is safe.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from deblur_jax.models.config import GeneratorConfig
from deblur_jax.models.layers import (
    PLAIN,
    Operations,
    conv,
    depth_to_space,
    pixel_norm,
    sample_dropout,
    space_to_depth,
)

FACTOR = 2  # of the pixels that become channels at the start
NORM_EPSILON = 1e-6  # the authors' code, LayerNorm2d
# PyTorch's default, which the authors' code leaves in place.
UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def size_multiple(config: GeneratorConfig) -> int:
    """Height and width must be multiples of this: each level halves them."""
    return FACTOR * 2 ** len(config.outer_blocks)


minimum_size = size_multiple


class Nafnet(nn.Module):
    """The network without its output mode: `[B, H, W, 3]` to the residual of the same shape."""

    config: GeneratorConfig
    use_moving_averages: bool  # unused: no statistics of a batch
    dtype: Any
    axis_name: str | None = None
    operations: Operations = PLAIN

    @nn.compact
    def __call__(self, x: jax.Array, keys: jax.Array | None) -> jax.Array:
        c, clear = self.config, self.operations.clear
        drawn = 0  # blocks so far, each with dropout masks of its own

        def stage(y: jax.Array, count: int, name: str) -> jax.Array:
            nonlocal drawn
            if not count:
                return y
            # Parameters are stacked, so that a loop can be compiled instead of `count` blocks.
            scanned = nn.scan(
                nn.remat(Block, prevent_cse=False) if self.operations.remat else Block,
                variable_axes={"params": 0},
                split_rngs={"params": True},
                in_axes=(0, nn.broadcast),
                length=count,
                unroll=count if self.operations.unroll else 1,
            )
            numbers = drawn + jnp.arange(count)
            drawn += count
            return scanned(c.dropout, self.dtype, self.operations, name=name)(y, numbers, keys)[0]

        y = space_to_depth(x.astype(self.dtype), FACTOR)
        y = conv(c.width, 3, self.dtype, padding=1, kernel_init=UNIFORM, name="head")(clear(y))
        skips = []
        for level, count in enumerate(c.outer_blocks):
            y = stage(y, count, f"before_{level}")
            skips.append(y)
            features = 2 * y.shape[-1]
            # Cells of 2x2 pixels do not overlap: a product of matrices.
            y = nn.Dense(features, dtype=self.dtype, kernel_init=UNIFORM, name=f"down_{level}")(
                space_to_depth(y, 2)
            )
        y = stage(y, c.blocks, "inner")
        for level, count in reversed(list(enumerate(c.outer_blocks))):
            wide = nn.Dense(
                2 * y.shape[-1], use_bias=False, dtype=self.dtype, kernel_init=UNIFORM,
                name=f"up_{level}",
            )  # fmt: skip
            y = stage(skips.pop() + depth_to_space(wide(y), 2), count, f"after_{level}")
        # Zeros: an untrained network returns its input.
        tail = conv(
            3 * FACTOR**2, 3, self.dtype, padding=1, kernel_init=nn.initializers.zeros, name="tail"
        )
        return depth_to_space(tail(clear(y)), FACTOR).astype(jnp.float32)


class Block(nn.Module):
    """One block, `[B, H, W, C]` to the same; it starts as the identity."""

    dropout: float
    dtype: Any
    operations: Operations

    @nn.compact
    def __call__(
        self, x: jax.Array, number: jax.Array, keys: jax.Array | None
    ) -> tuple[jax.Array, None]:
        features = x.shape[-1]
        whole = self.operations.nafnet_block
        drops = keys is not None and self.dropout > 0
        if whole is not None and not drops and not self.is_initializing():
            return whole(self.variables["params"], x, self.dtype), None

        def norm(y: jax.Array, name: str) -> jax.Array:
            scale = self.param(f"{name}_scale", nn.initializers.ones, (features,))
            shift = self.param(f"{name}_shift", nn.initializers.zeros, (features,))
            return pixel_norm(y, scale, shift, NORM_EPSILON)

        def expand(y: jax.Array, name: str) -> jax.Array:
            return nn.Dense(2 * features, dtype=self.dtype, kernel_init=UNIFORM, name=name)(y)

        def add(x: jax.Array, y: jax.Array, name: str, layer: int) -> jax.Array:
            y = sample_dropout(y, keys, self.dropout, 2 * number + layer)
            return x + WeightedDense(features, self.dtype, name=name)(y)

        y = Depthwise(self.dtype, self.operations, name="depthwise")(
            expand(norm(x, "norm_a"), "expand_a")
        )
        x = add(x, gate(y), "project_a", 0)
        return add(x, gate(expand(norm(x, "norm_b"), "expand_b")), "project_b", 1), None


class WeightedDense(nn.Module):
    """A dense layer whose results have a learned weight each, which is zero at first.

    The weights go into the kernel, which is small, so that they cost the pixels nothing.
    """

    features: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param("kernel", UNIFORM, (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        weight = self.param("weight", nn.initializers.zeros, (self.features,))
        return x @ (kernel * weight).astype(self.dtype) + (bias * weight).astype(self.dtype)


class Depthwise(nn.Module):
    """A 3x3 convolution of each channel by itself, zeros around, with a bias."""

    dtype: Any
    operations: Operations

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        features = x.shape[-1]
        # Nine numbers a channel: fan-in is 9.
        draw = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform", in_axis=(0, 1))
        kernel = self.param("kernel", draw, (3, 3, features))
        bias = self.param("bias", nn.initializers.zeros, (features,))
        return self.operations.depthwise(self.operations.clear(x.astype(self.dtype)), kernel, bias)


def gate(x: jax.Array) -> jax.Array:
    """The product of the channels' two halves: `[B, H, W, 2 C]` to `[B, H, W, C]`."""
    first, second = jnp.split(x, 2, axis=-1)
    return first * second
