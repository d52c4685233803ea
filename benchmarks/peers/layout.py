"""A generator's parameters as PyTorch and ONNX lay them out, under the names of our layers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deblur_jax.weights.tensor_file import flatten

_TRANSPOSED = "/ConvTranspose_0"  # as Linen calls the layer within an upsampling


def layers(params: Any) -> dict[str, NDArray[np.float32]]:
    """From a tree of parameters to flat names, `head.weight`, `head.bias`, `up_0.weight`, ….

    Returns:
      Kernels of convolutions as [O, I, H, W]; those of transposed ones as [I, O, H, W] and turned
      by 180 degrees, as both libraries want them for the transposed product.
    """
    found = {}
    for name, value in flatten(params).items():
        layer, _, kind = name.rpartition("/")
        array = np.asarray(value, np.float32)
        if kind == "kernel":
            transposed = layer.endswith(_TRANSPOSED)
            order = (2, 3, 0, 1) if transposed else (3, 2, 0, 1)
            array = (array[::-1, ::-1] if transposed else array).transpose(order)
        key = f"{layer.removesuffix(_TRANSPOSED)}.{'weight' if kind == 'kernel' else kind}"
        found[key] = np.ascontiguousarray(array)
    return found
