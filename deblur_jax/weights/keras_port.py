"""Generators of RaphaelMeudec/deblur-gan, DeblurGAN's Keras port, out of Keras' `.h5` files.

That network (deblurgan/model.py) has batch norms, Keras' 'same' padding at the strided
convolutions, (x + tanh) / 2 at the end, and doubles by nearest pixels and a 3x3 convolution; before
August 2018 (90510a2) it had transposed convolutions in their place. A file holds layers in the
network's order, as `save_weights` writes them, or under `model_weights` where the whole model was
saved; of such a file nothing but arrays is read.
"""

import io
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError
from deblur_jax.models import GeneratorConfig
from deblur_jax.weights.imported import Imported, as_float32, put

MAGIC = b"\x89HDF\r\n\x1a\n"
# Keras' BatchNormalization: epsilon 1e-3, momentum 0.99; the port's Dropout: 0.5.
_EPSILON, _MOMENTUM = 1e-3, 0.99
_CONVOLUTION = {"kernel": "kernel", "bias": "bias"}
_NORM = {"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_variance": "var"}


class _Layer(NamedTuple):
    """A layer that has weights: its name in the file, and dataset by name such as `kernel`."""

    name: str
    weights: dict[str, Any]


class _Slot(NamedTuple):
    """A layer that the network wants: where it goes, and the shapes that its weights have."""

    path: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]


def read(data: bytes, source: str) -> Imported:
    """A generator; its width, number of blocks and kind of upsampling are the file's own.

    Args:
      data: the file's bytes.
      source: how errors shall name the file.

    Raises:
      UserError: names the first layer or weight that does not belong, does not fit or is missing.
    """
    import h5py  # half a second, which nobody else needs

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return _network(_layers(file, source), source)
    except UserError:
        raise
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(
            f"cannot read {source}: it is cut off, damaged, or not of Keras ({reason(error)[:120]})"
        ) from error


def _layers(file: Any, source: str) -> list[_Layer]:
    root = file.get("model_weights", file)
    names = _words(root, "layer_names")
    if names is None:
        raise UserError(
            f"{source} has no attribute layer_names, so that it is no .h5 of Keras 1 or 2, or of "
            "Keras 3's model.save('NAME.h5')"
        )
    layers = []
    for name in names:
        weights = {}
        for full in _words(root[name], "weight_names") or []:
            weights[full.split("/")[-1].removesuffix(":0")] = root[name][full]
        if weights:
            layers.append(_Layer(name, weights))
    return layers


def _words(group: Any, attribute: str) -> list[str] | None:
    """A list of names; Keras cuts one of more than 64 KB into parts `layer_names0`, `…1`, …"""
    parts = [attribute] if attribute in group.attrs else []
    numbered = (key for key in group.attrs if re.fullmatch(rf"{attribute}\d+", key))
    parts += sorted(numbered, key=lambda key: int(key.removeprefix(attribute)))
    if not parts:
        return None
    words = [word for part in parts for word in group.attrs[part]]
    return [word.decode() if isinstance(word, bytes) else str(word) for word in words]


def _network(layers: list[_Layer], source: str) -> Imported:
    config = _config(layers)
    params: dict[str, Any] = {}
    stats: dict[str, Any] = {}
    found = iter(layers)
    for slot in _slots(config):
        layer = next(found, None)
        if layer is None:
            raise UserError(f"{source} ends before its generator's layer {slot.path[0]}")
        for name, array in _weights_of(layer, slot, source).items():
            tree = stats if name in ("mean", "var") else params
            put(tree, (*slot.path, name), array)
    extra = next(found, None)
    if extra is not None:
        raise UserError(f"{source}: the layer {extra.name} does not belong to {_PORT}")
    up = "transposed" if config.upsample == "transpose_same" else "resize"
    return Imported(config, params, stats, f"{_PORT}, {up} convolutions")


_PORT = "the generator of the Keras port"


def _config(layers: list[_Layer]) -> GeneratorConfig:
    """The shape that the file's layers speak of; what does not fit it `_weights_of` will find."""
    kernels = [layer.weights["kernel"].shape for layer in layers if "kernel" in layer.weights]
    width = kernels[0][-1] if kernels and len(kernels[0]) == 4 and kernels[0][-1] else 64
    inside = sum(tuple(shape) == (3, 3, 4 * width, 4 * width) for shape in kernels)
    up = kernels[3 + inside] if len(kernels) > 3 + inside else ()
    transposed = tuple(up) == (3, 3, 2 * width, 4 * width)  # (.., out, in)
    return GeneratorConfig(
        width=int(width),
        blocks=(inside + 1) // 2,  # two convolutions in each
        norm="batch",
        norm_epsilon=_EPSILON,
        norm_momentum=_MOMENTUM,
        output="average",
        upsample="transpose_same" if transposed else "resize_conv_same",
        downsample="same",
        init="glorot",
    )


def _slots(config: GeneratorConfig) -> Iterator[_Slot]:
    """The network's layers with weights, in its order: each convolution and the norm behind it."""
    width, transposed = config.width, config.upsample == "transpose_same"
    up = "ConvTranspose_0" if transposed else "Conv_0"
    convolutions: list[tuple[tuple[str, ...], int, int, int]] = [
        (("head",), 7, 3, width),
        (("down_0",), 3, width, 2 * width),
        (("down_1",), 3, 2 * width, 4 * width),
    ]
    for i in range(config.blocks):
        convolutions.append(((f"block_{i}_a",), 3, 4 * width, 4 * width))
        convolutions.append(((f"block_{i}_b",), 3, 4 * width, 4 * width))
    convolutions.append((("up_0", up), 3, 4 * width, 2 * width))
    convolutions.append((("up_1", up), 3, 2 * width, width))
    for number, (path, size, inputs, outputs) in enumerate(convolutions):
        channels = (outputs, inputs) if path[-1] == "ConvTranspose_0" else (inputs, outputs)
        yield _Slot(path, {"kernel": (size, size, *channels), "bias": (outputs,)})
        yield _Slot((f"Norm_{number}", "BatchNorm_0"), dict.fromkeys(_NORM, (outputs,)))
    yield _Slot(("tail",), {"kernel": (7, 7, width, 3), "bias": (3,)})


def _weights_of(layer: _Layer, slot: _Slot, source: str) -> dict[str, np.ndarray]:
    names = _NORM if "gamma" in slot.shapes else _CONVOLUTION
    for name in layer.weights:
        if name not in names:
            raise UserError(
                f"{source}: the weight {layer.name}/{name} does not belong to {_PORT}, which has "
                f"{' and '.join(names)} here"
            )
    arrays = {}
    for name, ours in names.items():
        key = f"{layer.name}/{name}"
        if name not in layer.weights:
            raise UserError(f"{source} lacks the weight {key} of {_PORT}")
        shape = tuple(layer.weights[name].shape)
        if shape != slot.shapes[name]:
            raise UserError(
                f"{source}: the weight {key} has shape {shape}; {_PORT} has {slot.shapes[name]}"
            )
        arrays[ours] = as_float32(layer.weights[name][()], key, source)
    if slot.path[-1] == "ConvTranspose_0":
        # Keras stores (.., out, in) for the transposed product; JAX wants the kernel turned by 180
        # degrees, input channels first.
        kernel = arrays["kernel"][::-1, ::-1].transpose(0, 1, 3, 2)
        arrays["kernel"] = np.ascontiguousarray(kernel)
    return arrays
