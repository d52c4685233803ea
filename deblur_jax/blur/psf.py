"""From a trajectory to a point spread function."""

import jax
import jax.numpy as jnp

from deblur_jax.errors import UsageError

Array = jax.Array


def time_weights(iterations: int, exposure: Array | float) -> Array:
    """float32[M]: how long the shutter is open at each position; the sum is exposure x M.

    Positions before the shutter closes count one, the one during which it closes a fraction.
    (The authors' code gives its very first position weight zero: its sums are 1/M smaller.)
    """
    return jnp.clip(exposure * iterations - jnp.arange(iterations), 0.0, 1.0)


def rasterize(
    trajectory: Array,
    *,
    canvas: int = 64,
    exposure: Array | float = 1.0,
    normalize: bool = True,
    scatter: bool = True,
) -> Array:
    """Draws a trajectory into a kernel with bilinear (sub-pixel) splats.

    Args:
      trajectory: float32[M, 2] positions (x = column, y = row) in pixels of the canvas, see
        `trajectory.centre`; positions outside are moved to the canvas's border.
      canvas: side of the kernel in pixels.
      exposure: fraction in (0, 1] of the trajectory during which the shutter is open.
      normalize: True divides by the sum; False leaves `exposure` as the sum, so that a short
        exposure is dark, as in the authors' code (their fractions: .01, .1, .5, 1).
      scatter: True adds every splat to its four pixels, the least work. False sums for each pixel
        what every position gives to it: the same but for rounding, 1000 times the work, and on
        accelerators, which scatter in no fixed order, the same bits every time.

    Returns:
      float32[canvas, canvas], non-negative, rows are y; its centroid is the weighted mean
      position.

    Raises:
      UsageError: the canvas is smaller than 2.
    """
    if canvas < 2:
        raise UsageError(f"a kernel needs a canvas of at least 2 pixels, not {canvas}")
    position = jnp.clip(trajectory, 0.0, canvas - 1.0)
    weight = time_weights(trajectory.shape[0], exposure)
    if not scatter:
        # Along each axis a splat is a hat of two pixels' width around its position.
        hats = jnp.maximum(1.0 - jnp.abs(position[..., None] - jnp.arange(canvas)), 0.0)
        # Not a matrix product, which accelerators round to ten bits.
        psf = jnp.sum((weight[:, None] * hats[:, 1])[:, :, None] * hats[:, 0][:, None], axis=0)
        return psf / jnp.sum(psf) if normalize else psf / trajectory.shape[0]
    corner = jnp.minimum(position.astype(jnp.int32), canvas - 2)
    right, down = (position - corner).T
    column, row = corner.T
    psf = jnp.zeros((canvas, canvas), jnp.float32)
    psf = psf.at[row, column].add(weight * (1 - right) * (1 - down))
    psf = psf.at[row, column + 1].add(weight * right * (1 - down))
    psf = psf.at[row + 1, column].add(weight * (1 - right) * down)
    psf = psf.at[row + 1, column + 1].add(weight * right * down)
    return psf / jnp.sum(psf) if normalize else psf / trajectory.shape[0]
