"""The generator's other layers in the formulations that XLA:CPU is quickest at, for restoring.

Each equals its plain counterpart in `models.layers` but for rounding.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from deblur_jax.fast.bordered import Bordered, Change, among_zeros, whole
from deblur_jax.fast.convolution import DIMENSIONS
from deblur_jax.fast.sums import GROUP
from deblur_jax.models.extent import Extent

Array = TypeVar("Array", jax.Array, np.ndarray)

# Numbers that a strip's products may be, 10 MB: fewer rows have too little to divide between cores.
CACHED = 2_500_000
# Which taps of a transposed 3x3 kernel of stride 2 reach a result of even and of odd place, as
# (tap, input's offset). The result of JAX's padding (1, 2) begins with an even place, as PyTorch
# aligns it; of (2, 1), TensorFlow's 'SAME', with an odd one.
_TAPS = {
    "transpose": (((1, 0),), ((0, 0), (2, 1))),
    "transpose_same": (((0, -1), (2, 0)), ((1, 0),)),
}


def convolve(
    x: jax.Array, kernel: jax.Array, stride: int = 1, pad: tuple[int, int] = (0, 0)
) -> jax.Array:
    """A plain convolution: `[B, H, W, I]` by `[h, w, I, O]`, `pad` zeros before and after."""
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), (pad, pad), dimension_numbers=DIMENSIONS
    )


def instance_scale(
    x: jax.Array, epsilon: float, extent: Extent | None = None
) -> tuple[jax.Array, jax.Array]:
    """Scale and shift, `[B, 1, 1, C]` each, with which x * scale + shift is instance-normalised.

    One pass over x: sums of its distance from the mean of a few pixels and of that distance's
    square, which keeps its digits where a mean is large against the deviation. Where an `extent` is
    given, of the pixels within it.
    """
    batch, height, width, channels = x.shape
    flat = x.reshape(batch, height * width, channels)
    step = max(1, height * width // GROUP)
    own, count = None, jnp.float32(height * width)
    if extent is not None:
        own = extent.mask(x).reshape(batch, height * width, 1).astype(x.dtype)
        rows, columns = extent.sides(x)
        count = (rows * columns).astype(x.dtype)[:, None, None]
    # Of a few pixels, as any one may lie far from all others.
    few = flat[:, ::step] if own is None else flat[:, ::step] * own[:, ::step]
    origin = few.mean(1, keepdims=True)
    mean, square = (total / count for total in _sums(flat, origin, own))
    scale = lax.rsqrt(jnp.maximum(square - mean * mean, 0) + epsilon)
    return scale[:, None], (-(mean + origin) * scale)[:, None]


def _sums(flat: jax.Array, origin: jax.Array, own: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Sums of the distances from `origin` and of their squares: `[B, N, C]` to `[B, 1, C]` each.

    In groups of pixels first, for the reason that `sums` gives; `sums.total` twice would be two
    passes, and no derivative is asked for here. `own`, `[B, N, 1]`, is 0 where a pixel is left out.
    """
    batch, count, channels = flat.shape
    whole = count // GROUP * GROUP
    away = flat - origin if own is None else (flat - origin) * own
    distance, rest = away[:, :whole].reshape(batch, -1, GROUP, channels), away[:, whole:]
    parts = (jnp.sum(distance, 2), jnp.sum(distance * distance, 2))
    parts = lax.optimization_barrier(parts)
    ends = (rest, rest * rest)
    first, second = (
        jnp.sum(part, 1, keepdims=True) + jnp.sum(end, 1, keepdims=True)
        for part, end in zip(parts, ends, strict=True)
    )
    return first, second


