"""Calls timed one by one, to the end of the device's work."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

WARMUPS = 2  # calls before the first timed one: allocators and caches settle


def repeat(
    call: Callable[[], Any],
    runs: int,
    *,
    warmups: int = WARMUPS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Times `call`, which is called exactly `warmups + runs` times.

    JAX returns before the device is done, so each call is followed by a wait for its result; the
    next one starts after that.

    Args:
      call: gives any tree of arrays.
      runs: timed calls, at least 1.
      warmups: calls before them that are not timed.
      clock: gives seconds.

    Returns:
      Seconds of each timed call, in their order.
    """
    if runs < 1:
        raise ValueError(f"runs is {runs}; it must be at least 1")
    for _ in range(warmups):
        jax.block_until_ready(call())
    return [once(call, clock=clock)[0] for _ in range(runs)]


def once(
    call: Callable[[], Any], *, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, Any]:
    """Seconds of one call, and its result, which is ready."""
    start = clock()
    result = jax.block_until_ready(call())
    return clock() - start, result


def summary(seconds: list[float]) -> dict[str, Any]:
    """`runs`, `median_s`, `p10_s`, `p90_s` (linear between order statistics), and all `seconds`."""
    p10, median, p90 = np.quantile(seconds, (0.1, 0.5, 0.9))
    return {
        "runs": len(seconds),
        "median_s": float(median),
        "p10_s": float(p10),
        "p90_s": float(p90),
        "seconds": [float(value) for value in seconds],
    }


@contextmanager
def fresh_compilation() -> Iterator[None]:
    """Leaves the compilation cache on disk alone, so that a compile time is one of compiling."""
    before = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
