"""The generator of DeblurGAN's Keras port in Keras, written from its description.

Batch norms with Keras' defaults, 'same' padding at the strided convolutions, (x + tanh) / 2, and
two kinds of doubling: nearest pixels with a convolution, or transposed convolutions.
"""

from typing import Any

import keras
import numpy as np
from keras import layers


class ReflectionPadding(layers.Layer):
    """Pads height and width by reflection without repeating the border."""

    def __init__(self, pad: int, **options: Any) -> None:
        super().__init__(**options)
        self.pad = pad

    def call(self, x: Any) -> Any:
        pads = [[0, 0], [self.pad, self.pad], [self.pad, self.pad], [0, 0]]
        return keras.ops.pad(x, pads, mode="reflect")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"pad": self.pad}


def generator(width: int = 64, blocks: int = 9, upsample: str = "resize_conv_same") -> keras.Model:
    """A model of `[B, H, W, 3]` in [-1, 1], H and W multiples of four."""

    def norm_relu(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    x = inputs = keras.Input((None, None, 3))
    x = norm_relu(layers.Conv2D(width, 7)(ReflectionPadding(3)(x)))
    for factor in (2, 4):
        x = norm_relu(layers.Conv2D(factor * width, 3, strides=2, padding="same")(x))
    for _ in range(blocks):
        y = norm_relu(layers.Conv2D(4 * width, 3)(ReflectionPadding(1)(x)))
        y = layers.Conv2D(4 * width, 3)(ReflectionPadding(1)(layers.Dropout(0.5)(y)))
        x = layers.Add()([x, layers.BatchNormalization()(y)])
    for factor in (2, 1):
        if upsample == "transpose_same":
            x = layers.Conv2DTranspose(factor * width, 3, strides=2, padding="same")(x)
        else:
            x = layers.UpSampling2D(2, interpolation="nearest")(x)
            x = layers.Conv2D(factor * width, 3, padding="same")(x)
        x = norm_relu(x)
    x = layers.Conv2D(3, 7)(ReflectionPadding(3)(x))
    x = layers.Add()([inputs, layers.Activation("tanh")(x)])
    return keras.Model(inputs, layers.Rescaling(0.5)(x))


def randomise(model: keras.Model, rng: np.random.Generator) -> None:
    """Draws all weights and moving averages by numpy, every one at work."""
    for layer in model.layers:
        drawn = []
        inputs = 3 if isinstance(layer, layers.Conv2DTranspose) else 2  # axis of a kernel
        for weight in layer.weights:
            shape, name = tuple(weight.shape), weight.name.split("/")[-1]
            if name == "kernel":
                # Moving averages do not renormalise what is drawn: with less the signal keeps
                # its size over the nine blocks, and tanh is not saturated.
                value = 0.6 * rng.standard_normal(shape)
                value /= np.sqrt(np.prod(shape[:2]) * shape[inputs])
            elif name in ("gamma", "moving_variance"):
                value = rng.uniform(0.5, 2.0, shape)
            else:
                value = 0.3 * rng.standard_normal(shape)
            drawn.append(value.astype(np.float32))
        layer.set_weights(drawn)


def weights_by_name(model: keras.Model) -> dict[str, np.ndarray]:
    """Weights in the network's order under the names that Keras 2 gives: `conv2d_1/kernel:0`, …"""
    named: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    kinds = {
        "Conv2D": "conv2d",
        "Conv2DTranspose": "conv2d_transpose",
        "BatchNormalization": "batch_normalization",
    }
    for layer in model.layers:
        if layer.weights:
            kind = kinds[type(layer).__name__]
            counts[kind] = counts.get(kind, 0) + 1
            for weight in layer.weights:
                name = f"{kind}_{counts[kind]}/{weight.name.split('/')[-1]}:0"
                named[name] = np.asarray(weight)
    return named
