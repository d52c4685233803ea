"""3x3 convolutions by Winograd's F(4x4, 3x3): 36 products where a window's own sums take 144.

A tile of 4x4 results is computed from 6x6 inputs d as A^T [(G g G^T) * (B^T d B)] A, with * taken
element by element and summed over channels (Lavin and Gray, arXiv 1509.09308; points 0, 1, -1, 2,
-2 and infinity). Both transforms of the data are linear, so each is one matrix product over all
tiles and channels here, which XLA:CPU runs on all cores even within a loop; written as sums of
slices they would run on one. The picture is worked through in strips of tiles that stay in the
cache: at 180x320 pixels and 256 channels that needs 18 MB beside the result and not 142.

For training there are three more: `value`, whose kernel is transformed within the program, and its
two gradients. The input's is a convolution with the kernel turned, which turns the columns of its
transform and no array. The kernel's is the exact transpose: products of the windows' transforms
with those of the result's tiles, summed over tiles, 36 where taps take 144.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deblur_jax.fast.bordered import Bordered
from deblur_jax.fast.mapped import on_the_same_axes

TILE = 4  # results a side
WINDOW = TILE + 2  # inputs a side
PRODUCTS = WINDOW * WINDOW
# Tiles of a strip: products of matrices with fewer rows are slower, strips of more leave the cache.
STRIP = 256
# The same in training, where what stands in a loop costs more than what leaves the cache.
LONG_STRIP = 384

_B_T = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
_G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    np.float64,
)
_A_T = np.array(
    [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ],
    np.float64,
)
# Of rows and columns at once, with the tile's elements in one axis, row after row.
INPUT = np.kron(_B_T, _B_T)  # [36, 36]
KERNEL = np.kron(_G, _G)  # [36, 9]
RESULT = np.kron(_A_T, _A_T)  # [16, 36]


def transform_kernel(kernel: np.ndarray) -> np.ndarray:
    """G g G^T of a kernel, computed in float64.

    Args:
      kernel: `[3, 3, I, O]`.

    Returns:
      float32[36, I, O].
    """
    flat = np.asarray(kernel, np.float64).reshape(9, -1)
    return (KERNEL @ flat).reshape(PRODUCTS, *kernel.shape[2:]).astype(np.float32)


def value(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`convolve` with a kernel as it is: [B, H, W, I] and [3, 3, I, O] to [B, H - 2, W - 2, O].

    Computed in float32 whatever the arrays are, as the transforms take digits; the result has the
    dtype of `x`. So have those of the gradients.
    """
    wide = convolve(x.astype(np.float32), _transformed(kernel, KERNEL), strip=LONG_STRIP)
    return wide.astype(x.dtype)


def input_gradient(change: jax.Array, kernel: jax.Array) -> jax.Array:
    """Of `value`: [B, H - 2, W - 2, O], the change of the result, to [B, H, W, I]."""
    around = jnp.pad(change.astype(np.float32), ((0, 0), (2, 2), (2, 2), (0, 0)))
    # Kernels [36, I, O] stay as they are; the products sum over O.
    wide = convolve(around, _transformed(kernel, KERNEL[:, ::-1]), kernel_side=2, strip=LONG_STRIP)
    return wide.astype(change.dtype)


def kernel_gradient(x: jax.Array, change: jax.Array) -> jax.Array:
    """Of `value`: [B, H, W, I] and the change of the result to [3, 3, I, O]."""
    batch, height, width, channels = x.shape
    features, dtype = change.shape[3], change.dtype
    rows, columns, strips = _strips(batch, height - 2, width - 2, LONG_STRIP)
    x = _filled(x.astype(np.float32), strips * rows * TILE + 2, columns * TILE + 2)
    change = _filled(change.astype(np.float32), strips * rows * TILE, columns * TILE)

    def part(x: jax.Array, change: jax.Array) -> jax.Array:
        tiles = change.reshape(batch, rows, TILE, columns, TILE, features)
        tiles = lax.optimization_barrier(tiles.transpose(2, 4, 0, 1, 3, 5))
        flat = jnp.dot(RESULT.T.astype(np.float32), tiles.reshape(TILE * TILE, -1))
        spread = lax.optimization_barrier(flat).reshape(PRODUCTS, -1, features)
        data = _transformed_windows(x, rows, columns)
        return lax.dot_general(data, spread, (((1,), (1,)), ((0,), (0,))))

    if strips == 1:
        total = part(x, change)
    else:

        def body(i: jax.Array, total: jax.Array) -> jax.Array:
            top = i * (rows * TILE)
            seen = lax.dynamic_slice_in_dim(x, top, rows * TILE + 2, axis=1)
            own = lax.dynamic_slice_in_dim(change, top, rows * TILE, axis=1)
            return total + part(seen, own)

        empty = jnp.zeros((PRODUCTS, channels, features), np.float32)
        empty, x = on_the_same_axes(empty, x)
        empty, change = on_the_same_axes(empty, change)
        total = lax.fori_loop(0, strips, body, empty)
    total = lax.optimization_barrier(total).reshape(PRODUCTS, -1)
    found = jnp.dot(KERNEL.T.astype(np.float32), total)
    return found.reshape(3, 3, channels, features).astype(dtype)


def _transformed(kernel: jax.Array, transform: np.ndarray) -> jax.Array:
    flat = jnp.dot(transform.astype(np.float32), kernel.astype(np.float32).reshape(9, -1))
    return lax.optimization_barrier(flat).reshape(PRODUCTS, *kernel.shape[2:])


