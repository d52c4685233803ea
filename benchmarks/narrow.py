"""A function with its products taken of narrower numbers than it has.

What hardware would multiply as 8-bit numbers is emulated: both sides of each product are scaled,
rounded to the type's nearest number and scaled back, and the product is one of float32. Sums are
float32 in such hardware too.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

Rounding = Callable[[jax.Array, int | None], jax.Array]  # values, axis of the scales or None


def bfloat16(x: jax.Array, _axis: int | None) -> jax.Array:
    """To bfloat16's nearest, which needs no scale."""
    return x.astype(jnp.bfloat16).astype(x.dtype)


def float8(x: jax.Array, axis: int | None) -> jax.Array:
    """To float8_e4m3fn's nearest, four bits of precision, the largest value at its largest, 448."""
    scale = _largest(x, axis) / 448.0
    return (x / scale).astype(jnp.float8_e4m3fn).astype(x.dtype) * scale


def int8(x: jax.Array, axis: int | None) -> jax.Array:
    """To whole numbers from -127 to 127, the largest value at one of them."""
    scale = _largest(x, axis) / 127.0
    return jnp.round(x / scale) * scale


ROUNDINGS: dict[str, Rounding] = {"bfloat16": bfloat16, "float8_e4m3": float8, "int8": int8}


def _largest(x: jax.Array, axis: int | None) -> jax.Array:
    axes = None if axis is None else tuple(d for d in range(x.ndim) if d != axis)
    return jnp.maximum(jnp.abs(x).max(axes, keepdims=True), jnp.finfo(x.dtype).tiny * 1e4)


def narrowed(
    function: Callable[..., Any],
    rounding: Rounding,
    *,
    least: int = 0,
    thin: Rounding | None = None,
) -> Callable[..., Any]:
    """`function` with both sides of its convolutions and matrix products rounded.

    The left side, which is pictures, has one scale in all; the right side, a kernel, one for each
    channel of the result: what inference libraries do. Both are the best there are for the numbers
    at hand, so that what is lost is the least that can be.

    Args:
      function: of arrays, to arrays.
      rounding: of the products.
      least: products with fewer channels in or out than this are rounded by `thin`.
      thin: None leaves them as they are.
    """

    def operands(equation: Any, left: jax.Array, right: jax.Array) -> tuple[jax.Array, jax.Array]:
        given, made, axis = _channels(equation)
        chosen = rounding if min(given, made) >= least else thin
        return (left, right) if chosen is None else (chosen(left, None), chosen(right, axis))

    def call(*arguments: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _evaluate(closed, jax.tree.leaves(arguments), operands)
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return call


def _channels(equation: Any) -> tuple[int, int, int]:
    """Channels that a product sums over and makes, and the axis of the latter in its right side."""
    shape = equation.invars[1].aval.shape
    if equation.primitive.name == "conv_general_dilated":
        made, given = equation.params["dimension_numbers"].rhs_spec[:2]
        return shape[given], shape[made], made
    (_, contracted), (_, batched) = equation.params["dimension_numbers"]
    (made,) = set(range(len(shape))) - {*contracted, *batched}
    given = 1
    for axis in contracted:
        given *= shape[axis]
    return given, shape[made], made


def _evaluate(closed: Any, values: list[Any], operands: Callable[..., Any]) -> list[Any]:
    """Runs a traced program, `operands` between each product and what it multiplies."""
    known = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    known |= dict(zip(closed.jaxpr.invars, values, strict=True))

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else known[variable]

    for equation in closed.jaxpr.eqns:
        given = [read(variable) for variable in equation.invars]
        inner = list(_inner(equation.params))
        if equation.primitive.name in ("conv_general_dilated", "dot_general"):
            given[:2] = operands(equation, *given[:2])
        if equation.primitive.name == "scan":
            found = _scan(equation, given, operands)
        elif len(inner) == 1 and len(inner[0].jaxpr.invars) == len(given):
            found = _evaluate(inner[0], given, operands)  # a call of a function
        else:
            found = equation.primitive.bind(*given, **equation.params)
            found = found if equation.primitive.multiple_results else [found]
        known |= dict(zip(equation.outvars, found, strict=True))
    return [read(variable) for variable in closed.jaxpr.outvars]


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    for value in params.values():
        if isinstance(value, core.ClosedJaxpr):
            yield value


def _scan(equation: Any, given: list[Any], operands: Callable[..., Any]) -> list[Any]:
    fixed = equation.params["num_consts"]
    carried = equation.params["num_carry"]

    def body(carry: list[Any], sliced: list[Any]) -> tuple[list[Any], list[Any]]:
        found = _evaluate(equation.params["jaxpr"], [*given[:fixed], *carry, *sliced], operands)
        return found[:carried], found[carried:]

    carry, stacked = jax.lax.scan(
        body,
        given[fixed : fixed + carried],
        given[fixed + carried :],
        length=equation.params["length"],
        reverse=equation.params["reverse"],
    )
    return [*carry, *stacked]
