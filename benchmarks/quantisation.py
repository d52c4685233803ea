"""A function with its products taken of coarser numbers than it has: fake quantisation.

What hardware would multiply as 8-bit numbers is emulated: both sides of each product are scaled,
rounded to the type's nearest number and scaled back, and the product is one of float32. Sums are
float32 in such hardware, too.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from benchmarks import operations

# Values, and the axes along which each place has a scale of its own.
Rounding = Callable[[jax.Array, tuple[int, ...]], jax.Array]
# Primitives that do nothing but run one program on their operands, with the name of that program
# among their parameters. What else has programs inside is refused, if these have products.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
}


def bfloat16(x: jax.Array, _axes: tuple[int, ...]) -> jax.Array:
    """To bfloat16's nearest, which needs no scale."""
    return lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7)


def float8(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """To float8_e4m3fn's nearest, four bits of precision, the largest value at its largest, 448."""
    scale = _largest(x, axes) / 448.0
    return (x / scale).astype(jnp.float8_e4m3fn).astype(x.dtype) * scale


def int8(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """To whole numbers from -127 to 127, the largest value at one of them."""
    scale = _largest(x, axes) / 127.0
    return jnp.round(x / scale) * scale


ROUNDINGS: dict[str, Rounding] = {"bfloat16": bfloat16, "float8_e4m3": float8, "int8": int8}


def _largest(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    others = tuple(axis for axis in range(x.ndim) if axis not in axes)
    # Where all are zero any scale does.
    return jnp.maximum(jnp.abs(x).max(others, keepdims=True), jnp.finfo(x.dtype).tiny * 1e4)


def quantised(
    function: Callable[..., Any],
    rounding: Rounding,
    *,
    least_channels: int = 0,
    otherwise: Rounding | None = None,
) -> Callable[..., Any]:
    """`function` with both sides of its convolutions and matrix products rounded.

    The left side, which is pictures, has one scale in all; the right side, a kernel, one for each
    channel of the result: what inference libraries do. Both are the best there are for the numbers
    at hand, so that what is lost is the least that can be.

    Args:
      function: of arrays, to arrays.
      rounding: of the products.
      least_channels: products with fewer channels in or out are rounded by `otherwise`.
      otherwise: None leaves them as they are.

    Returns:
      A function of the same arguments. It raises ValueError where there are products in what this
      module cannot take apart: a condition, a loop of no fixed length.
    """

    def operands(equation: Any, left: jax.Array, right: jax.Array) -> tuple[jax.Array, jax.Array]:
        channels, features, axes = _channels(equation)
        chosen = rounding if min(channels, features) >= least_channels else otherwise
        return (left, right) if chosen is None else (chosen(left, ()), chosen(right, axes))

    def call(*arguments: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        with jax.default_matmul_precision("highest"):  # accelerators would round them once more
            results = _run(closed, jax.tree.leaves(arguments), operands)
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return call


def _channels(equation: Any) -> tuple[int, int, tuple[int, ...]]:
    """Numbers that a product sums over and channels it makes, and the latter's axes on its right.

    Of a convolution's kernel the taps are not counted.
    """
    shape = equation.invars[1].aval.shape
    if equation.primitive.name == "conv_general_dilated":
        features, channels = equation.params["dimension_numbers"].rhs_spec[:2]
        return shape[channels], shape[features], (features,)
    (_, contracted), (_, batched) = equation.params["dimension_numbers"]
    axes = tuple(sorted(set(range(len(shape))) - {*contracted, *batched}))
    return math.prod(shape[a] for a in contracted), math.prod(shape[a] for a in axes), axes


def _run(program: Any, values: Sequence[Any], operands: Callable[..., Any]) -> list[Any]:
    """Runs a traced program, `operands` between each product and what it multiplies."""
    jaxpr, constants = (
        (program.jaxpr, program.consts) if isinstance(program, core.ClosedJaxpr) else (program, ())
    )
    known = dict(zip(jaxpr.constvars, constants, strict=True))
    known |= dict(zip(jaxpr.invars, values, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else known[variable]

    for equation in jaxpr.eqns:
        given, name = [read(variable) for variable in equation.invars], equation.primitive.name
        if name in _CALLS:
            found = _run(equation.params[_CALLS[name]], given, operands)
        elif name == "scan":
            found = _scan(equation, given, operands)
        else:
            if name in operations.PRODUCTS:
                given[:2] = operands(equation, *given[:2])
            elif operations.of_equation(equation).flops != 0:
                raise ValueError(f"products within '{name}' cannot be rounded")
            found = equation.primitive.bind(*given, **equation.params)
            found = found if equation.primitive.multiple_results else [found]
        known |= dict(zip(equation.outvars, found, strict=True))
    return [read(variable) for variable in jaxpr.outvars]


def _scan(equation: Any, given: list[Any], operands: Callable[..., Any]) -> list[Any]:
    params = equation.params
    fixed, carried = params["num_consts"], params["num_carry"]

    def body(carry: list[Any], sliced: list[Any]) -> tuple[list[Any], list[Any]]:
        found = _run(params["jaxpr"], [*given[:fixed], *carry, *sliced], operands)
        return found[:carried], found[carried:]

    carry, stacked = lax.scan(
        body,
        given[fixed : fixed + carried],
        given[fixed + carried :],
        **{name: params[name] for name in ("length", "reverse", "unroll")},
    )
    return [*carry, *stacked]
