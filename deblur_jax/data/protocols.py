"""At what size a pair is trained on and scored: PSNR at 1280x720 and at 256x256 do not compare.

- `full`: the native size, what most tables since 2018 mean.
- `half`: both twins shrunk by two before the model sees one, as the DeblurGAN authors trained.
- `resize256`: both squeezed to 256x256 whatever their aspect, as the Columbia report did; its code
  took the nearest pixel, which `nearest` repeats.
"""

from typing import Literal, get_args

import numpy as np
from PIL import Image

from deblur_jax.errors import UsageError, UserError

Protocol = Literal["full", "half", "resize256"]
Filter = Literal["bicubic", "nearest"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
FILTERS: tuple[str, ...] = get_args(Filter)

# Pillow widens the bicubic kernel by the factor of reduction, which is the antialiasing.
_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "nearest": Image.Resampling.NEAREST}
REPORT_SIDE = 256


def check(protocol: str, filter: str) -> None:
    """Raises UsageError for a protocol or a filter that does not exist."""
    for kind, given, known in (("protocol", protocol, PROTOCOLS), ("filter", filter, FILTERS)):
        if given not in known:
            raise UsageError(f"no {kind} {given!r}: choose one of {', '.join(known)}")


def resizes(protocol: str) -> bool:
    """Whether the protocol changes a picture, so that its filter matters."""
    return protocol != "full"


def size(protocol: str, height: int, width: int) -> tuple[int, int]:
    """(height, width) of what `apply` makes of a picture; raises as it does."""
    check(protocol, "bicubic")
    if protocol == "half":
        if min(height, width) < 2:
            raise UserError(f"a picture of {width}x{height} pixels cannot be halved")
        return height // 2, width // 2
    return (REPORT_SIDE, REPORT_SIDE) if protocol == "resize256" else (height, width)


def apply(picture: np.ndarray, protocol: str, filter: str = "bicubic") -> np.ndarray:
    """A picture at the size that the protocol scores.

    Args:
      picture: uint8[H, W, 3].
      protocol: one of PROTOCOLS.
      filter: one of FILTERS; `full` ignores it.

    Returns:
      uint8: [H, W, 3] for `full`, [H // 2, W // 2, 3] for `half` (an odd last row or column is
      left out, so that the factor is two exactly), [256, 256, 3] for `resize256`.

    Raises:
      UsageError: unknown protocol or filter.
      UserError: a side of one pixel cannot be halved.
    """
    check(protocol, filter)
    height, width = picture.shape[:2]
    new_height, new_width = size(protocol, height, width)
    if not resizes(protocol):
        return picture
    if protocol == "half":
        # Cut off, not boxed: Pillow's filter would still see beyond its box.
        picture = np.ascontiguousarray(picture[: 2 * new_height, : 2 * new_width])
    return np.array(Image.fromarray(picture).resize((new_width, new_height), _RESAMPLING[filter]))
