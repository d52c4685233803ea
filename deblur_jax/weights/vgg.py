"""Where VGG's weights come from: Keras, torchvision, a file, or, if asked for, a random draw.

Keras' and torchvision's are two different sets of ImageNet weights, trained with two different
pre-processings. What is needed of either, seven convolutions, is kept in the cache as one small
file, and verified against its hash whenever it is read.
"""

import hashlib
import json
import logging
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_bytes

from deblur_jax.atomic import atomic_write, reason
from deblur_jax.compiler import cache_folder
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import vgg
from deblur_jax.weights import torch_files

NETWORKS = ("vgg19", "vgg16")
SOURCES = ("keras", "torchvision", "random")
# sha256 of the tensors that are kept, as `digest` takes it, where it is known beforehand.
KNOWN = {
    ("keras", "vgg19"): "9967d40880df2d33fee3b2cf9fa5d07a533577f1941451b6ee48e7deca120b2f",
}
# What torchvision's file names end in: the first digits of the files' sha256.
TORCHVISION_SHA256 = {"vgg19": "dcbb9e9d", "vgg16": "397923af"}
# Where torchvision's `features` has each layer; conv3_4, which VGG16 lacks, would stand at 16.
_TORCH_INDEX = dict(zip((name for name, _ in vgg.LAYERS), (0, 2, 5, 7, 10, 12, 14), strict=True))
# What NumPy raises for a file that is missing, empty, cut off, damaged, pickled, or a lone array.
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error)

log = logging.getLogger(__name__)

Params = dict[str, dict[str, jax.Array]]
Tensors = dict[str, np.ndarray]


class _File(NamedTuple):
    """What a file holds: whose weights, of which network (None if it does not tell), and they."""

    source: str
    network: str | None
    tensors: Tensors


def load(
    network: str = "vgg19", source: str = "keras", path: str | Path = "", *, seed: int = 0
) -> Params:
    """A VGG's kernels and biases up to block3_conv3.

    Args:
      network: `vgg19` or `vgg16`.
      source: `keras` or `torchvision`, whose ImageNet weights; or `random`, a draw from `seed`.
      path: a file of them: Keras' `.h5` (with or without its top), an `.npz` with one array a name
        (`block1_conv1/kernel`, HWIO, and `block1_conv1/bias`; `/`, `_` or `.` between the words),
        torchvision's `.pth`, or a copy of the cache's file. Empty for what the cache holds or, of
        Keras, what can be fetched.
      seed: of a random draw.

    Returns:
      `{layer: {"kernel": float32[3, 3, I, O], "bias": float32[O]}}`.

    Raises:
      UsageError: a network or a source that does not exist, or a file for a random draw.
      UserError: nothing can be had, or the file is damaged, lacks a layer, or is another's.
    """
    for field, value, choices in (("vgg", network, NETWORKS), ("vgg_source", source, SOURCES)):
        if value not in choices:
            raise UsageError(f"loss.{field} is {value!r}; it can be {', '.join(choices)}")
    if source == "random":
        if path:
            raise UsageError(f"loss.vgg_source is 'random', which takes no file such as {path}")
        key = jax.random.key(seed)
        # Two networks of one seed are two draws, as the two files would be.
        return vgg.init_random(key if network == "vgg19" else jax.random.fold_in(key, 16))
    if path:
        return _as_params(_of_file(Path(path).expanduser(), network, source))
    tensors = _cached(network, source)
    if tensors is None:
        tensors = _fetched(network, source)
        if digest(tensors) != KNOWN.get((source, network), digest(tensors)):
            raise UserError(
                f"what Keras gave as {network.upper()} has another sha256 than it is known by: "
                "give a file by loss.vgg_weights"
            )
        _keep(network, source, tensors)
    return _as_params(tensors)


def digest(tensors: Tensors) -> str:
    """sha256 of a VGG's kernels and biases, in the layers' order, as little-endian float32."""
    hashed = hashlib.sha256()
    for name in _names():
        hashed.update(np.ascontiguousarray(tensors[name], "<f4").tobytes())
    return hashed.hexdigest()


