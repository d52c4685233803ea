"""One file of weights: a generator's parameters, its shape and its card, in safetensors.

A file says everything that restoring needs: the header holds the generator's configuration and a card
(data, licences, command, scores); the body holds the parameters in half precision. Shipped files lie
beside this module under `shipped/` and are verified against their hash on load.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_bytes
from safetensors.numpy import save as save_bytes

from deblur_jax.errors import UserError
from deblur_jax.models import GeneratorConfig, init_generator

FORMAT = "deblur_jax/1"
SHIPPED = Path(__file__).parent / "shipped"
_HASHES = SHIPPED / "sha256.json"


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
        weights = _load_file(SHIPPED / f"{text}.safetensors", text)
        expected = json.loads(_HASHES.read_text()).get(text)
        if weights.sha256 != expected:
            raise UserError(
                f"the shipped weights {text!r} are damaged: their sha256 is {weights.sha256[:12]}…, "
                f"it should be {str(expected)[:12]}…"
            )
        return weights
    path = Path(text).expanduser()
    if path.is_file():
        return _load_file(path, path.stem)
    if path.is_dir():
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
    """Writes weights to one file and returns its sha256; `path` appears only when complete."""
    tensors = {
        name: np.ascontiguousarray(np.asarray(value).astype(dtype))
        for name, value in _flatten({"params": params, "batch_stats": batch_stats or {}}).items()
    }
    header = {
        "format": FORMAT,
        "generator": json.dumps(config.to_dict(), sort_keys=True),
        "card": json.dumps(card or {}, sort_keys=True),
    }
    data = save_bytes(tensors, metadata=header)
    target = Path(path)
    temporary = target.with_name(f".{target.name}.partial")
    try:
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"cannot write weights to {target}: {error.strerror}") from error
    return hashlib.sha256(data).hexdigest()


def _load_file(path: Path, name: str) -> Weights:
    try:
        data = path.read_bytes()
        tensors = load_bytes(data)
        header = _header(data)
        if header.get("format") != FORMAT:
            raise UserError(f"{path} holds no weights of a generator of this package")
        config = GeneratorConfig.from_dict(json.loads(header["generator"]))
        card = json.loads(header["card"])
    except UserError:
        raise
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"cannot read weights from {path}: {error}") from error
    trees = _unflatten(tensors)
    params, batch_stats = trees.get("params", {}), trees.get("batch_stats", {})
    check_shapes(params, config, str(path))
    return Weights(name, hashlib.sha256(data).hexdigest(), config, params, batch_stats, card)


def check_shapes(params: Any, config: GeneratorConfig, source: str) -> None:
    """Raises a UserError that names the first tensor of `params` that does not fit `config`."""
    import jax

    wanted = _flatten(jax.eval_shape(lambda: init_generator(jax.random.key(0), config)))
    found = _flatten(params)
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


def _header(data: bytes) -> dict[str, str]:
    size = int.from_bytes(data[:8], "little")
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
