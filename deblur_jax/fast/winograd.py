"""3x3 convolutions by Winograd's F(4x4, 3x3): 36 products where a window's own sums take 144.

A tile of 4x4 results is computed from 6x6 inputs d as A^T [(G g G^T) * (B^T d B)] A, with * taken
element by element and summed over channels (Lavin and Gray, arXiv 1509.09308; points 0, 1, -1, 2,
-2 and infinity). Both transforms of the data are linear, so each is one matrix product over all
tiles and channels here, which XLA:CPU runs on all cores even within a loop; written as sums of
slices they would run on one. The picture is worked through in strips of tiles that stay in the
cache: at 180x320 pixels and 256 channels that needs 18 MB beside the result and not 142.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

TILE = 4  # results a side
WINDOW = TILE + 2  # inputs a side
PRODUCTS = WINDOW * WINDOW
# Tiles of a strip: products of matrices with fewer rows are slower, strips of more leave the cache.
STRIP = 256

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


def convolve(x: jax.Array, transformed: jax.Array) -> jax.Array:
    """The 3x3 convolution of stride 1 without padding.

    Args:
      x: float32[B, H, W, I], H and W at least 3.
      transformed: float32[36, I, O], from `transform_kernel`.

    Returns:
      float32[B, H - 2, W - 2, O].
    """
    batch, height, width, _ = x.shape
    features = transformed.shape[2]
    rows, columns, strips = _strips(batch, height - 2, width - 2)
    below, beside = strips * rows * TILE + 2 - height, columns * TILE + 2 - width
    if below or beside:
        x = jnp.pad(x, ((0, 0), (0, below), (0, beside), (0, 0)))
    if strips == 1:
        y = _strip(x, transformed, rows, columns)
        return y[:, : height - 2, : width - 2]

    def body(i: jax.Array, y: jax.Array) -> jax.Array:
        top = i * (rows * TILE)
        own = lax.dynamic_slice_in_dim(x, top, rows * TILE + 2, axis=1)
        part = _strip(own, transformed, rows, columns)
        return lax.dynamic_update_slice_in_dim(y, part, top, axis=1)

    empty = jnp.zeros((batch, strips * rows * TILE, columns * TILE, features), x.dtype)
    return lax.fori_loop(0, strips, body, empty)[:, : height - 2, : width - 2]


def _strips(batch: int, height: int, width: int) -> tuple[int, int, int]:
    """Tile rows of a strip, tiles of a row, and how many strips cover height x width results."""
    rows, columns = -(-height // TILE), -(-width // TILE)
    most = max(1, round(STRIP / (batch * columns)))
    strips = -(-rows // most)
    return -(-rows // strips), columns, strips


def _strip(x: jax.Array, transformed: jax.Array, rows: int, columns: int) -> jax.Array:
    """`[B, 4 rows + 2, 4 columns + 2, I]` to `[B, 4 rows, 4 columns, O]`."""
    batch, _, _, channels = x.shape
    tiles, features = batch * rows * columns, transformed.shape[2]
    # Without the barriers XLA would gather, or transform, anew for each product.
    seen = lax.optimization_barrier(_windows(x, rows, columns))
    data = jnp.dot(INPUT.astype(np.float32), seen.reshape(PRODUCTS, tiles * channels))
    data = lax.optimization_barrier(data).reshape(PRODUCTS, tiles, channels)
    products = lax.dot_general(data, transformed, (((2,), (1,)), ((0,), (0,))))
    products = lax.optimization_barrier(products).reshape(PRODUCTS, tiles * features)
    y = lax.optimization_barrier(jnp.dot(RESULT.astype(np.float32), products))
    y = y.reshape(TILE, TILE, batch, rows, columns, features).transpose(2, 3, 0, 4, 1, 5)
    return y.reshape(batch, rows * TILE, columns * TILE, features)


def _windows(x: jax.Array, rows: int, columns: int) -> jax.Array:
    """Element (i, j) of every tile's 6x6 inputs side by side: `[36, B, rows, columns, I]`."""
    batch, _, _, channels = x.shape

    def element(i: int, j: int) -> jax.Array:
        last = (i + TILE * (rows - 1) + 1, j + TILE * (columns - 1) + 1)
        return lax.slice(x, (0, i, j, 0), (batch, *last, channels), (1, TILE, TILE, 1))

    return jnp.stack([element(i, j) for i in range(WINDOW) for j in range(WINDOW)])
