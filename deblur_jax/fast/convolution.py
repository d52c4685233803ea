"""A convolution whose derivatives are matrix products, for backends that are slow at them.

XLA:CPU computes the gradient of a kernel on one thread and by a naive loop in some cases: 1280 ms
for the critic's 4x4 convolution from 256 to 512 channels at 128x128 pixels, and 10 ms as matrix
products; 335 and 386 ms for the generator's transposed convolutions, and 4 and 10 ms (jax 0.10.2,
two cores of Zen 3, 2026-11-24). Within a loop all derivatives with respect to the input are slow.

A convolution is bilinear in its input and its kernel, and so are its two gradients; the derivatives
of each of the three are the other two. So each is written once, in the form that is quickest, and
derivatives of any order are made of them. Only reverse mode is defined. Which three a convolution
has, `_forms` decides: 3x3 ones of many channels go by `fast.winograd`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from deblur_jax.fast import forms, winograd
from deblur_jax.fast.forms import Shape
from deblur_jax.fast.mapped import on_the_same_axes

# Dimensions' order that is understood: batch, height, width, channels; kernels HWIO.
DIMENSIONS = ("NHWC", "HWIO", "NHWC")
# Up to so many channels per channel of the result, products are taken before pixels are shifted.
_NARROW = 4
# Fewer input channels than this make products too thin for one of each tap.
_THIN = 16
# From so many channels on, of the input and the result, Winograd's transforms pay.
_WINOGRAD = 128


class _Forms(NamedTuple):
    """The three bilinear functions of a convolution, each closed under differentiation."""

    value: Callable[..., jax.Array]  # (shape, x, kernel)
    input_gradient: Callable[..., jax.Array]  # (shape, change of the result, kernel)
    kernel_gradient: Callable[..., jax.Array]  # (shape, x, change of the result)


def convolution(
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
    """Computes what `lax.conv_general_dilated` does, for plain and for transposed convolutions.

    Products are summed up in float32 at least, also where the arrays are bfloat16.

    Args:
      lhs: `[B, H, W, I]`.
      rhs: `[h, w, I, O]`, the kernel.
      window_strides: rows and columns from one window to the next.
      padding: zeros before and after the rows and the columns.
      lhs_dilation: makes a transposed convolution of that stride; then the windows' is 1.
      rhs_dilation, feature_group_count: 1 only.
      dimension_numbers: NHWC and HWIO only, as names or as `lax.ConvDimensionNumbers`.
      precision: None only.

    Returns:
      `[B, H', W', O]` in the dtype of `lhs`.

    Raises:
      ValueError: for a convolution of another kind.
    """
    strides, dilation = _pair(window_strides), _pair(lhs_dilation)
    known = lax.conv_dimension_numbers(lhs.shape, rhs.shape, DIMENSIONS)
    given = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    if given != known or _pair(rhs_dilation) != (1, 1) or feature_group_count != 1 or precision:
        raise ValueError("only NHWC convolutions without groups and dilated kernels are known")
    if isinstance(padding, str) or min(min(pads) for pads in padding) < 0:
        raise ValueError(f"padding must be pairs of numbers from 0 on, not {padding!r}")
    if dilation != (1, 1) and strides != (1, 1):
        raise ValueError("a transposed convolution cannot have a stride of its windows")
    rows, columns = ((int(before), int(after)) for before, after in padding)
    lhs, rhs = on_the_same_axes(lhs, rhs)
    if dilation != (1, 1):
        return _transposed(dilation, (rows, columns), lhs, rhs)
    kernel = tuple(rhs.shape)
    shape = Shape(strides, (rows, columns), tuple(lhs.shape[1:3]), kernel)  # type: ignore[arg-type]
    return _forms(shape).value(shape, lhs, rhs)


def _forms(shape: Shape) -> _Forms:
    height, width, channels, features = shape.kernel
    if features * _NARROW <= channels:
        return _NARROW_FORMS
    if (height, width, *shape.strides) == (3, 3, 1, 1) and min(channels, features) >= _WINOGRAD:
        return _WINOGRAD_FORMS
    return _WIDE_FORMS


def _pair(values: Sequence[int] | None) -> tuple[int, int]:
    rows, columns = (1, 1) if values is None else values
    return int(rows), int(columns)


def _plain(shape: Shape, x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, shape.strides, shape.padding, dimension_numbers=DIMENSIONS
    )


def _transpose_input(form: Callable[..., jax.Array], shape: Shape, change: Any, kernel: Any) -> Any:
    x = jnp.zeros((change.shape[0], *shape.size, shape.kernel[2]), change.dtype)
    x, _ = on_the_same_axes(x, change)
    return jax.vjp(lambda x: form(shape, x, kernel), x)[1](change)[0]


def _transpose_kernel(form: Callable[..., jax.Array], shape: Shape, x: Any, change: Any) -> Any:
    kernel, _ = on_the_same_axes(jnp.zeros(shape.kernel, x.dtype), change)
    return jax.vjp(lambda kernel: form(shape, x, kernel), kernel)[1](change)[0]


def _wide_kernel_gradient(shape: Shape, x: jax.Array, change: jax.Array) -> jax.Array:
    if shape.kernel[2] < _THIN:
        return _transpose_kernel(forms.gathered, shape, x, change)
    return forms.taps(shape, x, change)


def _closed(value: Any, input_gradient: Any, kernel_gradient: Any) -> _Forms:
    """Makes each of three bilinear functions the derivatives of the other two."""
    rule = functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    made = _Forms(rule(value), rule(input_gradient), rule(kernel_gradient))

    def define(function: Any, first: Callable[..., Any], second: Callable[..., Any]) -> None:
        """`first` and `second` give an argument's gradient: (shape, a, b, change)."""

        def backward(shape: Shape, saved: Any, change: jax.Array) -> tuple[Any, Any]:
            a, b = saved
            change, a = on_the_same_axes(change, a)
            return first(shape, a, b, change), second(shape, a, b, change)

        function.defvjp(lambda shape, a, b: (function(shape, a, b), (a, b)), backward)

    define(
        made.value,
        lambda shape, x, kernel, change: made.input_gradient(shape, change, kernel),
        lambda shape, x, kernel, change: made.kernel_gradient(shape, x, change),
    )
    define(
        made.input_gradient,
        lambda shape, change, kernel, x: made.value(shape, x, kernel),
        lambda shape, change, kernel, x: made.kernel_gradient(shape, x, change),
    )
    define(
        made.kernel_gradient,
        lambda shape, x, change, kernel: made.input_gradient(shape, change, kernel),
        lambda shape, x, change, kernel: made.value(shape, x, kernel),
    )
    return made


