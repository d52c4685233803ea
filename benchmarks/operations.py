"""What a function computes, counted in its trace: products, convolutions, and what they write."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from jax.extend import core

PRODUCTS = ("conv_general_dilated", "dot_general")  # JAX's primitives


class Operations(NamedTuple):
    """Of one call.

    Attributes:
      flops: floating-point operations of convolutions and matrix products, a multiplication and an
        addition being two; taps on a convolution's zero padding are counted, those on the zeros
        between the samples of a transposed one are not. None where a loop's length is not known.
      convolved_bytes: size of all results of convolutions together.
    """

    flops: int | None
    convolved_bytes: int


def count(function: Callable[..., Any], *arguments: Any) -> Operations:
    """Traces a function, for which shapes are enough, and counts; nothing is compiled or run."""
    return _of_jaxpr(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of_jaxpr(jaxpr: Any) -> Operations:
    total = Operations(0, 0)
    for equation in jaxpr.eqns:
        total = _sum(total, of_equation(equation))
    return total


def of_equation(equation: Any) -> Operations:
    """What an equation of a traced program computes, with all programs inside it."""
    kind = equation.primitive.name
    if kind == "conv_general_dilated":
        return Operations(_convolution_flops(equation), _bytes(equation.outvars[0].aval))
    if kind == "dot_general":
        return Operations(_product_flops(equation), 0)
    inner = [_of_jaxpr(jaxpr) for jaxpr in _inner(equation.params.values())]
    if kind == "cond":  # one of them runs
        return max(inner, key=lambda branch: math.inf if branch.flops is None else branch.flops)
    total = Operations(0, 0)
    for each in inner:
        total = _sum(total, each)
    if kind == "scan":
        return _times(total, equation.params["length"])
    if kind == "while" and total.flops:
        return total._replace(flops=None)
    return total


def _convolution_flops(equation: Any) -> int:
    result, kernel = equation.outvars[0].aval.shape, equation.invars[1].aval.shape
    features = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    taps = math.prod(kernel) // features
    return 2 * math.prod(result) * taps // math.prod(equation.params["lhs_dilation"])


def _product_flops(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[d] for d in contracted)


def _bytes(aval: Any) -> int:
    return math.prod(aval.shape) * aval.dtype.itemsize


def _inner(values: Any) -> Iterator[Any]:
    """The programs among an equation's parameters."""
    for value in values:
        if isinstance(value, core.ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, core.Jaxpr):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _inner(value)


def _sum(a: Operations, b: Operations) -> Operations:
    flops = None if a.flops is None or b.flops is None else a.flops + b.flops
    return Operations(flops, a.convolved_bytes + b.convolved_bytes)


def _times(a: Operations, times: int) -> Operations:
    return Operations(None if a.flops is None else a.flops * times, a.convolved_bytes * times)
