"""VGG19's features up to block3_conv3, for the perceptual loss.

Source: Simonyan and Zisserman (arXiv 1409.1556); weights as Keras ships them (`include_top=False`),
whose pre-processing is BGR in [0, 255] minus ImageNet's mean colour.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError

# (name, convolutions, channels) of the blocks in front of the tap; max-pooling stands between.
_BLOCKS = (("block1", 2, 64), ("block2", 2, 128), ("block3", 3, 256))
LAYERS = tuple(
    (f"{block}_conv{i + 1}", channels) for block, count, channels in _BLOCKS for i in range(count)
)
_MEAN_BGR = (103.939, 116.779, 123.68)  # Keras, imagenet_utils.py, mode 'caffe'
# What NumPy raises for a file that is missing, empty, cut off, damaged, pickled, or a lone array.
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error)


def load(path: str | Path) -> dict[str, dict[str, jax.Array]]:
    """Reads VGG19's kernels and biases from an `.npz` of Keras' weights.

    Args:
      path: an `.npz` with one array a name, `block1_conv1/kernel` (HWIO) and `block1_conv1/bias` up
        to block3_conv3, with `/`, `_` or `.` before the last word.

    Returns:
      `{layer: {"kernel": float32[3, 3, I, O], "bias": float32[O]}}`.

    Raises:
      UserError: the file is missing, unreadable, or lacks a layer.
    """
    try:
        with np.load(path) as archive:
            arrays: Mapping[str, np.ndarray] = {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        raise UserError(
            f"cannot read VGG19's weights from {path}: {reason(error)}; give Keras' VGG19 weights "
            "as an .npz by loss.vgg_weights"
        ) from error
    params: dict[str, dict[str, jax.Array]] = {}
    inputs = 3
    for layer, channels in LAYERS:
        params[layer] = {
            "kernel": _pick(arrays, path, layer, "kernel", (3, 3, inputs, channels)),
            "bias": _pick(arrays, path, layer, "bias", (channels,)),
        }
        inputs = channels
    return params


def _pick(
    arrays: Mapping[str, np.ndarray], path: str | Path, layer: str, kind: str, shape: tuple
) -> jax.Array:
    for separator in "/_.":
        found = arrays.get(f"{layer}{separator}{kind}")
        if found is not None and found.shape == shape:
            return jnp.asarray(found, jnp.float32)
    raise UserError(f"{path} has no {kind} of shape {shape} for VGG19's {layer}")


def preprocess(x: jax.Array) -> jax.Array:
    """float32[B, H, W, 3] RGB in [-1, 1] to BGR in [0, 255] minus the mean, as Keras trained it."""
    return (x[..., ::-1] + 1.0) * 127.5 - jnp.asarray(_MEAN_BGR, jnp.float32)


def apply(params: Any, x: jax.Array, *, dtype: Any = jnp.float32) -> jax.Array:
    """The activations of block3_conv3, after its ReLU.

    Args:
      params: from `load`.
      x: float32[B, H, W, 3] RGB in [-1, 1].
      dtype: of the convolutions.

    Returns:
      float32[B, H // 4, W // 4, 256].
    """
    y = preprocess(x).astype(dtype)
    for layer, _ in LAYERS:
        if layer in ("block2_conv1", "block3_conv1"):
            y = _max_pool(y)
        kernel, bias = params[layer]["kernel"].astype(dtype), params[layer]["bias"].astype(dtype)
        y = jax.lax.conv_general_dilated(
            y, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        y = jax.nn.relu(y + bias)
    return y.astype(jnp.float32)


def _max_pool(y: jax.Array) -> jax.Array:
    batch, height, width, channels = y.shape
    y = y[:, : height // 2 * 2, : width // 2 * 2]
    return y.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
