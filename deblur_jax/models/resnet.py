"""DeblurGAN's generator: two strided convolutions, residual blocks, two upsamplings, a global skip.

Source: DeblurGAN (arXiv 1711.07064), section 3.2, and the authors' code at dd9e940,
models/networks.py (ResnetGenerator, ResnetBlock).
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from deblur_jax.models.config import GeneratorConfig
from deblur_jax.models.layers import (
    PLAIN,
    Norm,
    Operations,
    Upsample,
    conv,
    sample_dropout,
)


def size_multiple(_config: GeneratorConfig) -> int:
    """Two strided convolutions: sides must be multiples of four pixels for the skip to fit."""
    return 4


def minimum_size(_config: GeneratorConfig) -> int:
    """In pixels: the inner reflection of one needs two at a quarter of the resolution."""
    return 8


class Resnet(nn.Module):
    """The network without its output mode: `[B, H, W, 3]` to tanh's argument of the same shape."""

    config: GeneratorConfig
    use_moving_averages: bool
    dtype: Any
    axis_name: str | None = None
    operations: Operations = PLAIN

    @nn.compact
    def __call__(self, x: jax.Array, keys: jax.Array | None) -> jax.Array:
        # Of the blocks, the transposed layers and the last a backend may be slow at the gradients.
        c, quick, ends = self.config, self.operations.convolution, self.operations.ends
        reflect, clear = self.operations.reflect_pad, self.operations.clear
        # TensorFlow's 'SAME' at stride 2 and even sizes has nothing above and to the left.
        down_padding = 1 if c.downsample == "symmetric" else (0, 1)

        def norm_relu(y: jax.Array) -> jax.Array:
            return nn.relu(norm(y))

        def norm(y: jax.Array) -> jax.Array:
            return Norm(
                c.norm, c.norm_epsilon, c.norm_momentum, self.use_moving_averages, self.dtype,
                self.axis_name, c.init, self.operations,
            )(y)  # fmt: skip

        def layer(features: int, size: int, name: str, **options: Any) -> nn.Conv:
            return conv(features, size, self.dtype, draw=c.init, name=name, **options)

        y = norm_relu(layer(c.width, 7, "head", convolution=ends)(reflect(x, 3)))
        for i, factor in enumerate((2, 4)):
            down = layer(factor * c.width, 3, f"down_{i}", stride=2, padding=down_padding)
            y = norm_relu(down(clear(y)))

        def block(module: nn.Module, y: jax.Array, keys: jax.Array | None, i: int) -> jax.Array:
            del module  # the layers find it by themselves
            z = norm_relu(layer(4 * c.width, 3, f"block_{i}_a", convolution=quick)(reflect(y, 1)))
            z = sample_dropout(z, keys, c.dropout, layer=i)
            if c.block_convolutions == 2:
                z = norm(layer(4 * c.width, 3, f"block_{i}_b", convolution=quick)(reflect(z, 1)))
            return y + z

        if self.operations.remat:
            block = nn.remat(block, static_argnums=(3,))
        for i in range(c.blocks):
            y = block(self, y, keys, i)
        for i, factor in enumerate((2, 1)):
            up = Upsample(
                factor * c.width, c.upsample, self.dtype, c.init, self.operations, name=f"up_{i}"
            )
            y = norm_relu(up(y))
        tail = layer(3, 7, "tail", convolution=ends or quick)
        return tail(reflect(y, 3)).astype(jnp.float32)
