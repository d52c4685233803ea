"""The paper's network in strips of rows, for pictures that do not fit into memory at once.

An instance norm needs the statistics of the whole picture before any of its results can be used.
So the network is run layer by layer. What lies between the residual blocks is kept, at a quarter of
the resolution; the layers before and after, whose results are large, are computed again for each
norm behind them. Strips overlap by the few rows that a layer's neighbours see.

All functions work on arrays [1, n, W, C] that hold some rows of the picture. `Rows` says which.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from deblur_jax.fast import winograd
from deblur_jax.fast.layers import convolve, convolve_from_few, convolve_to_few, double
from deblur_jax.fast.sums import GROUP
from deblur_jax.models import generator
from deblur_jax.models.config import GeneratorConfig
from deblur_jax.models.layers import depth_to_space

MARGIN = 4  # rows at a quarter of the resolution that a strip sees above and below its own
Scale = tuple[jax.Array, jax.Array]  # scale and shift of each channel, float32[C]


class Rows(NamedTuple):
    """Which part of the picture an array holds.

    Attributes:
      first: int32, also traced: the picture's row that is the array's first; may lie outside.
      rows, columns: int32, of the picture at this resolution; the array may have more columns.
    """

    first: Any
    rows: Any
    columns: Any

    def later(self, count: int) -> "Rows":
        """Of the array without its first `count` rows."""
        return self._replace(first=self.first + count)

    def doubled(self) -> "Rows":
        """At twice the resolution."""
        return Rows(2 * self.first, 2 * self.rows, 2 * self.columns)

    def halved(self) -> "Rows":
        """At half the resolution; the first row has to be even."""
        return Rows(self.first // 2, self.rows // 2, self.columns // 2)

    def mask(self, y: jax.Array) -> jax.Array:
        """bool[1, n, W, 1]: whether a pixel belongs to the picture."""
        down = self.first + jnp.arange(y.shape[1])
        inside = (down >= 0) & (down < self.rows)
        across = jnp.arange(y.shape[2]) < self.columns
        return (inside[:, None] & across[None])[None, ..., None]

    def clear(self, y: jax.Array) -> jax.Array:
        """`y` with zeros outside of the picture."""
        return jnp.where(self.mask(y), y, 0)

    def reflect(self, y: jax.Array, pad: int) -> jax.Array:
        """`y` with `pad` more columns on each side, and reflections outside of the picture."""
        down = _mirrored(self.first + jnp.arange(y.shape[1]), self.rows) - self.first
        across = _mirrored(jnp.arange(-pad, y.shape[2] + pad), self.columns)
        rows = jnp.clip(down, 0, y.shape[1] - 1)
        return y[:, rows][:, :, jnp.clip(across, 0, y.shape[2] - 1)]


class Moments(NamedTuple):
    """Mean and sum of squared distances from it, float32[C], of so many pixels, int32."""

    pixels: jax.Array
    mean: jax.Array
    square: jax.Array


def moments(y: jax.Array, at: Rows) -> Moments:
    """Of the pixels of the picture among [1, n, W, C]."""
    own = at.mask(y).reshape(-1, 1)
    flat = y.reshape(-1, y.shape[3])
    count = own.sum()
    some = own[:: max(1, len(flat) // GROUP)]
    few = jnp.where(some, flat[:: max(1, len(flat) // GROUP)], 0)
    origin = few.sum(0) / jnp.maximum(some.sum(), 1)
    away = jnp.where(own, flat - origin, 0)
    whole = len(flat) // GROUP * GROUP

    def total(values: jax.Array) -> jax.Array:  # in groups first, see `sums`
        parts = jnp.sum(values[:whole].reshape(-1, GROUP, values.shape[1]), 1)
        return jnp.sum(lax.optimization_barrier(parts), 0) + values[whole:].sum(0)

    first, second = total(away), total(away * away)
    mean = first / jnp.maximum(count, 1)
    return Moments(count, origin + mean, jnp.maximum(second - first * mean, 0))


def front(
    prepared: Any, x: jax.Array, at: Rows, scales: list[Scale], config: GeneratorConfig
) -> tuple[jax.Array, Moments]:
    """The head and as many strided convolutions as there are `scales` before them.

    Args:
      prepared: from `resnet.prepare`.
      x: float32[1, 4 (n + 2 MARGIN), W, 3] in [-1, 1], n own rows at a quarter of the resolution.
      at: of x.
      scales: of the norms that are known so far: none, the head's, or that and the first strided
        convolution's.
      config: the network's shape.

    Returns:
      The last convolution's result in the own rows, before its norm, and its moments.
    """
    y = convolve_from_few(_bar(at.reflect(x, 3)), prepared["head"]["kernel"])
    at, margin = at.later(3), 4 * MARGIN - 3
    pads = (1, 1) if config.downsample == "symmetric" else (0, 1)
    for i, scale in enumerate(scales):
        y = at.clear(_norm_relu(y, scale))
        # The first window of an even row begins above it by as many rows as there are zeros there.
        skip = (margin - pads[0]) % 2
        y = jnp.pad(y[:, skip:], ((0, 0), (0, 0), pads, (0, 0)))
        y = convolve(_bar(y), prepared[f"down_{i}"]["kernel"], 2)
        at = at.later(skip + pads[0]).halved()
        margin = (margin - skip - pads[0]) // 2
    own = x.shape[1] // 4 * 2 ** (2 - len(scales)) - 2 * MARGIN * 2 ** (2 - len(scales))
    return _own(y, at, margin, own)


def trunk(y: jax.Array | None, z: jax.Array, scale: Scale, *, relu: bool) -> jax.Array:
    """What a block begins with: y and the normalised z, or the activation of z where y is None."""
    normal = z * scale[0] + scale[1]
    normal = jax.nn.relu(normal) if relu or y is None else normal
    return normal if y is None else y + normal


def block(kernel: jax.Array, y: jax.Array, at: Rows) -> tuple[jax.Array, Moments]:
    """A block's convolution of [1, n + 2, W, C]: n rows before the norm, and their moments."""
    z = winograd.convolve(_bar(at.reflect(y, 1)), kernel)
    return _own(z, at.later(1), 0, z.shape[1])


