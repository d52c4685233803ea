"""DeblurGAN in JAX and Flax: restores blurred photographs, and trains what restores them.

import deblur_jax
restorer = deblur_jax.load("default")
sharp = restorer(image)  # uint8[H, W, 3] -> uint8[H, W, 3]
"""

from typing import TYPE_CHECKING

from deblur_jax.version import __version__

if TYPE_CHECKING:
    from deblur_jax.restore.restorer import Restorer

__all__ = ["__version__", "load"]


def load(
    name_or_path: str = "default",
    *,
    precision: str = "float32",
    tile: str | int = "auto",
    max_memory: str | int | None = None,
    self_ensemble: int = 1,
) -> "Restorer":
    """Loads weights, ready to restore pictures.

    Args:
      name_or_path: a shipped name, a weights file, or the workdir of a training run.
      precision: of the convolutions, `float32` or `bfloat16`.
      tile: side of tiles in pixels, `none` for whole pictures, `auto` to decide by size.
      max_memory: what `auto` may take for a picture, in bytes or as `4G`; None goes by what is
        free.
      self_ensemble: 8 restores a picture in eight versions, mirrored and turned, and takes their
        mean: better by a little, in eight times the time. 2 and 4 stand between.

    Returns:
      A callable, uint8[H, W, 3] RGB to the same, any H and W; its `batch` takes several.

    Raises:
      deblur_jax.errors.UserError: there are no such weights, they are damaged, or an option
        that does not exist.
    """
    from deblur_jax.restore.restorer import Restorer
    from deblur_jax.weights import registry

    weights = registry.load(name_or_path)
    return Restorer(
        weights,
        precision=precision,
        tile=tile,
        max_memory=max_memory,
        self_ensemble=self_ensemble,
    )
