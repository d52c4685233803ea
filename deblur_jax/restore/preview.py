"""A look at the middle of a picture before all of it is restored."""

from dataclasses import replace

from deblur_jax.errors import UsageError
from deblur_jax.images import Picture
from deblur_jax.restore import sharpness
from deblur_jax.restore.files import Made, side_by_side
from deblur_jax.restore.restorer import Restorer
from deblur_jax.restore.tiling import receptive_radius
from deblur_jax.restore.treatment import Treatment

SIDE = 512  # pixels, unless another is asked for
SMALLEST = 16


def check(side: int) -> None:
    """Raises UsageError if no preview can have this side."""
    if side < SMALLEST:
        raise UsageError(f"a preview of {side} pixels is too small; {SMALLEST} is the least")


def make(picture: Picture, restorer: Restorer, treatment: Treatment, side: int) -> Made:
    """The middle of a picture, `side` pixels square at most, before and after.

    It is restored with what the network can see around it, so that it looks as it will in the
    whole; where a norm takes statistics of the whole picture only nearly so.
    """
    radius = receptive_radius(restorer.weights.config)
    seen, within = [], []
    for length in picture.rgb.shape[:2]:
        own = min(side, length)
        start = (length - own) // 2
        first, last = max(start - radius, 0), min(start + own + radius, length)
        seen.append(slice(first, last))
        within.append(slice(start - first, start - first + own))
    context = replace(picture, rgb=picture.rgb[tuple(seen)], alpha=None)
    restored = restorer.restore_picture(context, treatment)
    before, after = (replace(each, rgb=each.rgb[tuple(within)]) for each in (context, restored))
    return Made(side_by_side(before, after), sharpness.compare(before.rgb, after.rgb))
