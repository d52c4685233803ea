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
      of 2 or 4 pixels stands out, in dB, None below 16 pixels a side. `training/guards.py` has the
      definitions and what real pairs show.
    """
    check_pair(restored, blurred)
    shifts, clipped, grid = _measure(restored, blurred)
    numbers = [*(float(shift) for shift in shifts), float(clipped)]
    return dict(zip(ARTEFACT_KEYS, [*numbers, None if grid is None else float(grid)], strict=True))


@jax.jit
def _measure(
    restored: jax.Array, blurred: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """float32[3], float32[] and float32[]."""
    # The shift in integers: a mean of a million float32 values has lost its fourth digit.
    by_row = jnp.sum(restored.astype(jnp.int32) - blurred.astype(jnp.int32), axis=1)
    shifts = jnp.mean(by_row / restored.shape[1], axis=0)
    r, b = (picture[None] / guards.GREY_LEVELS - 1 for picture in (restored, blurred))
    clipped = guards.clipped_share(r, b)
    small = min(restored.shape[:2]) < SMALLEST
    return shifts, clipped, None if small else guards.grid(r, b)
