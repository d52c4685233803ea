"""The generator's other layers in the formulations that XLA:CPU is quickest at, for restoring.

Each equals its plain counterpart in `models.layers` but for rounding.
"""

import jax
import jax.numpy as jnp
from jax import lax

from deblur_jax.fast.convolution import DIMENSIONS
from deblur_jax.fast.sums import GROUP
from deblur_jax.models.extent import Extent

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


def double(x: jax.Array, kernel: jax.Array, kind: str) -> jax.Array:
    """A transposed 3x3 convolution of stride 2 as two plain ones, of the even and the odd rows.

    Each gives both columns of a pair as channels that already lie side by side, which takes 12
    products where 9 would do, the rest by zeros, and is quicker than one convolution for each of
    the four places in 2x2, whose results have to be put together.

    Args:
      x: `[B, H, W, I]`.
      kernel: `[3, 3, I, O]`, as `lax.conv_general_dilated` takes it with an input dilation of 2.
      kind: `transpose` or `transpose_same`, see `GeneratorConfig.upsample`.

    Returns:
      `[B, 2 H, 2 W, O]`.
    """
    batch, height, width, _ = x.shape
    taps = _TAPS[kind]
    before, after = (1, 0) if kind == "transpose_same" else (0, 1)
    around = jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    around = lax.optimization_barrier(around)
    zero = jnp.zeros_like(kernel[0, 0])

    def both_columns(i: int) -> jax.Array:
        """A row of the kernel for two pixels, which give two results: `[2, I, 2 O]`."""
        seen = [{offset + before: kernel[i, j] for j, offset in column} for column in taps]
        return jnp.stack(
            [jnp.concatenate([own.get(place, zero) for own in seen], -1) for place in (0, 1)]
        )

    def row(down: tuple[tuple[int, int], ...]) -> jax.Array:
        top, rows = down[0][1] + before, height + len(down) - 1
        some = jnp.stack([both_columns(i) for i, _ in down])
        y = convolve(around[:, top : top + rows], some)
        return y.reshape(batch, height, 2 * width, kernel.shape[3])

    return jnp.stack([row(down) for down in taps], 2).reshape(
        batch, 2 * height, 2 * width, kernel.shape[3]
    )


def convolve_to_few(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution without padding to few channels: each row of the kernel by itself, then sums.

    One convolution with the kernel's rows for channels, two pixels at a time, and as many shifted
    sums as it has rows: a matrix product with few columns leaves most of a vector unused.

    Args:
      x: `[B, H, W, I]`.
      kernel: `[h, w, I, O]`.

    Returns:
      `[B, H - h + 1, W - w + 1, O]`.
    """
    height, width, channels, features = kernel.shape
    batch, rows, columns = x.shape[0], x.shape[1] - height + 1, x.shape[2] - width + 1
    pairs, span = -(-columns // 2), -(-(width + 1) // 2)  # of results; pairs of pixels they see
    x = jnp.pad(x, ((0, 0), (0, 0), (0, 2 * (pairs + span - 1) - x.shape[2]), (0, 0)))
    x = x.reshape(batch, -1, pairs + span - 1, 2 * channels)
    by_row = kernel.transpose(1, 2, 0, 3)
    both = [  # what each result of a pair sees of their common pixels
        jnp.pad(by_row, ((first, 2 * span - width - first), *[(0, 0)] * 3)) for first in (0, 1)
    ]
    wide = jnp.stack(both, 3).reshape(1, span, 2 * channels, height * 2 * features)
    y = lax.optimization_barrier(convolve(x, wide))
    y = y.reshape(batch, -1, pairs, height, 2 * features)
    total = y[:, :rows, :, 0]
    for i in range(1, height):
        total = total + y[:, i : i + rows, :, i]
    return total.reshape(batch, rows, 2 * pairs, features)[:, :, :columns]
