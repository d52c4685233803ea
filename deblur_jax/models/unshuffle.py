"""A light generator that works at a quarter and an eighth of the resolution.

The picture's 4x4 neighbourhoods become channels (the inverse of sub-pixel convolution, Shi et al.,
arXiv 1609.05158), so that 3x3 convolutions see far at little cost; residual blocks are those of
EDSR (arXiv 1707.02921), without any normalisation, so the result at a pixel depends only on its
neighbourhood: tiles are exact, and bfloat16 is safe. With width 64 and 5 blocks it has 1.9 M
parameters.
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
    sample_dropout,
    space_to_depth,
)

OUTER_BLOCKS = 2  # residual blocks at a quarter of the resolution, before and after the inner ones
# He's variance keeps activations alive without a norm; each block's last kernel starts small, so
# that a deep stack starts near the identity.
HE = nn.initializers.he_normal()
SMALL = nn.initializers.variance_scaling(0.01, "fan_in", "truncated_normal")


def size_multiple(_config: GeneratorConfig) -> int:
    """Sides must be multiples of this many pixels: the inner blocks work at an eighth of them."""
    return 8


minimum_size = size_multiple


class Unshuffle(nn.Module):
    """The network without its output mode: `[B, H, W, 3]` to the residual of the same shape."""

    config: GeneratorConfig
    use_moving_averages: bool  # unused: no normalisation
    dtype: Any
    axis_name: str | None = None
    operations: Operations = PLAIN  # of them only `clear`

    @nn.compact
    def __call__(self, x: jax.Array, keys: jax.Array | None) -> jax.Array:
        c, clear = self.config, self.operations.clear

        def block(y: jax.Array, name: str, layer: int) -> jax.Array:
            features = y.shape[-1]
            first = conv(features, 3, self.dtype, padding=1, kernel_init=HE, name=f"{name}_a")
            second = conv(features, 3, self.dtype, padding=1, kernel_init=SMALL, name=f"{name}_b")
            z = sample_dropout(nn.relu(first(clear(y))), keys, c.dropout, layer)
            return y + second(clear(z))

        y = space_to_depth(x, 4)
        y = conv(c.width, 3, self.dtype, padding=1, kernel_init=HE, name="head")(clear(y))
        for i in range(OUTER_BLOCKS):
            y = block(y, f"before_{i}", i)
        skip = y
        down = conv(2 * c.width, 3, self.dtype, stride=2, padding=1, kernel_init=HE, name="down")
        y = down(clear(y))
        for i in range(c.blocks):
            y = block(y, f"inner_{i}", OUTER_BLOCKS + i)
        y = conv(4 * c.width, 1, self.dtype, kernel_init=HE, name="up")(y)
        y = skip + depth_to_space(y, 2)
        for i in range(OUTER_BLOCKS):
            y = block(y, f"after_{i}", OUTER_BLOCKS + c.blocks + i)
        # Zeros: an untrained network returns its input.
        tail = conv(48, 3, self.dtype, padding=1, kernel_init=nn.initializers.zeros, name="tail")
        return depth_to_space(tail(clear(y)), 4).astype(jnp.float32)