def cache_file(network: str, source: str) -> Path | None:
    """The small file that the cache keeps; None where there is no cache."""
    folder = cache_folder()
    return folder / "vgg" / f"{network}_{source}.safetensors" if folder else None


def _names() -> Iterator[str]:
    return (f"{layer}/{kind}" for layer, _ in vgg.LAYERS for kind in ("kernel", "bias"))


def _as_params(tensors: Tensors) -> Params:
    return {
        layer: {kind: jnp.asarray(tensors[f"{layer}/{kind}"]) for kind in ("kernel", "bias")}
        for layer, _ in vgg.LAYERS
    }


def _of_file(path: Path, network: str, source: str) -> Tensors:
    readers = {
        ".h5": _read_h5, ".hdf5": _read_h5, ".pth": _read_pth, ".pt": _read_pth,
        ".safetensors": _read_kept,
    }  # fmt: skip
    found = readers.get(path.suffix.lower(), _read_npz)(path)
    if found.source != source:
        raise UserError(
            f"{path} holds weights of {found.source}, and loss.vgg_source is "
            f"{source!r}: give the other file, or set the source to {found.source!r}"
        )
    if found.network not in (None, network):
        raise UserError(
            f"{path} holds {str(found.network).upper()}, and loss.vgg is {network!r}: give "
            "the other file, or set the network"
        )
    for layer, shape in vgg.kernel_shapes().items():
        _check(found.tensors, path, network, layer, "kernel", shape)
        _check(found.tensors, path, network, layer, "bias", shape[-1:])
    known = KNOWN.get((source, network))
    if known and digest(found.tensors) != known:
        log.warning(
            "%s is not the ImageNet %s that %s ships, but holds other weights (sha256 %s…)",
            path, network.upper(), source, digest(found.tensors)[:12],
        )  # fmt: skip
    elif _cached(network, source) is None and (known or _is_torchvision(path, network)):
        _keep(network, source, found.tensors)  # the next run needs no path
    return found.tensors


def _check(
    tensors: Tensors, path: Path, network: str, layer: str, kind: str, shape: tuple[int, ...]
) -> None:
    found = tensors.get(f"{layer}/{kind}")
    if found is None or found.shape != shape:
        raise UserError(f"{path} has no {kind} of shape {shape} for {network.upper()}'s {layer}")
    if not np.isfinite(found).all():
        raise UserError(f"{path}: the {kind} of {layer} has values that are not finite")


def _network_of(layers: set[str]) -> str | None:
    """Which network has these layers; None for a file that ends before the two differ."""
    if "block3_conv4" in layers:
        return "vgg19"
    return "vgg16" if "block4_conv1" in layers else None


