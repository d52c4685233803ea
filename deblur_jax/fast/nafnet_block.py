"""A block of NAFNet for training on a CPU: `models.nafnet.Block` with its derivative by hand.

XLA:CPU sums over pixels on one core and without vectors, and a block has twenty-one such sums in
its derivative: what biases and the depthwise kernel's nine taps gain. Here biases' are products
with a row of ones, and the nine taps are taken in one loop, over groups of rows first (2 to 0.3 ms
in place of 41 to 8; 4 crops of 64x64x128 to 16x16x512, jax 0.10.2, two cores of Zen 5,
2026-11-27). Barriers keep XLA from computing again what is kept. A norm's scale and shift and the
weights of results go into the kernels beforehand, which their derivatives then pass through.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from deblur_jax.fast.mapped import on_the_same_axes
from deblur_jax.models.nafnet import NORM_EPSILON, gate

_ROWS = 8  # of a picture that are summed up at first
_bar = lax.optimization_barrier


class Kernels(NamedTuple):
    """A block's parameters, with its norms and weights within; float32."""

    expand_a: jax.Array  # [C, 2 C]
    expand_a_bias: jax.Array  # [2 C]
    depthwise: jax.Array  # [3, 3, 2 C]
    depthwise_bias: jax.Array  # [2 C]
    project_a: jax.Array  # [C, C]
    project_a_bias: jax.Array  # [C]
    expand_b: jax.Array  # [C, 2 C]
    expand_b_bias: jax.Array  # [2 C]
    project_b: jax.Array  # [C, C]
    project_b_bias: jax.Array  # [C]