def convolve_from_few(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution without padding of few channels: two pixels at a time.

    A pair's channels stand side by side in memory, so that twice as many numbers are read in a row.

    Args:
      x: `[B, H, W, I]`.
      kernel: `[h, w, I, O]`.

    Returns:
      `[B, H - h + 1, W - w + 1, O]`.
    """
    height, width, channels, features = kernel.shape
    batch, columns = x.shape[0], x.shape[2] - width + 1
    pairs, span = -(-columns // 2), -(-(width + 1) // 2)  # of results; pairs of pixels they see
    x = jnp.pad(x, ((0, 0), (0, 0), (0, 2 * (pairs + span - 1) - x.shape[2]), (0, 0)))
    x = lax.optimization_barrier(x.reshape(batch, -1, pairs + span - 1, 2 * channels))
    both = [  # what each result of a pair sees of their common pixels
        jnp.pad(kernel, ((0, 0), (first, 2 * span - width - first), (0, 0), (0, 0)))
        for first in (0, 1)
    ]
    wide = jnp.stack(both, 3).reshape(height, span, 2 * channels, 2 * features)
    return convolve(x, wide).reshape(batch, -1, 2 * pairs, features)[:, :, :columns]


def halve(x: Bordered, kernel: jax.Array) -> jax.Array:
    """A convolution of stride 2 without padding, of what is made strip by strip.

    Args:
      x: `[B, H, W, I]`.
      kernel: `[h, w, I, O]`.

    Returns:
      `[B, (H - h) // 2 + 1, (W - w) // 2 + 1, O]`.
    """
    side, height = kernel.shape[0], (x.shape[1] - kernel.shape[0]) // 2 + 1

    def part(top: Any, rows: int) -> jax.Array:
        return convolve(x.strip(2 * top, 2 * (rows - 1) + side), kernel, 2)

    # Two rows are read for one, and the convolution has a copy of them.
    return _in_strips(part, x.x, height, 4 * x.shape[2] * x.shape[3])


def by_taps(kernel: Array) -> Array:
    """A kernel `[h, w, I, O]` as the matrix `[I, h w O]` of all products of a pixel."""
    return kernel.transpose(2, 0, 1, 3).reshape(kernel.shape[2], -1)


def double(
    x: jax.Array,
    matrix: jax.Array,
    kind: str,
    change: Change | None = None,
    extent: Extent | None = None,
) -> jax.Array:
    """A transposed 3x3 convolution of stride 2: each pixel's products first, then sums of these.

    No product is with one of the zeros between pixels, or with more taps than reach a result.

    Args:
      x: `[B, H, W, I]`.
      matrix: `[I, 9 O]`, of a kernel `[3, 3, I, O]` by its taps, as `lax.conv_general_dilated`
        takes it with an input dilation of 2. Of 256 channels to turn it takes a millisecond.
      kind: `transpose` or `transpose_same`, see `GeneratorConfig.upsample`.
      change: of pixels, each by itself, beforehand.
      extent: beyond it are zeros.

    Returns:
      `[B, 2 H, 2 W, O]`.
    """
    batch, height, width, _ = x.shape
    features, taps = matrix.shape[1] // 9, _TAPS[kind]
    before, after = (1, 0) if kind == "transpose_same" else (0, 1)
    around = among_zeros(x, before, after, change, extent)

    def part(top: Any, rows: int) -> jax.Array:
        products = _product(around.strip(top, rows + 1), matrix)

        def tap(i: int, j: int, down: int, across: int) -> jax.Array:
            own = products[:, before + down :, before + across :]
            place = (3 * i + j) * features
            return own[:, :rows, :width, place : place + features]

        def both_columns(down: tuple[tuple[int, int], ...]) -> jax.Array:
            ways = [[(i, j, y, x) for i, y in down for j, x in across] for across in taps]
            return jnp.concatenate([sum((tap(*way) for way in own), 0.0) for own in ways], -1)

        y = jnp.stack([both_columns(down) for down in taps], 2)
        return y.reshape(batch, 2 * rows, 2 * width, features)

    return _in_strips(part, x, height, x.shape[2] * matrix.shape[1], times=2)


def convolve_to_few(x: jax.Array | Bordered, kernel: jax.Array) -> jax.Array:
    """A convolution without padding to few channels: each pixel's products first, then their sums.

    A product with a matrix of so few columns as there are channels leaves most of a vector unused;
    with all taps at once it has many.

    Args:
      x: `[B, H, W, I]`, or what makes that strip by strip.
      kernel: `[h, w, I, O]`.

    Returns:
      `[B, H - h + 1, W - w + 1, O]`.
    """
    height, width, _, features = kernel.shape
    columns = x.shape[2] - width + 1
    matrix, row = by_taps(kernel), width * features
    around = x if isinstance(x, Bordered) else whole(x)

    def part(top: Any, rows: int) -> jax.Array:
        products = _product(around.lines(top, rows + height - 1), matrix)
        y = sum((products[:, i : i + rows, :, i * row :][..., :row] for i in range(height)), 0.0)
        # The border to the sides is that of the sums, which are a third as many numbers.
        y = around.across(lax.optimization_barrier(y))
        own = [y[:, :, j : j + columns, j * features :][..., :features] for j in range(width)]
        return sum(own[1:], own[0])

    return _in_strips(part, around.x, x.shape[1] - height + 1, x.shape[2] * matrix.shape[1])


def _product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    flat = lax.optimization_barrier(x.reshape(-1, x.shape[-1]) @ matrix)
    return flat.reshape(*x.shape[:-1], matrix.shape[1])


def _in_strips(
    part: Callable[[Any, int], jax.Array],
    x: jax.Array,
    height: int,
    numbers: int,
    *,
    times: int = 1,
) -> jax.Array:
    """`part` of strips of rows, so that what it needs for one stays in the cache.

    Args:
      part: maps the first of n rows, which may be traced, and n to `times` n rows of the result.
      x: `[B, H, W, I]`, what it reads.
      height: n of the whole.
      numbers: that it makes on the way for each row of a picture.
      times: rows of the result for one of n.
    """
    rows = max(1, CACHED // (x.shape[0] * numbers))
    if rows >= height:
        return part(0, height)

    def body(i: jax.Array, y: jax.Array) -> jax.Array:
        top = jnp.minimum(i * rows, height - rows)  # the last strip may overlap the one before
        return lax.dynamic_update_slice_in_dim(y, part(top, rows), times * top, axis=1)

    result = jax.eval_shape(lambda: part(0, rows))
    # Every number is replaced. Of zeros XLA would make a constant and keep it from the start on.
    filled = jnp.broadcast_to(x[0, 0, 0, 0], (x.shape[0], times * height, *result.shape[2:]))
    return lax.fori_loop(0, -(-height // rows), body, filled)
