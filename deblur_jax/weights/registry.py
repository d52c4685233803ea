"""One file of weights: a generator's parameters, its shape and its card, in safetensors.

A file says everything that restoring needs: the header holds the generator's configuration and a
card (data, licences, command, scores); the body holds the parameters in half precision. Shipped
files lie beside this module under `shipped/` and are verified against their hash on load.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_bytes
from safetensors.numpy import save as save_bytes

from deblur_jax.atomic import atomic_write, reason
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import GeneratorConfig, init_generator
from deblur_jax.models.generator import init_stats

FORMAT = "deblur_jax/1"
SHIPPED = Path(__file__).parent / "shipped"
HASHES = SHIPPED / "sha256.json"
# What taking a file apart can raise where it is damaged, of another kind or of another make.
_UNREADABLE = (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError)


class Weights(NamedTuple):
    """A generator that can be applied.

    Attributes:
      name: the shipped name, the file's stem, or the folder of the run.
      sha256: of the file; of the parameters' bytes where there is no file.
      config: the generator's shape.
      params: nested dict of float32 arrays.
      batch_stats: a batch norm's moving averages, or {}.
      card: what the file says of itself; values are JSON.
    """

    name: str
    sha256: str
    config: GeneratorConfig
    params: Any
    batch_stats: Any
    card: dict[str, Any]


def names() -> list[str]:
    """Names of the weights that ship with this package."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def load(name_or_path: str | Path = "default") -> Weights:
    """Loads weights.

    Args:
      name_or_path: a shipped name, a `.safetensors` file, or the workdir of a training run (its
        latest checkpoint; the averaged weights where the run keeps them).

    Raises:
      UserError: nothing is there, or what is there cannot be read or is not what it says.
    """
    text = str(name_or_path)
    if text in names():
        return _load_shipped(text)
    # An os.path test says no where Path's raises, say for a name that is too long.
    place = os.path.expanduser(text)  # noqa: PTH111
    path = Path(place)
    if os.path.isfile(place):  # noqa: PTH113
        return _load_file(path, path.stem)
    if os.path.isdir(place):  # noqa: PTH112
        from deblur_jax.weights.workdir import load_workdir  # Orbax takes a second to import

        return load_workdir(path)
    shipped = ", ".join(names()) or "none"
    raise UserError(
        f"no weights at {text!r}: not a file, not a workdir, not a shipped name ({shipped})"
    )


def save(
    path: str | Path,
    config: GeneratorConfig,
    params: Any,
    *,
    batch_stats: Any | None = None,
    card: dict[str, Any] | None = None,
    dtype: Any = np.float16,
) -> str:
    """Writes weights to one file, which appears only when it is complete.

    The same weights and card give the same bytes.

    Args:
      path: the file; its folder is made if it is not there.
      config: the generator's shape.
      params: its parameters.
      batch_stats: a batch norm's moving averages; kept in float32, as a variance can be too large
        for half precision.
      card: what the file shall say of itself, as JSON.
      dtype: that `params` are kept in.

    Returns:
      The file's sha256 in hexadecimal digits.

    Raises:
      UserError: the file cannot be written, or `dtype` cannot hold a parameter.
    """
    tensors = _cast({"params": params}, dtype) | _cast({"batch_stats": batch_stats or {}})
    header = {
        "format": FORMAT,
        "generator": json.dumps(config.to_dict(), sort_keys=True),
        "card": json.dumps(card or {}, sort_keys=True),
    }
    data = _in_order(save_bytes(tensors, metadata=header))
    with atomic_write(path) as stream:
        stream.write(data)
    return hashlib.sha256(data).hexdigest()


def _cast(tree: Any, dtype: Any = np.float32) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}
    for name, value in _flatten(tree).items():
        with np.errstate(over="ignore"):
            tensors[name] = np.ascontiguousarray(np.asarray(value).astype(dtype))
        if not np.isfinite(tensors[name]).all():
            raise UserError(
                f"the tensor {name} has values that {np.dtype(dtype)} cannot hold, or not finite"
            )
    return tensors


def _load_shipped(name: str) -> Weights:
    weights = _load_file(SHIPPED / f"{name}.safetensors", name)
    try:
        expected = str(json.loads(HASHES.read_text())[name])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{HASHES} has no hash of the shipped weights {name!r}") from error
    if weights.sha256 != expected:
        raise UserError(
            f"the shipped weights {name!r} are damaged: their sha256 is {weights.sha256[:12]}…, "
            f"it should be {expected[:12]}…"
        )
    return weights


def _load_file(path: Path, name: str) -> Weights:
    try:
        data = path.read_bytes()
        header = _header(data)
        if header.get("format") != FORMAT:
            raise UserError(f"{path} holds no weights of a generator of this package")
        config = GeneratorConfig.from_dict(json.loads(header["generator"]))
        card = json.loads(header["card"])
        trees = _unflatten(load_bytes(data))
    except UsageError as error:  # of the configuration, which does not know the file
        raise UserError(f"cannot read weights from {path}: {error}") from error
    except _UNREADABLE as error:
        raise UserError(f"cannot read weights from {path}: {reason(error)}") from error
    params, batch_stats = trees.get("params", {}), trees.get("batch_stats", {})
    check_shapes(params, config, str(path))
    if batch_stats:
        _check_tree(batch_stats, init_stats(config), str(path))
    return Weights(name, hashlib.sha256(data).hexdigest(), config, params, batch_stats, card)


def check_shapes(params: Any, config: GeneratorConfig, source: str) -> None:
    """Raises a UserError that names the first tensor of `params` that does not fit `config`."""
    shapes = jax.eval_shape(lambda: init_generator(jax.random.key(0), config))
    _check_tree(params, shapes, source)


def _check_tree(tree: Any, shapes: Any, source: str) -> None:
    wanted, found = _flatten(shapes), _flatten(tree)
    for name in sorted(set(wanted) | set(found)):
        if name not in found:
            raise UserError(f"{source} lacks the tensor {name} of its generator")
        if name not in wanted:
            raise UserError(f"{source} has a tensor {name} that its generator does not")
        if wanted[name].shape != found[name].shape:
            raise UserError(
                f"{source}: the tensor {name} has shape {found[name].shape}, "
                f"its generator wants {wanted[name].shape}"
            )


def _in_order(data: bytes) -> bytes:
    """The file with its header sorted: safetensors writes its words in an order of chance."""
    size = int.from_bytes(data[:8], "little")
    words = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":"))
    header = words.encode()
    header += b" " * (-len(header) % 8)  # the format wants the body aligned
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def _header(data: bytes) -> dict[str, str]:
    """A file's own words: 8 bytes of length, little-endian, then that much JSON."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 + size:
        raise ValueError("the file is cut off, or not in safetensors format")
    return json.loads(data[8 : 8 + size]).get("__metadata__", {})


def _flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat.update(_flatten(value, f"{prefix}/{name}" if prefix else name))
    return flat


def _unflatten(tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in tensors.items():
        *parents, leaf = name.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value.astype(np.float32)
    return tree
