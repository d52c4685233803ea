"""DeblurGAN's critic: a patch network of five 4x4 convolutions.

Source: DeblurGAN (arXiv 1711.07064), section 3.2, and the authors' code at dd9e940,
models/networks.py (NLayerDiscriminator with three layers): zero padding of 2 everywhere, strides 2,
2, 2, 1, 1, LeakyReLU 0.2, a norm on the second to the fourth convolution, and no sigmoid. It does
not see the blurred picture. A 256x256 picture gives a map of 35x35 scores.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from deblur_jax.models.config import CriticConfig
from deblur_jax.models.layers import PLAIN, Norm, Operations, conv

SLOPE = 0.2  # LeakyReLU's, for negative values


class _Critic(nn.Module):
    config: CriticConfig
    dtype: Any
    axis_name: str | None = None
    operations: Operations = PLAIN

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        c = self.config
        layers = ((1, 2, "none"), (2, 2, c.norm), (4, 2, c.norm), (8, 1, c.norm))

        def layer(features: int, name: str, stride: int = 1) -> nn.Conv:
            return conv(
                features, 4, self.dtype, stride=stride, padding=2, draw=c.init,
                convolution=self.operations.convolution, name=name,
            )  # fmt: skip

        for i, (factor, stride, norm) in enumerate(layers):
            x = layer(factor * c.width, f"conv_{i}", stride)(x)
            x = Norm(
                norm,
                c.norm_epsilon,
                c.norm_momentum,
                False,
                self.dtype,
                self.axis_name,
                c.init,
                self.operations,
            )(x)
            x = nn.leaky_relu(x, SLOPE)
        if c.last_convolution:
            x = layer(1, "score")(x)
        return x.astype(jnp.promote_types(self.dtype, jnp.float32))


def init(key: jax.Array, config: CriticConfig) -> Any:
    """Draws a critic's parameters: 2,764,737 float32 numbers in the paper's shape."""
    return _Critic(config, jnp.float32).init(key, jnp.zeros((1, 32, 32, 3)))["params"]


def apply(
    params: Any,
    x: jax.Array,
    config: CriticConfig,
    *,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
    operations: Operations = PLAIN,
) -> jax.Array:
    """Scores pictures; higher is sharper.

    A batch norm always takes the batch's own statistics: a critic is never used but in training.

    Args:
      params: from `init`.
      x: float32[B, H, W, 3] in [-1, 1], H and W at least 16.
      config: the shape that `params` were drawn with.
      dtype: of the convolutions; norms' statistics and the scores have float32's precision at
        least.
      axis_name: a mapped axis over which a batch norm averages its statistics.
      operations: what it is computed with.

    Returns:
      Scores of patches, float32[B, h, w, 1], unbounded; without the last convolution
      float32[B, h, w, 8 width].
    """
    variables: dict[str, Any] = {"params": params}
    if config.norm == "batch":
        # Linen wants the averages to exist; what it makes of them is thrown away.
        shapes = jax.eval_shape(
            lambda: _Critic(config, jnp.float32).init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
        )
        variables["batch_stats"] = jax.tree.map(lambda s: jnp.zeros(s.shape), shapes["batch_stats"])
    module = _Critic(config, dtype, axis_name, operations)
    scores, _ = module.apply(variables, x, mutable=["batch_stats"])
    return scores
