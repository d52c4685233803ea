"""A network read from another project's file, and what every such reader checks."""

from typing import Any, NamedTuple

import numpy as np

from deblur_jax.errors import UserError
from deblur_jax.models import CriticConfig, GeneratorConfig


class Imported(NamedTuple):
    """A network in this package's terms.

    Attributes:
      config: its shape; of a generator or of a critic.
      params: nested dict of float32 arrays, as the network's `init` gives it.
      batch_stats: a batch norm's moving averages, or {}.
      layout: what the file was, in words.
    """

    config: GeneratorConfig | CriticConfig
    params: dict[str, Any]
    batch_stats: dict[str, Any]
    layout: str


def as_float32(value: Any, key: str, source: str) -> np.ndarray:
    """An array of real numbers, half or double precision included, as float32.

    Raises:
      UserError: names `key` where it holds other things, or values that are not finite.
    """
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise UserError(f"{source}: the key {key} holds {array.dtype}, not real numbers")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(f"{source}: the key {key} has values that are not finite in float32")
    return array


def put(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Sets a leaf of a nested dict and makes the branches on the way."""
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value