def _read_npz(path: Path) -> _File:
    try:
        with np.load(path) as archive:
            arrays: Mapping[str, np.ndarray] = {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        raise _cannot_read(path, error) from error
    tensors: Tensors = {}
    layers = {name[:12] for name in arrays}  # as long as 'block1_conv1'
    for layer in layers:
        for kind in ("kernel", "bias"):
            for separator in "/_.":
                found = arrays.get(f"{layer}{separator}{kind}")
                if found is not None and np.issubdtype(found.dtype, np.floating):
                    tensors[f"{layer}/{kind}"] = np.asarray(found, np.float32)
    return _File("keras", _network_of(layers), tensors)


def _read_h5(path: Path) -> _File:
    """Keras' layout of any age: a group a layer, in it one kernel and one bias, however named."""
    import h5py

    tensors: Tensors = {}
    layers: set[str] = set()

    def visit(name: str, item: Any) -> None:
        layer = next((part for part in name.split("/") if part.startswith("block")), None)
        if isinstance(item, h5py.Dataset) and layer is not None and item.ndim in (1, 4):
            layers.add(layer)
            kind = "kernel" if item.ndim == 4 else "bias"
            tensors[f"{layer}/{kind}"] = np.asarray(item, np.float32)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise _cannot_read(path, error) from error
    return _File("keras", _network_of(layers), tensors)


def _read_pth(path: Path) -> _File:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _cannot_read(path, error) from error
    state = torch_files.read_state_dict(data, str(path))
    tensors: Tensors = {}
    for layer, index in _TORCH_INDEX.items():
        for kind, name in (("kernel", "weight"), ("bias", "bias")):
            value = state.get(f"features.{index}.{name}")
            if value is not None:
                array = value.float().numpy()  # a kernel is [outputs, inputs, 3, 3]
                turned = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
                tensors[f"{layer}/{kind}"] = turned
    has = {index for index in (16, 17) if f"features.{index}.weight" in state}
    return _File("torchvision", {16: "vgg19", 17: "vgg16"}.get(min(has, default=0)), tensors)


def _is_torchvision(path: Path, network: str) -> bool:
    if path.suffix.lower() not in (".pth", ".pt"):
        return False
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return found.startswith(TORCHVISION_SHA256[network])


def _cannot_read(path: Path, error: Exception) -> UserError:
    return UserError(
        f"cannot read VGG's weights from {path}: {reason(error)}; give Keras' .h5, an .npz of "
        "its layers, or torchvision's .pth by loss.vgg_weights"
    )


def _fetched(network: str, source: str) -> Tensors:
    """Keras' weights through `keras.applications`, which checks the file that it downloads."""
    name = network.upper()
    if source != "keras":
        raise UserError(
            f"no {name} of torchvision is at hand: give its file, "
            f"{network}-{TORCHVISION_SHA256[network]}.pth, by loss.vgg_weights, or take Keras' by "
            "loss.vgg_source='keras'"
        )
    advice = (
        f"give a file by loss.vgg_weights: {network}_weights_tf_dim_ordering_tf_kernels_notop.h5 "
        "of Keras, or an .npz of its layers"
    )
    try:
        from keras import applications
    except ImportError as error:
        raise UserError(
            f"no {name} of Keras is at hand, and Keras is not installed: {advice}"
        ) from error
    build = getattr(applications, name)
    try:
        model = build(weights="imagenet", include_top=False, input_shape=(32, 32, 3))
    except Exception as error:  # whatever a download or a damaged file raises
        cause = re.sub(r"https?://\S+", "its host", reason(error))[:160]
        raise UserError(
            f"no {name} of Keras is at hand, and it cannot be fetched ({cause}): {advice}"
        ) from error
    tensors: Tensors = {}
    for layer, _ in vgg.LAYERS:
        kernel, bias = model.get_layer(layer).get_weights()
        tensors |= {f"{layer}/kernel": kernel, f"{layer}/bias": bias}
    return tensors


def _keep(network: str, source: str, tensors: Tensors) -> None:
    """Writes the small file; a cache that cannot be written costs time and no result."""
    path = cache_file(network, source)
    if path is None:
        return
    kept = {name: np.ascontiguousarray(tensors[name], np.float32) for name in _names()}
    words = {"network": network, "source": source, "sha256": digest(kept)}
    try:
        with atomic_write(path) as stream:
            stream.write(save_bytes(kept, metadata={"vgg": json.dumps(words)}))
    except (OSError, UserError):
        return


def _cached(network: str, source: str) -> Tensors | None:
    """The kept tensors, if they are there and are what they were."""
    path = cache_file(network, source)
    if path is None or not path.is_file():
        return None
    try:
        found = _read_kept(path)
    except UserError:  # fetched anew
        return None
    return found.tensors if (found.source, found.network) == (source, network) else None


def _read_kept(path: Path) -> _File:
    try:
        with safe_open(path, framework="numpy") as file:
            words = json.loads(file.metadata()["vgg"])
            tensors = {name: file.get_tensor(name) for name in _names()}
            found = _File(words["source"], words["network"], tensors)
            wanted = KNOWN.get((found.source, words["network"]), str(words["sha256"]))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _cannot_read(path, error) from error
    if digest(tensors) != wanted:
        raise UserError(f"{path} is damaged: its sha256 is not {wanted[:12]}…")
    return found
