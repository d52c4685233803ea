"""The paper's first and last layer for accelerators: a square of pixels at a time.

A matrix unit works on tiles of many channels, of which three fill next to nothing. A square of
pixels, its channels side by side, fills more and is read or written once. The kernel grows by the
square's side less one, with zeros where a pixel sees less than its square does: for 2x2 pixels a
7x7 kernel makes a third more products, for 4x4 two times as many in the last layer and three times
in the first, whose kernel sees whole squares.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from deblur_jax.fast.convolution import DIMENSIONS
from deblur_jax.models.layers import depth_to_space, space_to_depth

Convolution = Callable[..., jax.Array]
SIDES = (2, 4)  # pixels, of squares that are tried: `benchmarks.forms`


def squares(side: int) -> Convolution:
    """Computes as `lax.conv_general_dilated` does, `side` x `side` results at a time.

    For `models.layers.Operations.ends`. Sizes that are no multiple of `side` are filled up.
    Derivatives are XLA's own. It raises ValueError for other convolutions than plain ones of stride
    1 without zeros around, and for another order of dimensions than NHWC and HWIO.
    """
    return functools.partial(_convolve, side)


def _convolve(
    side: int,
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    precision: Any = None,
) -> jax.Array:
    ones = {*window_strides, *(lhs_dilation or ()), *(rhs_dilation or ()), feature_group_count}
    if ones != {1} or any(before or after for before, after in padding) or precision:
        raise ValueError("a first or last layer has stride 1 and no zeros around")
    known = jax.lax.conv_dimension_numbers(lhs.shape, rhs.shape, DIMENSIONS)
    if jax.lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers) != known:
        raise ValueError("a first or last layer is NHWC, and its kernel HWIO")
    form = _to_few if rhs.shape[3] <= rhs.shape[2] else _from_few
    return form(lhs, rhs, side)


def _to_few(x: jax.Array, kernel: jax.Array, side: int) -> jax.Array:
    """The results of a square are channels of one result, of a kernel that sees all they see."""
    height, width, _, features = kernel.shape
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    x = _filled(x, _round_up(rows, side) + height - 1, _round_up(columns, side) + width - 1)
    wide = _side_by_side(kernel, side, side - 1, side - 1)
    y = jax.lax.conv_general_dilated(
        x,
        wide.reshape(*wide.shape[:3], side * side * features),
        (side, side),
        "VALID",
        dimension_numbers=DIMENSIONS,
    )
    return depth_to_space(y, side)[:, :rows, :columns]


def _from_few(x: jax.Array, kernel: jax.Array, side: int) -> jax.Array:
    """The same, and a square's pixels are channels of what is read, too."""
    height, width, channels, _ = kernel.shape
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    # A kernel that sees whole squares.
    tall, broad = _round_up(height + side - 1, side), _round_up(width + side - 1, side)
    x = _filled(x, _round_up(rows, side) + tall - side, _round_up(columns, side) + broad - side)
    wide = _side_by_side(kernel, side, tall - height, broad - width)
    wide = wide.reshape(tall // side, side, broad // side, side, channels, -1)
    wide = wide.transpose(0, 2, 1, 3, 4, 5)
    wide = wide.reshape(tall // side, broad // side, side * side * channels, -1)
    y = jax.lax.conv_general_dilated(
        space_to_depth(x, side), wide, (1, 1), "VALID", dimension_numbers=DIMENSIONS
    )
    return depth_to_space(y, side)[:, :rows, :columns]


def _side_by_side(kernel: jax.Array, side: int, below: int, beside: int) -> jax.Array:
    """A kernel moved to each place of a square: `[h + below, w + beside, I, side * side, O]`."""
    moved = [
        jnp.pad(kernel, ((i, below - i), (j, beside - j), (0, 0), (0, 0)))
        for i in range(side)
        for j in range(side)
    ]
    return jnp.stack(moved, 3)


def _filled(x: jax.Array, rows: int, columns: int) -> jax.Array:
    """`x` with zeros below and to the right."""
    return jnp.pad(x, ((0, 0), (0, rows - x.shape[1]), (0, columns - x.shape[2]), (0, 0)))


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
