"""A picture with a border that is laid around it, and changed before that, rows by rows.

What stands behind a layer, a norm, an activation and a border, is as large as the layer's result.
Made whole it goes out to memory and comes back; made for the strip that the next layer works on, it
never leaves the cache. docs/performance.md has what that gains.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deblur_jax.models.extent import Extent
from deblur_jax.models.layers import check_reflection

Change = Callable[[jax.Array], jax.Array]


class Bordered(NamedTuple):
    """What a layer without padding of its own shall see.

    Attributes:
      x: [B, H, W, C], the picture.
      rows, columns: int32[n], or int32[B, n] where each picture of a batch ends elsewhere: which
        row or column of `change(x)` stands at each place.
      change: of pixels, each by itself, before the border is laid around them; or None.
      zeros: whether a place may hold -1, which stands for zeros.
    """

    x: jax.Array
    rows: Any
    columns: Any
    change: Change | None = None
    zeros: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the whole with its border."""
        batch, _, _, channels = self.x.shape
        return batch, self.rows.shape[-1], self.columns.shape[-1], channels

    def filled(self, height: int, width: int) -> "Bordered":
        """With more lines below and beside, up to that size; what stands there is of no account."""
        return self._replace(rows=_longer(self.rows, height), columns=_longer(self.columns, width))

    def lines(self, top: Any, count: int) -> jax.Array:
        """`count` rows from `top` on, which may be traced, without the border to the sides."""
        if isinstance(top, int):
            which = self.rows[..., top : top + count]
        else:  # NumPy's cannot be sliced there
            which = lax.dynamic_slice_in_dim(jnp.asarray(self.rows), top, count, axis=-1)
        seen = _taken(self.x, which, 1)
        if self.change is not None:
            seen = self.change(seen)
        return _cleared(seen, which, 1) if self.zeros else seen

    def across(self, y: jax.Array) -> jax.Array:
        """[B, n, W, any] with the border to both sides: of rows, or of what was made of each."""
        y = _taken(y, self.columns, 2)
        return _cleared(y, self.columns, 2) if self.zeros else y

    def strip(self, top: Any, count: int) -> jax.Array:
        """`count` rows from `top` on, which may be traced."""
        return self.across(self.lines(top, count))


def reflected(
    x: jax.Array, pad: int, change: Change | None = None, extent: Extent | None = None
) -> Bordered:
    """As `layers.reflect_pad(change(x), pad)`, at the edges of an extent where one is given."""
    if extent is not None:
        return Bordered(x, *extent.reflected(x, pad), change)
    check_reflection(x, pad)
    rows, columns = (
        np.pad(np.arange(side, dtype=np.int32), pad, mode="reflect") for side in x.shape[1:3]
    )
    return Bordered(x, rows, columns, change)


def among_zeros(
    x: jax.Array,
    before: int,
    after: int,
    change: Change | None = None,
    extent: Extent | None = None,
) -> Bordered:
    """`change(x)` with zeros around it, and beyond an extent where one is given."""
    sides: Sequence[Any] = x.shape[1:3] if extent is None else extent.sides(x)
    rows, columns = (
        _until(np.arange(-before, length + after, dtype=np.int32), side)
        for length, side in zip(x.shape[1:3], sides, strict=True)
    )
    return Bordered(x, rows, columns, change, zeros=True)


def whole(x: jax.Array) -> Bordered:
    """Without a border or a change."""
    rows, columns = (np.arange(side, dtype=np.int32) for side in x.shape[1:3])
    return Bordered(x, rows, columns)


def _until(places: np.ndarray, side: Any) -> Any:
    """The places before `side`, an int or int32[B]; -1 for others."""
    if isinstance(side, int):
        return np.where(places < side, places, -1)
    return jnp.where(places < side[:, None], places, -1)


def _longer(places: Any, length: int) -> Any:
    more = length - places.shape[-1]
    if not more:
        return places
    array = np if isinstance(places, np.ndarray) else jnp
    return array.pad(places, [(0, 0)] * (places.ndim - 1) + [(0, more)])


def _taken(y: jax.Array, which: Any, axis: int) -> jax.Array:
    """Lines of `y` by number; those below 0 are any."""
    if isinstance(which, np.ndarray) and np.array_equal(which, np.arange(y.shape[axis])):
        return y
    which = which.clip(0)
    if which.ndim == 2 and len(which) == 1:
        which = which[0]  # a gather for each picture of a batch is slower
    if which.ndim == 1:
        return jnp.take(y, which, axis=axis, mode="clip")
    return jax.vmap(lambda own, lines: jnp.take(own, lines, axis=axis - 1, mode="clip"))(y, which)


def _cleared(y: jax.Array, which: Any, axis: int) -> jax.Array:
    """`y` with zeros where `which` is below 0."""
    if isinstance(which, np.ndarray) and (which >= 0).all():
        return y
    inside = (which >= 0).reshape(-1, which.shape[-1])  # of all pictures or of each
    along = jnp.expand_dims(inside, (2, 3) if axis == 1 else (1, 3))
    return jnp.where(along, y, jnp.zeros((), y.dtype))
