"""Weights by name, by file and by run: a network's parameters, its shape and its card.

A file says everything that restoring needs: the generator's configuration and a card (data,
licences, command, scores) beside the parameters, which shipped files keep in half precision.
Shipped files lie beside this module under `shipped/` and are verified against their hash on load.
A critic's file is of the same format and says that it is one.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from deblur_jax.errors import UserError
from deblur_jax.models import CriticConfig, GeneratorConfig, init_critic, init_generator
from deblur_jax.models.generator import init_stats
from deblur_jax.weights import tensor_file

SHIPPED = Path(__file__).parent / "shipped"
HASHES = SHIPPED / "sha256.json"


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


class CriticWeights(NamedTuple):
    """A critic that can be applied; attributes as in `Weights`."""

    name: str
    sha256: str
    config: CriticConfig
    params: Any
    card: dict[str, Any]


def names() -> list[str]:
    """Names of the weights that ship with this package."""
    return sorted(_shipped())


def _shipped() -> dict[str, Path]:
    """Their files by name; none that is being written, nor what an editor leaves behind."""
    endings = (".safetensors", ".safetensors.gz")
    found = sorted(path for path in SHIPPED.glob("[!.]*") if path.name.endswith(endings))
    return {tensor_file.name_of(path): path for path in found}


def load(name_or_path: str | Path = "default") -> Weights:
    """Loads weights.

    Args:
      name_or_path: a shipped name, a `.safetensors` file (also gzipped), or the workdir of a
        training run (its latest checkpoint; the averaged weights where the run keeps them).

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
        return _load_file(path, tensor_file.name_of(path))
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
      path: the file, gzipped where it ends in `.gz`; its folder is made if it is not there.
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
    tensors = tensor_file.cast({"params": params}, dtype)
    tensors |= tensor_file.cast({"batch_stats": batch_stats or {}})
    return tensor_file.write(path, "generator", config, card or {}, tensors)


def save_critic(
    path: str | Path,
    config: CriticConfig,
    params: Any,
    *,
    card: dict[str, Any] | None = None,
    dtype: Any = np.float16,
) -> str:
    """Writes a critic to one file; arguments, result and errors as in `save`."""
    tensors = tensor_file.cast({"params": params}, dtype)
    return tensor_file.write(path, "critic", config, card or {}, tensors)


def load_critic(path: str | Path) -> CriticWeights:
    """Loads a critic.

    Args:
      path: a critic's file, or the workdir of a training run (its latest checkpoint).

    Raises:
      UserError: nothing is there, what is there is damaged or holds something else, or the run
        trains no critic.
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111
    if os.path.isdir(path):  # noqa: PTH112
        from deblur_jax.weights.workdir import load_workdir_critic

        return load_workdir_critic(path)
    held = tensor_file.read(path, "critic", CriticConfig)
    params = held.trees.get("params", {})
    shapes = jax.eval_shape(lambda: init_critic(jax.random.key(0), held.config))
    tensor_file.check_tree(params, shapes, str(path), "critic")
    return CriticWeights(tensor_file.name_of(path), held.sha256, held.config, params, held.card)


def _load_shipped(name: str) -> Weights:
    # The hash says more than the shapes, which take a third of a second to find out.
    weights = _load_file(_shipped()[name], name, check=False)
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


def _load_file(path: Path, name: str, *, check: bool = True) -> Weights:
    held = tensor_file.read(path, "generator", GeneratorConfig)
    params, batch_stats = held.trees.get("params", {}), held.trees.get("batch_stats", {})
    if check:
        check_shapes(params, held.config, str(path))
    if check and batch_stats:
        tensor_file.check_tree(batch_stats, init_stats(held.config), str(path))
    return Weights(name, held.sha256, held.config, params, batch_stats, held.card)


def check_shapes(params: Any, config: GeneratorConfig, source: str) -> None:
    """Raises a UserError that names the first tensor of `params` that does not fit `config`."""
    shapes = jax.eval_shape(lambda: init_generator(jax.random.key(0), config))
    tensor_file.check_tree(params, shapes, source)
