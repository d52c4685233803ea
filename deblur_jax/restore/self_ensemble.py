"""Geometric self-ensemble: the mean of what a network makes of a picture's mirror images.

Lim et al., Enhanced Deep Residual Networks for Single Image Super-Resolution (2017), section 3.4:
the picture is mirrored and turned, each version is restored and put back upright, and their mean
is taken. A network that treated all directions alike would gain nothing; a trained one errs a
little differently in each, and a mean errs less.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deblur_jax.errors import UsageError

Array = NDArray[Any]
Floats = NDArray[np.float32]
Watch = Callable[[float], None]
# How many versions there can be: the picture alone, with its mirror image, mirrored along both
# axes, and all of these transposed as well. Up to four keep height and width, and so one program.
VERSIONS = (1, 2, 4, 8)


def check(versions: int) -> int:
    """Gives back how many versions there shall be; UsageError for a number that cannot be."""
    if versions not in VERSIONS:
        numbers = ", ".join(map(str, VERSIONS))
        raise UsageError(f"a self-ensemble of {versions} is not possible; it can be {numbers}")
    return versions


def version(image: Array, number: int) -> Array:
    """One of eight versions of [H, W, 3], as a view; of the last four height and width change."""
    if number & 4:
        image = image.transpose(1, 0, 2)
    if number & 1:
        image = image[:, ::-1]
    return image[::-1] if number & 2 else image


def bytes_beside(image: Array) -> int:
    """What `mean` holds while a version of `image` is restored: the sum, and the version itself."""
    return image.size * np.dtype(np.float32).itemsize + image.nbytes


def mean(
    image: Array,
    versions: int,
    restore: Callable[[Array, Watch | None], Iterator[tuple[int, Floats]]],
    watch: Watch | None = None,
) -> Floats:
    """The mean over the restored versions of a picture.

    Args:
      image: [H, W, 3].
      versions: one of `VERSIONS`.
      restore: gives bands of a restored picture from the top down, the first row of each and
        float32[n, W, 3]; it is told whom to tell the share that is done.
      watch: told the share that is done of all versions.

    Returns:
      float32[H, W, 3].
    """
    total = np.zeros(image.shape, np.float32)
    for number in range(versions):
        # A view of the sum, turned as its picture: what is added to it lands upright.
        turned = version(total, number)
        told = None if watch is None else _share(watch, number, versions)
        for top, band in restore(np.ascontiguousarray(version(image, number)), told):
            turned[top : top + len(band)] += band
    total /= versions  # in place: the picture may be large
    return total


def _share(watch: Watch, number: int, versions: int) -> Watch:
    return lambda share: watch((number + share) / versions)