def block(params: Mapping[str, Any], x: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
    """What `models.nafnet.Block` computes without dropout; reverse mode, once.

    Args:
      params: the block's, as `models.init_generator` draws them.
      x: `[B, H, W, C]`.
      dtype: of the numbers whose products are taken; sums and all else are float32.

    Returns:
      `[B, H, W, C]` in the dtype of `x`.
    """
    kernels = Kernels(
        *_normed(params, "a"),
        params["depthwise"]["kernel"],
        params["depthwise"]["bias"],
        *_weighted(params["project_a"]),
        *_normed(params, "b"),
        *_weighted(params["project_b"]),
    )
    pairs = [on_the_same_axes(x, kernel) for kernel in kernels]
    kernels = Kernels(*(kernel for _, kernel in pairs))
    return _block(dtype, pairs[0][0].astype(jnp.float32), kernels).astype(x.dtype)


def _normed(params: Mapping[str, Any], part: str) -> tuple[jax.Array, jax.Array]:
    """The layer behind a norm, with the norm's scale and shift."""
    own = params[f"expand_{part}"]
    scale, shift = params[f"norm_{part}_scale"], params[f"norm_{part}_shift"]
    return scale[:, None] * own["kernel"], shift @ own["kernel"] + own["bias"]


def _weighted(own: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    return own["kernel"] * own["weight"], own["bias"] * own["weight"]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _block(dtype: Any, x: jax.Array, own: Kernels) -> jax.Array:
    return _forward(dtype, x, own)[0]


def _forward(dtype: Any, x: jax.Array, own: Kernels) -> tuple[jax.Array, Any]:
    product = functools.partial(_product, dtype)
    normal_a, inverse_a = _norm(x)
    wide = _bar(product(normal_a, own.expand_a) + own.expand_a_bias)
    seen = _bar(_depthwise(wide, own.depthwise) + own.depthwise_bias)
    y = _bar(x + (product(_bar(gate(seen)), own.project_a) + own.project_a_bias))
    normal_b, inverse_b = _norm(y)
    second = _bar(product(normal_b, own.expand_b) + own.expand_b_bias)
    z = y + (product(_bar(gate(second)), own.project_b) + own.project_b_bias)
    return z, (own, normal_a, inverse_a, wide, seen, normal_b, inverse_b, second)


def _backward(dtype: Any, kept: Any, change: jax.Array) -> tuple[jax.Array, Kernels]:
    own, normal_a, inverse_a, wide, seen, normal_b, inverse_b, second = kept
    back, kernel = functools.partial(_back, dtype), functools.partial(_kernel, dtype)

    to_z = _bar(change)
    to_second = _bar(_gate_backward(second, back(to_z, own.project_b)))
    to_y = _bar(to_z + _norm_backward(normal_b, inverse_b, back(to_second, own.expand_b)))
    to_seen = _bar(_gate_backward(seen, back(to_y, own.project_a)))
    to_wide = _bar(_depthwise(to_seen, own.depthwise[::-1, ::-1]))
    to_x = to_y + _norm_backward(normal_a, inverse_a, back(to_wide, own.expand_a))
    return to_x, Kernels(
        expand_a=kernel(normal_a, to_wide),
        expand_a_bias=_total(to_wide),
        depthwise=_taps(wide, to_seen),
        depthwise_bias=_total(to_seen),
        project_a=kernel(_bar(gate(seen)), to_y),
        project_a_bias=_total(to_y),
        expand_b=kernel(normal_b, to_second),
        expand_b_bias=_total(to_second),
        project_b=kernel(_bar(gate(second)), to_z),
        project_b_bias=_total(to_z),
    )


_block.defvjp(_forward, _backward)


def _product(dtype: Any, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`x @ kernel`, of numbers in `dtype` and summed up in float32."""
    return jnp.matmul(x.astype(dtype), kernel.astype(dtype), preferred_element_type=jnp.float32)


def _back(dtype: Any, change: jax.Array, kernel: jax.Array) -> jax.Array:
    """What the input of `_product` gains."""
    return _bar(_product(dtype, change, kernel.T))


def _kernel(dtype: Any, x: jax.Array, change: jax.Array) -> jax.Array:
    """What the kernel of `_product` gains."""
    # Of two dimensions: of four, a transposed copy of `x` would be made.
    x, change = (y.astype(dtype).reshape(-1, y.shape[-1]) for y in (x, change))
    return lax.dot_general(x, change, (((0,), (0,)), ((), ())), preferred_element_type=jnp.float32)


def _norm(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Each pixel's channels with mean 0 and variance 1, and the factor that it took."""
    centred = x - _mean(x)
    inverse = lax.rsqrt(_mean(jnp.square(centred)) + NORM_EPSILON)
    return _bar(centred * inverse), inverse


def _norm_backward(normal: jax.Array, inverse: jax.Array, change: jax.Array) -> jax.Array:
    return inverse * (change - _mean(change) - normal * _mean(change * normal))


def _mean(x: jax.Array) -> jax.Array:
    """Of each pixel's channels."""
    # As a product: a sum over what lies innermost has no vectors.
    channels = x.shape[-1]
    return _bar(x @ jnp.full((channels, 1), 1 / channels, x.dtype))


def _total(x: jax.Array) -> jax.Array:
    """Of each channel's pixels: `[..., C]` to `[C]`."""
    flat = x.reshape(-1, x.shape[-1])
    return (jnp.ones((1, flat.shape[0]), x.dtype) @ flat)[0]


def _gate_backward(x: jax.Array, change: jax.Array) -> jax.Array:
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([change * second, change * first], axis=-1)


def _neighbours(x: jax.Array) -> list[jax.Array]:
    """`x` seen from each of the 3x3 neighbours, zeros beyond its borders."""
    height, width = x.shape[1:3]
    padded = _bar(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
    return [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]


def _depthwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    taps = kernel.reshape(9, -1)
    return sum(view * taps[i] for i, view in enumerate(_neighbours(x)))  # type: ignore[return-value]


def _taps(x: jax.Array, change: jax.Array) -> jax.Array:
    """What a depthwise kernel gains: `[B, H, W, C]` twice to `[3, 3, C]`."""
    views, height = _neighbours(x), x.shape[1]
    whole = height // _ROWS * _ROWS
    found = jnp.zeros((9, x.shape[-1]), x.dtype)
    for first, last, rows in ((0, whole, _ROWS), (whole, height, height - whole)):
        if first < last:
            within = slice(first, last)
            found = found + _nine([view[:, within] for view in views], change[:, within], rows)
    return found.reshape(3, 3, -1)


def _nine(views: list[jax.Array], change: jax.Array, rows: int) -> jax.Array:
    """Sums of nine products over the pixels, `[9, C]`, at first over `rows` rows."""
    batch, height, width, channels = change.shape
    grouped = batch, height // rows, rows, width, channels
    products = [(view * change).reshape(grouped) for view in views]
    zeros = [jnp.zeros((), change.dtype)] * len(products)

    def add(a: Any, b: Any) -> Any:
        return [x + y for x, y in zip(a, b, strict=True)]

    partial = lax.reduce(products, zeros, add, (2,))
    return jnp.stack([_total(_bar(each)) for each in partial])
