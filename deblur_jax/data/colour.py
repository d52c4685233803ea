"""Which pictures can be trained on: colour, 8 bits a channel."""

import numpy as np

from deblur_jax.errors import UserError
from deblur_jax.images import Picture


def colour_of(picture: Picture, said: str) -> np.ndarray:
    """uint8[H, W, 3]; gray and deep pictures are refused, as what they lack or lose is not seen.

    Raises:
      UserError: it is gray, or deeper than 8 bits; `said` is what the sentence calls it.
    """
    if picture.rgb.dtype != np.uint8:
        bits = 8 * picture.rgb.dtype.itemsize
        raise UserError(
            f"{said} has {bits} bits a channel, but training pairs are colour pictures of 8 bits"
        )
    if picture.gray:
        raise UserError(f"{said} is gray, but training pairs are colour pictures of 8 bits")
    return picture.rgb