_WIDE_FORMS = _closed(
    _plain, functools.partial(_transpose_input, forms.gathered), _wide_kernel_gradient
)
_NARROW_FORMS = _closed(
    forms.scattered,
    functools.partial(_transpose_input, forms.scattered),
    functools.partial(_transpose_kernel, forms.scattered),
)


def _winograd_input_gradient(shape: Shape, change: jax.Array, kernel: jax.Array) -> jax.Array:
    padded = winograd.input_gradient(change, kernel)
    (top, _), (left, _) = shape.padding
    height, width = shape.size
    return padded[:, top : top + height, left : left + width]


_WINOGRAD_FORMS = _closed(
    lambda shape, x, kernel: winograd.value(forms.padded(x, *shape.padding), kernel),
    _winograd_input_gradient,
    lambda shape, x, change: winograd.kernel_gradient(forms.padded(x, *shape.padding), change),
)


def _plain_transposed(
    dilation: tuple[int, int], padding: forms.Padding, x: jax.Array, kernel: jax.Array
) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, (1, 1), padding, lhs_dilation=dilation, dimension_numbers=DIMENSIONS
    )


def _transposed_forward(dilation: Any, padding: Any, x: Any, kernel: Any) -> tuple[Any, Any]:
    return _plain_transposed(dilation, padding, x, kernel), (x, kernel)


def _transposed_backward(dilation: Any, padding: Any, saved: Any, change: Any) -> tuple[Any, Any]:
    """Seen from the result, the input is a convolution by the turned kernel, with its gradient."""
    x, kernel = saved
    change, x = on_the_same_axes(change, x)
    height, width, channels, features = kernel.shape
    before = (height - 1 - padding[0][0], width - 1 - padding[1][0])
    after = [
        (x.shape[side + 1] - 1) * dilation[side]
        + kernel.shape[side]
        - before[side]
        - change.shape[side + 1]
        for side in (0, 1)
    ]
    shape = Shape(
        dilation,
        ((before[0], after[0]), (before[1], after[1])),
        change.shape[1:3],
        (height, width, features, channels),
    )
    turned = forms.taps(shape, change, x)[::-1, ::-1].swapaxes(2, 3)
    plain = functools.partial(_plain_transposed, dilation, padding, kernel=kernel)
    return jax.vjp(plain, x)[1](change)[0], turned


_transposed = jax.custom_vjp(_plain_transposed, nondiff_argnums=(0, 1))
_transposed.defvjp(_transposed_forward, _transposed_backward)
