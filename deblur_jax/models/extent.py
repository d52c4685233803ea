"""Pictures that fill a part of their array: what a network has to know so as to see no more of it.

One compiled program then serves every size up to that of its array. Where a network would see the
picture's edge it sees it here, zeros or a reflection, and statistics are those of the picture; what
it computes beyond the edge is left to be cut off. So the result is that of the picture alone, but
for rounding.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from deblur_jax.models.layers import Operations


class Extent(NamedTuple):
    """How much of `[B, H, W, C]`, from its top left corner on, the pictures of a batch fill.

    The same holds at every resolution that a network works at: both are divided alike.

    Attributes:
      rows, columns: int32[B], of each picture; multiples of the network's `size_multiple`.
      frame: H and W of the array at full resolution.
    """

    rows: jax.Array
    columns: jax.Array
    frame: tuple[int, int]

    def sides(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The pictures' rows and columns, int32[B] each, at the resolution of `x`."""
        height, width = self.frame
        return self.rows * x.shape[1] // height, self.columns * x.shape[2] // width

    def operations(self, base: Operations) -> Operations:
        """`base` with what depends on where the pictures end."""
        return base._replace(
            instance_norm=self.instance_norm,
            reflect_pad=self.reflect_pad,
            clear=self.clear,
            nafnet_block=None,  # it clears nothing
        )

    def mask(self, x: jax.Array) -> jax.Array:
        """bool[B, H, W, 1], at the resolution of `x`: whether a pixel belongs to its picture."""
        rows, columns = self.sides(x)
        down = jnp.arange(x.shape[1]) < rows[:, None]
        across = jnp.arange(x.shape[2]) < columns[:, None]
        return (down[:, :, None] & across[:, None])[..., None]

    def clear(self, x: jax.Array) -> jax.Array:
        """`x` with zeros beyond the pictures, for a convolution that has zeros around it."""
        return jnp.where(self.mask(x), x, jnp.zeros((), x.dtype))

    def reflect_pad(self, x: jax.Array, pad: int) -> jax.Array:
        """`layers.reflect_pad` at the pictures' own edges; `[B, H + 2 pad, W + 2 pad, C]`."""
        take = jax.vmap(lambda values, i, j: values[i][:, j])
        return take(x, *self.reflected(x, pad))

    def reflected(self, x: jax.Array, pad: int) -> tuple[jax.Array, jax.Array]:
        """Which rows and which columns of `x` that takes, int32[B, H + 2 pad], [B, W + 2 pad]."""
        rows, columns = self.sides(x)
        return _reflected(x.shape[1], pad, rows), _reflected(x.shape[2], pad, columns)

    def instance_norm(self, x: jax.Array, epsilon: float) -> jax.Array:
        """`layers.instance_norm` with the statistics of each picture's own pixels."""
        values = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        own = self.mask(x)
        rows, columns = self.sides(x)
        count = (rows * columns)[:, None, None, None]
        mean = jnp.where(own, values, 0).sum((1, 2), keepdims=True) / count
        centred = values - mean
        square = jnp.where(own, jnp.square(centred), 0).sum((1, 2), keepdims=True)
        return (centred * jax.lax.rsqrt(square / count + epsilon)).astype(x.dtype)


def _reflected(length: int, pad: int, own: jax.Array) -> jax.Array:
    """int32[B, length + 2 pad]: which of `length` lines stands at each place around `own[B]`."""
    places = jnp.abs(jnp.arange(-pad, length + pad))[None]
    last = own[:, None] - 1
    return jnp.clip(jnp.where(places > last, 2 * last - places, places), 0, length - 1)