def convolve(
    x: jax.Array | Bordered,
    transformed: jax.Array | Sequence[jax.Array],
    *,
    which: jax.Array | None = None,
    kernel_side: int = 1,
    strip: int | None = None,
) -> jax.Array:
    """The 3x3 convolution of stride 1 without padding.

    Args:
      x: float32[B, H, W, I], H and W at least 3, or what makes that strip by strip.
      transformed: float32[36, I, O], from `transform_kernel`, or several.
      which: int32[], traced: of several, the one to be taken. It is read where it lies, which a
        part of a larger array would not be: XLA would copy it first.
      kernel_side: the axis of `transformed` that belongs to the channels of `x`; with 2 it is
        [36, O, I].
      strip: tiles that are worked on at once; None is `STRIP`.

    Returns:
      float32[B, H - 2, W - 2, O].
    """
    batch, height, width, _ = x.shape
    kernels: Any = [transformed] if which is None else transformed
    features = kernels[0].shape[3 - kernel_side]
    ways = [functools.partial(_products, own, kernel_side) for own in kernels]

    def multiply(data: jax.Array) -> jax.Array:
        return ways[0](data) if which is None else lax.switch(which, ways, data)

    rows, columns, strips = _strips(batch, height - 2, width - 2, strip or STRIP)
    lines = rows * TILE + 2  # that a strip sees
    size = ((strips - 1) * rows * TILE + lines, columns * TILE + 2)
    if isinstance(x, Bordered):
        x = x.filled(*size)
        picture, seen = x.x, x.strip
    else:
        picture = filled_up = _filled(x, *size)

        def seen(top: Any, count: int) -> jax.Array:
            return lax.dynamic_slice_in_dim(filled_up, top, count, axis=1)

    if strips == 1:
        y = _strip(seen(0, lines), multiply, rows, columns)
        return y[:, : height - 2, : width - 2]

    def body(i: jax.Array, y: jax.Array) -> jax.Array:
        top = i * (rows * TILE)
        part = _strip(seen(top, lines), multiply, rows, columns)
        return lax.dynamic_update_slice_in_dim(y, part, top, axis=1)

    # Every number is replaced. Of zeros XLA would make a constant and keep it from the start on.
    filled = jnp.broadcast_to(
        picture[0, 0, 0, 0], (batch, strips * rows * TILE, columns * TILE, features)
    )
    filled, _ = on_the_same_axes(filled, kernels[0])
    return lax.fori_loop(0, strips, body, filled)[:, : height - 2, : width - 2]


def _filled(x: jax.Array, height: int, width: int) -> jax.Array:
    """With zeros below and beside up to that size."""
    below, beside = height - x.shape[1], width - x.shape[2]
    if not below and not beside:
        return x
    return jnp.pad(x, ((0, 0), (0, below), (0, beside), (0, 0)))


def _strips(batch: int, height: int, width: int, strip: int) -> tuple[int, int, int]:
    """Tile rows of a strip, tiles of a row, and how many strips cover height x width results."""
    rows, columns = -(-height // TILE), -(-width // TILE)
    most = max(1, round(strip / (batch * columns)))
    strips = -(-rows // most)
    return -(-rows // strips), columns, strips


def _strip(
    x: jax.Array, multiply: Callable[[jax.Array], jax.Array], rows: int, columns: int
) -> jax.Array:
    """`[B, 4 rows + 2, 4 columns + 2, I]` to `[B, 4 rows, 4 columns, O]`."""
    batch = x.shape[0]
    products = multiply(_transformed_windows(x, rows, columns))
    features = products.shape[2]
    products = lax.optimization_barrier(products).reshape(PRODUCTS, -1)
    y = lax.optimization_barrier(jnp.dot(RESULT.astype(np.float32), products))
    y = y.reshape(TILE, TILE, batch, rows, columns, features).transpose(2, 3, 0, 4, 1, 5)
    return y.reshape(batch, rows * TILE, columns * TILE, features)


def _products(transformed: jax.Array, kernel_side: int, data: jax.Array) -> jax.Array:
    """`[36, tiles, I]` times a kernel: `[36, tiles, O]`."""
    return lax.dot_general(data, transformed, (((2,), (kernel_side,)), ((0,), (0,))))


def _transformed_windows(x: jax.Array, rows: int, columns: int) -> jax.Array:
    """B^T d B of every tile: `[36, B rows columns, I]`."""
    # Without the barriers XLA would gather, or transform, anew for each product.
    seen = lax.optimization_barrier(_windows(x, rows, columns))
    data = jnp.dot(INPUT.astype(np.float32), seen.reshape(PRODUCTS, -1))
    return lax.optimization_barrier(data).reshape(PRODUCTS, -1, x.shape[3])


def _windows(x: jax.Array, rows: int, columns: int) -> jax.Array:
    """Element (i, j) of every tile's 6x6 inputs side by side: `[36, B, rows, columns, I]`."""
    batch, _, _, channels = x.shape

    def element(i: int, j: int) -> jax.Array:
        last = (i + TILE * (rows - 1) + 1, j + TILE * (columns - 1) + 1)
        return lax.slice(x, (0, i, j, 0), (batch, *last, channels), (1, TILE, TILE, 1))

    return jnp.stack([element(i, j) for i in range(WINDOW) for j in range(WINDOW)])
