"""A generator as one file that JAX alone can run: `jax.export`'s artifact, free in its sizes.

What a picture goes through on its way (scaling, padding by reflection, the network, cutting back,
rounding) is all within the file, so that whoever calls it needs nothing of this package. It is
the plain network: the quicker formulations of `fast` are written for sizes that are known.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.core
import jax.export
import jax.numpy as jnp
import numpy as np

from deblur_jax import models
from deblur_jax.atomic import atomic_write, refuse_unwritable
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models.layers import PLAIN
from deblur_jax.restore.network import PRECISIONS
from deblur_jax.weights.registry import Weights

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")  # what jax.export can lower for, wherever it runs
COMMON_PLATFORMS = ("cpu", "cuda", "tpu")
# Type of the pictures and the value that is white: as `Restorer` and `Restorer.restore_unit`.
PEAKS = {"uint8": 255, "float32": 1}
MEGABYTE = 1e6


def export(
    weights: Weights,
    path: str | os.PathLike[str],
    *,
    values: str = "uint8",
    precision: str = "float32",
    platforms: Sequence[str] = COMMON_PLATFORMS,
) -> str:
    """Writes a generator with its weights to one file, which appears only when it is complete.

    The file's function takes blurred pictures [B, H, W, 3] of any B, H and W from 1 on and returns
    the restored ones of the same shape and type. It cannot be differentiated (`vjp_order` 0).

    Args:
      weights: from `weights.registry.load`.
      path: the file; its folder is made if it is not there.
      values: 'uint8', 0 to 255 and rounded to the nearest; or 'float32', 0 to 1 and cut to that.
      precision: of the convolutions, 'float32' or 'bfloat16'; norms and output stay float32.
      platforms: what it can run on, of `PLATFORMS`; none of them has to be at hand.

    Returns:
      What was written, in a line.

    Raises:
      UsageError: values, a precision or a platform that does not exist.
      UserError: the file cannot be written, or flatbuffers, which JAX writes it with, is missing.
    """
    _refuse_unknown("values are", [values], PEAKS)
    _refuse_unknown("precision is", [precision], PRECISIONS)
    _refuse_unknown("platform is", platforms, PLATFORMS)
    if not platforms:
        raise UsageError(f"no platform to export for; it can be {', '.join(PLATFORMS)}")
    refuse_unwritable(path)
    data = serialise(
        weights, values=values, dtype=PRECISIONS[precision], platforms=tuple(platforms)
    )
    with atomic_write(path) as stream:
        stream.write(data)
    return (
        f"{Path(path)}: {weights.name}, {values}[B, H, W, 3], for {', '.join(platforms)}, "
        f"{len(data) / MEGABYTE:.1f} MB, runs on jax {jax.__version__} and what follows within six "
        f"months, sha256 {hashlib.sha256(data).hexdigest()}"
    )


def serialise(
    weights: Weights, *, values: str, dtype: Any, platforms: tuple[str, ...]
) -> bytearray:
    """The file's bytes; arguments as in `export`, `dtype` in place of its name."""
    shape = (*jax.export.symbolic_shape("b, h, w"), 3)
    function = jax.jit(restoration(weights, values=values, dtype=dtype))
    argument = jax.ShapeDtypeStruct(shape, values)
    try:
        with _nameless_places():
            return jax.export.export(function, platforms=platforms)(argument).serialize()
    except ImportError as error:
        raise UserError("exporting needs flatbuffers: pip install flatbuffers") from error


@contextlib.contextmanager
def _nameless_places() -> Iterator[None]:
    """Programs traced within do not tell which file and line each operation is from.

    A file that is handed on should not hold the paths of the machine that it was made on; and so
    the same weights give the same bytes, whoever calls.
    """
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)


def restoration(
    weights: Weights, *, values: str = "uint8", dtype: Any = jnp.float32
) -> Callable[[jax.Array], jax.Array]:
    """A function of pictures alone, with the weights within it, whose sizes may be symbolic.

    Args:
      weights: a generator.
      values: 'uint8' or 'float32' (0 to 1), the type of its argument and result.
      dtype: of the convolutions.

    Returns:
      [B, H, W, 3] to the same; each picture as `Restorer` restores it, but for rounding.
    """
    config, peak = weights.config, PEAKS[values]
    operations = PLAIN._replace(reflect_pad=_reflect_pad)
    stored = jax.tree.map(_smallest, (weights.params, weights.batch_stats or None))

    def together(x: jax.Array) -> jax.Array:
        params, stats = jax.tree.map(lambda a: jnp.asarray(a).astype(jnp.float32), stored)
        return models.apply_generator(
            params, x, config, batch_stats=stats, dtype=dtype, operations=operations
        )

    def one_by_one(x: jax.Array) -> jax.Array:
        return jax.vmap(lambda picture: together(picture[None])[0])(x)

    # A batch norm without averages would take the statistics of all pictures together.
    own_statistics = config.norm == "batch" and not weights.batch_stats
    network = one_by_one if own_statistics else together

    def restore(pictures: jax.Array) -> jax.Array:
        height, width = pictures.shape[1:3]
        x = 2 * (pictures.astype(jnp.float32) / peak).clip(0, 1) - 1
        x = _gather(x, *(_mirrored(0, _padded(side, config), side) for side in (height, width)))
        unit = ((network(x)[:, :height, :width] + 1) / 2).clip(0, 1)
        return jnp.rint(unit * peak).astype(values) if values == "uint8" else unit

    return restore


def _padded(side: Any, config: models.GeneratorConfig) -> Any:
    """The least side that the network takes and that is not below `side`, which may be symbolic."""
    multiple, least = models.size_multiple(config), models.minimum_size(config)
    cells = (side + multiple - 1) // multiple
    return multiple * jax.core.max_dim(cells, -(-least // multiple))


def _reflect_pad(x: jax.Array, pad: int) -> jax.Array:
    """`layers.reflect_pad` for sides that may be symbolic, [B, H, W, C]."""
    return _gather(x, *(_mirrored(-pad, side + pad, side) for side in x.shape[1:3]))


def _mirrored(start: Any, stop: Any, length: Any) -> jax.Array:
    """Which of `length` lines stands at each place from `start` to `stop`: to and fro among them.

    So `np.pad` reflects, the border not repeated. All three may be symbolic.
    """
    period = jax.core.max_dim(2 * (length - 1), 1)
    forth = jnp.arange(start, stop) % period
    return jnp.minimum(forth, period - forth)


def _gather(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    return x[:, rows][:, :, columns]


def _smallest(array: Any) -> np.ndarray:
    """In half precision where that loses nothing, as with weights that ship: half the file."""
    array = np.asarray(array, np.float32)
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if (half.astype(np.float32) == array).all() else array


def _refuse_unknown(what: str, given: Sequence[str], known: Any) -> None:
    for each in given:
        if each not in known:
            raise UsageError(f"{what} {each!r}; it can be {', '.join(known)}")
