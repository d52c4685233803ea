"""Convolutions written as matrix products and shifts of whole arrays.

`lax.optimization_barrier` keeps XLA from repeating what stands in front of a shift, a norm for
instance, in each of the shifted copies: with it the critic's gradients take half the time and half
the compiling.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Padding = tuple[tuple[int, int], tuple[int, int]]


class Shape(NamedTuple):
    """What a convolution does, without its arrays.

    Attributes:
      strides: rows and columns from one window to the next.
      padding: zeros before and after the rows and the columns; of `taps` also negative, which cuts.
      size: rows and columns of the input.
      kernel: rows, columns, input channels and output channels of the kernel.
    """

    strides: tuple[int, int]
    padding: Padding
    size: tuple[int, int]
    kernel: tuple[int, int, int, int]

    @property
    def result(self) -> tuple[int, int]:
        """Rows and columns of the convolution's result."""
        return (self._windows(0), self._windows(1))

    def _windows(self, side: int) -> int:
        length = self.size[side] + sum(self.padding[side]) - self.kernel[side]
        return length // self.strides[side] + 1


def gathered(shape: Shape, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Each window's pixels side by side, then one product with the whole kernel (im2col)."""
    x, kernel = _in_blocks(shape, x, kernel)
    (rows, columns), (height, width) = shape.result, kernel.shape[:2]
    x = lax.optimization_barrier(x)
    x = jnp.concatenate([x[:, :, j : j + columns] for j in range(width)], -1)
    x = lax.optimization_barrier(x)
    x = jnp.concatenate([x[:, i : i + rows] for i in range(height)], -1)
    x = lax.optimization_barrier(x)
    return _product(x, kernel.reshape(-1, kernel.shape[3])).astype(kernel.dtype)


def scattered(shape: Shape, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """One product of each pixel with the whole kernel, then sums of shifted results.

    The better order where the result has fewer channels than the input.
    """
    x, kernel = _in_blocks(shape, x, kernel)
    (rows, columns), (height, width, channels, features) = shape.result, kernel.shape
    matrix = kernel.transpose(2, 0, 1, 3).reshape(channels, -1)
    y = _product(lax.optimization_barrier(x), matrix)
    y = lax.optimization_barrier(y)
    row = width * features
    shifted = [y[:, i : i + rows, :, i * row : (i + 1) * row] for i in range(height)]
    y = functools.reduce(jnp.add, shifted)
    shifted = [y[:, :, j : j + columns, j * features : (j + 1) * features] for j in range(width)]
    return functools.reduce(jnp.add, shifted).astype(kernel.dtype)


def taps(shape: Shape, x: jax.Array, change: jax.Array) -> jax.Array:
    """The gradient of the kernel: for each of its taps one product over all windows."""
    height, width, channels, features = shape.kernel
    rows, columns = shape.result
    down, right = shape.strides
    x = padded(x, *shape.padding)
    change = change.reshape(-1, features)

    def tap(i: int, j: int) -> jax.Array:
        last = (i + (rows - 1) * down + 1, j + (columns - 1) * right + 1)
        seen = lax.slice(x, (0, i, j, 0), (x.shape[0], *last, channels), (1, down, right, 1))
        return _contract(seen.reshape(-1, channels), change, 0, 0)

    found = jnp.stack([tap(i, j) for i in range(height) for j in range(width)])
    return found.reshape(shape.kernel).astype(x.dtype)


def padded(x: jax.Array, rows: tuple[int, int], columns: tuple[int, int]) -> jax.Array:
    """`x` with zeros before and after its rows and columns; negative numbers cut."""
    zero = jnp.zeros((), x.dtype)
    return lax.pad(x, zero, ((0, 0, 0), (*rows, 0), (*columns, 0), (0, 0, 0)))


def _in_blocks(shape: Shape, x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The same convolution at stride 1 and without padding, on blocks of stride x stride pixels."""
    (down, right), (top, left) = shape.strides, (shape.padding[0][0], shape.padding[1][0])
    height, width, channels, features = shape.kernel
    high, wide = -(-height // down), -(-width // right)  # of the kernel, in blocks
    rows, columns = shape.result[0] + high - 1, shape.result[1] + wide - 1
    below, beside = rows * down - shape.size[0] - top, columns * right - shape.size[1] - left
    x = padded(x, (top, below), (left, beside))
    if (down, right) == (1, 1):
        return x, kernel
    x = x.reshape(-1, rows, down, columns, right, channels).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(-1, rows, columns, down * right * channels)
    kernel = jnp.pad(kernel, ((0, high * down - height), (0, wide * right - width), (0, 0), (0, 0)))
    kernel = kernel.reshape(high, down, wide, right, channels, features)
    kernel = kernel.transpose(0, 2, 1, 3, 4, 5)
    return x, kernel.reshape(high, wide, down * right * channels, features)


def _product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    flat = _contract(x.reshape(-1, x.shape[-1]), matrix, 1, 0)
    return flat.reshape(*x.shape[:-1], matrix.shape[1])


def _contract(a: jax.Array, b: jax.Array, side_a: int, side_b: int) -> jax.Array:
    """A product of matrices, summed up in float32 at least."""
    dimensions = (((side_a,), (side_b,)), ((), ()))
    wide = jnp.promote_types(a.dtype, jnp.float32)
    return lax.dot_general(a, b, dimensions, preferred_element_type=wide)
