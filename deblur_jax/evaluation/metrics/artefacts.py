"""The guards of training, measured on one restored picture: colour shift, clipped spots, grid.

They compare the restored picture with the blurred one that it was made of, and need no sharp twin.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax.evaluation.metrics.window import check_pair
from deblur_jax.training import guards

ARTEFACT_KEYS = ("shift_red", "shift_green", "shift_blue", "clipped", "grid")
SMALLEST = 16  # pixels a side, below which `guards.grid` finds nothing


def artefacts(restored: np.ndarray, blurred: np.ndarray) -> dict[str, float | None]:
    """What a model adds to a picture that no score tells apart.

    Args:
      restored: uint8[H, W, 3].
      blurred: uint8[H, W, 3].

    Returns:
      `shift_red`, `shift_green`, `shift_blue`: mean of restored minus blurred in grey levels;
      `clipped`: share of the values that became black or white, 0 to 1; `grid`: how far a pattern
      of 2 or 4 pixels stands out, in dB (`checkerboard.peaks`), None below 16 pixels a side.
      `training/guards.py` has the other definitions, and what real pairs show.
    """
    check_pair(restored, blurred)
    by_row, clipped, grid = _measure(restored, blurred)
    pixels = restored.shape[0] * restored.shape[1]
    shifts = (int(total) / pixels for total in np.asarray(by_row).sum(axis=0, dtype=np.int64))
    numbers = [*shifts, float(clipped), None if grid is None else float(grid)]
    return dict(zip(ARTEFACT_KEYS, numbers, strict=True))


@jax.jit
def _measure(
    restored: jax.Array, blurred: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Sums of the differences along rows, int32[H, 3]; share and grid, float32[]."""
    # The shift in integers: a mean of a million float32 values has lost its fourth digit.
    by_row = jnp.sum(restored.astype(jnp.int32) - blurred.astype(jnp.int32), axis=1)
    r, b = (picture[None] / guards.GREY_LEVELS - 1 for picture in (restored, blurred))
    clipped = guards.clipped_share(r, b)
    small = min(restored.shape[:2]) < SMALLEST
    return by_row, clipped, None if small else guards.grid(r, b)