def back(
    prepared: Any, y: jax.Array, at: Rows, scales: list[Scale], config: GeneratorConfig
) -> tuple[jax.Array, Moments]:
    """As many upsamplings as there are `scales` and one more.

    Args:
      prepared, config: as of `front`.
      y: what the last block gives, [1, n + 2 MARGIN, W, C].
      at: of y.
      scales: of the norms that are known so far: none, or the first upsampling's.

    Returns:
      The last upsampling's result in the own rows, before its norm, and its moments.
    """
    own, margin = y.shape[1] - 2 * MARGIN, MARGIN
    for i in range(len(scales) + 1):
        y, at, margin = _up(prepared[f"up_{i}"], y, at, margin, config.upsample)
        own *= 2
        if i < len(scales):
            y = _norm_relu(y, scales[i])
    return _own(y, at, margin, own)


def tail(
    prepared: Any,
    x: jax.Array,
    y: jax.Array,
    at: Rows,
    scales: list[Scale],
    config: GeneratorConfig,
) -> jax.Array:
    """The restored own rows, float32[1, 4 n, W, 3] in [-1, 1]; `x` are the own rows, blurred."""
    own, margin = 4 * (y.shape[1] - 2 * MARGIN), MARGIN
    for i, scale in enumerate(scales):
        y, at, margin = _up(prepared[f"up_{i}"], y, at, margin, config.upsample)
        y = _norm_relu(y, scale)
    y = convolve_to_few(_bar(at.reflect(y, 3)), prepared["tail"]["kernel"])
    start = margin - 3
    y = y[:, start : start + own] + prepared["tail"]["bias"]
    return generator.finish(x, y, config)


def _up(
    own: dict[str, Any], y: jax.Array, at: Rows, margin: int, kind: str
) -> tuple[jax.Array, Rows, int]:
    """One upsampling, with where its result lies and how many rows stand above the own ones."""
    if kind in ("transpose", "transpose_same"):
        # Zeros stand above and below the strip, where the picture goes on: those rows are wrong.
        y = double(at.clear(y), own["matrix"], kind)
        y, lost = y[:, 2:-2], 2
    elif kind == "pixel_shuffle":
        y = winograd.convolve(_bar(at.reflect(y, 1)), own["kernel"])
        y, lost = depth_to_space(y + own["bias"], 2), 2
    else:
        y, finer = jnp.repeat(jnp.repeat(y, 2, axis=1), 2, axis=2), at.doubled()
        if kind == "resize_conv":
            y = finer.reflect(y, 1)
        else:
            y = jnp.pad(finer.clear(y), ((0, 0), (0, 0), (1, 1), (0, 0)))
        y, lost = winograd.convolve(_bar(y), own["kernel"]), 1
    return _bar(y), at.doubled().later(lost), 2 * margin - lost


def _own(y: jax.Array, at: Rows, margin: int, count: int) -> tuple[jax.Array, Moments]:
    y = y[:, margin : margin + count]
    return y, moments(y, at.later(margin))


def _norm_relu(y: jax.Array, scale: Scale) -> jax.Array:
    return jax.nn.relu(_bar(y) * scale[0] + scale[1])


def _bar(y: jax.Array) -> jax.Array:
    return lax.optimization_barrier(y)


def _mirrored(places: jax.Array, length: jax.Array) -> jax.Array:
    places = jnp.abs(places)
    return jnp.where(places >= length, 2 * (length - 1) - places, places)
