"""VGG's features up to block3_conv3, for the perceptual loss; VGG19 and VGG16 are alike that far.

Source: Simonyan and Zisserman (arXiv 1409.1556), configurations D and E. Where weights come from
is `deblur_jax.weights.vgg`'s matter.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

# (name, convolutions, channels) of the blocks in front of the tap; max-pooling stands between.
_BLOCKS = (("block1", 2, 64), ("block2", 2, 128), ("block3", 3, 256))
LAYERS = tuple(
    (f"{block}_conv{i + 1}", channels) for block, count, channels in _BLOCKS for i in range(count)
)
TAPS = ("relu3_3", "conv3_3")
PREPROCESSINGS = ("caffe", "torch", "none")
_MEAN_BGR = (103.939, 116.779, 123.68)  # Keras, imagenet_utils.py, mode 'caffe'
# Of RGB in [0, 1]: torchvision's documentation of its ImageNet weights.
_MEAN_RGB, _SPREAD_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    """The shape of each layer's kernel, [3, 3, inputs, outputs], in their order."""
    shapes, inputs = {}, 3
    for layer, channels in LAYERS:
        shapes[layer] = (3, 3, inputs, channels)
        inputs = channels
    return shapes


def init_random(key: jax.Array) -> dict[str, dict[str, jax.Array]]:
    """A VGG that saw no picture: Glorot-uniform kernels and biases of zero, as Keras draws them.

    The Columbia report's code most likely trained with such a network: its session initialised all
    variables after the ImageNet weights had been loaded into another one.

    Args:
      key: a typed PRNG key.

    Returns:
      `{layer: {"kernel": float32[3, 3, I, O], "bias": float32[O]}}`.
    """
    draw = nn.initializers.glorot_uniform()
    shapes = kernel_shapes()
    keys = jax.random.split(key, len(shapes))
    return {
        layer: {"kernel": draw(k, shape, jnp.float32), "bias": jnp.zeros(shape[-1])}
        for k, (layer, shape) in zip(keys, shapes.items(), strict=True)
    }


def preprocess(x: jax.Array, kind: str = "caffe") -> jax.Array:
    """Pictures as a set of weights wants them.

    Args:
      x: float32[B, H, W, 3] RGB in [-1, 1].
      kind: `caffe` is BGR in [0, 255] minus the mean colour, what Keras' weights were trained on;
        `torch` is RGB in [0, 1], standardised per channel, what torchvision's were; `none` leaves
        the pictures as they are (the authors' code and the Columbia report's).

    Returns:
      float32[B, H, W, 3].
    """
    if kind == "caffe":
        return (x[..., ::-1] + 1.0) * 127.5 - jnp.asarray(_MEAN_BGR, jnp.float32)
    if kind == "torch":
        mean, spread = jnp.asarray(_MEAN_RGB), jnp.asarray(_SPREAD_RGB)
        return ((x + 1.0) / 2 - mean) / spread
    if kind != "none":
        raise ValueError(f"preprocessing is {kind!r}; it can be {', '.join(PREPROCESSINGS)}")
    return x


def apply(
    params: Any,
    x: jax.Array,
    *,
    tap: str = "relu3_3",
    preprocessing: str = "caffe",
    dtype: Any = jnp.float32,
) -> jax.Array:
    """The activations of block3_conv3.

    Args:
      params: from `init_random` or `weights.vgg.load`.
      x: float32[B, H, W, 3] RGB in [-1, 1].
      tap: `relu3_3` after the ReLU (the paper; Keras' block3_conv3), `conv3_3` before it (the
        authors' code: torchvision's features[14]).
      preprocessing: a kind of `preprocess`.
      dtype: of the convolutions.

    Returns:
      float32[B, H // 4, W // 4, 256].
    """
    if tap not in TAPS:
        raise ValueError(f"tap is {tap!r}; it can be {', '.join(TAPS)}")
    y = preprocess(x, preprocessing).astype(dtype)
    last = LAYERS[-1][0]
    for layer, _ in LAYERS:
        if layer in ("block2_conv1", "block3_conv1"):
            y = _max_pool(y)
        kernel, bias = params[layer]["kernel"].astype(dtype), params[layer]["bias"].astype(dtype)
        y = bias + jax.lax.conv_general_dilated(
            y, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        if layer != last or tap == "relu3_3":
            y = jax.nn.relu(y)
    return y.astype(jnp.float32)


def _max_pool(y: jax.Array) -> jax.Array:
    batch, height, width, channels = y.shape
    y = y[:, : height // 2 * 2, : width // 2 * 2]
    return y.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
