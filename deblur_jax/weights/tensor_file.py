"""The format of our files of weights: safetensors whose header says what the network is.

The header's words hold the format's name, the network's configuration under its kind (`generator`
or `critic`) and a card, both as JSON; the body holds trees of arrays, names joined by `/`. A file
whose name ends in `.gz` is that, gzipped: in half precision a twelfth smaller.
"""

import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_bytes
from safetensors.numpy import save as save_bytes

from deblur_jax.atomic import atomic_write, reason
from deblur_jax.errors import UsageError, UserError

FORMAT = "deblur_jax/1"
KINDS = ("generator", "critic")
# What taking a file apart can raise where it is damaged, of another kind or of another make.
_UNREADABLE = (
    OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, EOFError, zlib.error
)  # fmt: skip
_GZIP = ".gz"
_GZIPPED = b"\x1f\x8b"  # what such a file begins with


class Contents(NamedTuple):
    """What a file holds.

    Attributes:
      config: of the network, built from what the header says.
      card: what the file says of itself; values are JSON.
      trees: nested dict of float32 arrays, `params` and possibly `batch_stats`.
      sha256: of the file.
    """

    config: Any
    card: dict[str, Any]
    trees: dict[str, Any]
    sha256: str


def write(
    path: str | Path, kind: str, config: Any, card: dict[str, Any], tensors: dict[str, np.ndarray]
) -> str:
    """Writes a file, which appears only when it is complete; the same values give the same bytes.

    Args:
      path: the file, gzipped where it ends in `.gz`; its folder is made if it is not there.
      kind: `generator` or `critic`.
      config: the network's shape.
      card: what the file shall say of itself, as JSON.
      tensors: from `cast`.

    Returns:
      The file's sha256 in hexadecimal digits.

    Raises:
      UserError: the file cannot be written.
    """
    header = {
        "format": FORMAT,
        kind: json.dumps(config.to_dict(), sort_keys=True),
        "card": json.dumps(card, sort_keys=True),
    }
    data = _in_order(save_bytes(tensors, metadata=header))
    if str(path).endswith(_GZIP):
        data = gzip.compress(data, mtime=0)  # no time of day in it
    with atomic_write(path) as stream:
        stream.write(data)
    return hashlib.sha256(data).hexdigest()


def read(path: Path, kind: str, config_type: Any) -> Contents:
    """Reads a file of one kind; `config_type` is the class of its configuration.

    Raises:
      UserError: the file cannot be read, is damaged, or holds a network of the other kind.
    """
    try:
        whole = path.read_bytes()
        data = gzip.decompress(whole) if whole.startswith(_GZIPPED) else whole
        header = _header(data)
        _check_kind(path, header, kind)
        config = config_type.from_dict(json.loads(header[kind]))
        card = json.loads(header["card"])
        trees = _unflatten(load_bytes(data))
    except UsageError as error:  # of the configuration, which does not know the file
        raise UserError(f"cannot read weights from {path}: {error}") from error
    except _UNREADABLE as error:
        foreign = path.suffix.lower() in (".pth", ".h5")
        hint = "; `deblur-jax import-weights` makes a file of such ones" if foreign else ""
        raise UserError(f"cannot read weights from {path}: {reason(error)}{hint}") from error
    return Contents(config, card, trees, hashlib.sha256(whole).hexdigest())


def name_of(path: Path) -> str:
    """The file's name without what says its format."""
    return Path(path.name.removesuffix(_GZIP)).stem


def kind_of(path: Path) -> str | None:
    """`generator` or `critic`; None for what is no file of ours."""
    try:
        with path.open("rb") as stream:
            zipped = stream.read(2) == _GZIPPED
        with gzip.open(path) if zipped else path.open("rb") as stream:
            size = stream.read(8)
            header = _header(size + stream.read(min(int.from_bytes(size, "little"), 2**24)))
        return next((kind for kind in KINDS if kind in header), None)
    except _UNREADABLE:
        return None


def cast(tree: Any, dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """A tree's arrays by name in another precision.

    Raises:
      UserError: a value that `dtype` cannot hold, or one that is not finite.
    """
    tensors: dict[str, np.ndarray] = {}
    for name, value in flatten(tree).items():
        with np.errstate(over="ignore"):
            tensors[name] = np.ascontiguousarray(np.asarray(value).astype(dtype))
        if not np.isfinite(tensors[name]).all():
            raise UserError(
                f"the tensor {name} has values that {np.dtype(dtype)} cannot hold, or not finite"
            )
    return tensors


def check_tree(tree: Any, shapes: Any, source: str, kind: str = "generator") -> None:
    """Raises a UserError that names the first tensor of `tree` that does not fit `shapes`."""
    wanted, found = flatten(shapes), flatten(tree)
    for name in sorted(set(wanted) | set(found)):
        if name not in found:
            raise UserError(f"{source} lacks the tensor {name} of its {kind}")
        if name not in wanted:
            raise UserError(f"{source} has a tensor {name} that its {kind} does not")
        if wanted[name].shape != found[name].shape:
            raise UserError(
                f"{source}: the tensor {name} has shape {found[name].shape}, "
                f"its {kind} wants {wanted[name].shape}"
            )


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """A nested dict as one of leaves, names joined by `/`."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat.update(flatten(value, f"{prefix}/{name}" if prefix else name))
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


def _check_kind(path: Path, header: dict[str, str], kind: str) -> None:
    other = next((name for name in KINDS if name != kind and name in header), None)
    if header.get("format") == FORMAT and kind not in header and other:
        raise UserError(f"{path} holds a {other}, not a {kind}")
    if header.get("format") != FORMAT:
        raise UserError(f"{path} holds no weights of a {kind} of this package")


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
