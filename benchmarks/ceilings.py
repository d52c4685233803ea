"""The most that the device does at the moment: products of matrices, and moving memory."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import timing
from deblur_jax import compiler
from deblur_jax.restore.network import PRECISIONS

# A matrix's side and an array's bytes: large enough that starting a program does not count, on an
# accelerator too.
SIDE = {"cpu": 2048, "other": 8192}
BYTES = {"cpu": 2**28, "other": 2**30}
RUNS = 7  # of which the best counts: a ceiling is what the device can do, not what it usually does

Clock = Callable[[], float]


def _on(table: dict[str, int]) -> int:
    return table.get(jax.default_backend(), table["other"])


def product(precision: str = "float32", *, clock: Clock = time.perf_counter) -> dict[str, Any]:
    """`product_side` of square matrices, and `product_gflop_per_s` of multiplying two of them.

    The precision is the operands'; how a float32 product is made is the backend's default, as it is
    in the network.
    """
    side, dtype = _on(SIDE), PRECISIONS[precision]
    rng = np.random.default_rng(0)
    a, b = (jnp.asarray(rng.standard_normal((side, side), np.float32), dtype) for _ in range(2))
    program = compiler.jit(jnp.matmul).lower(a, b).compile()
    best = min(timing.repeat(lambda: program(a, b), RUNS, clock=clock))
    return {"product_side": side, "product_gflop_per_s": 2 * side**3 / best / 1e9}


def copy(*, clock: Clock = time.perf_counter) -> dict[str, Any]:
    """`copy_mb` of an array, and `copy_gb_per_s` of reading and writing it, both counted.

    A number is added in place: new memory would cost the system's time to hand it out.
    """
    size = _on(BYTES)
    program = compiler.jit(lambda x: x + 1, donate_argnums=0)
    x = jnp.zeros(size // 4, jnp.float32)

    def advance() -> jax.Array:
        nonlocal x
        x = program(x)
        return x

    best = min(timing.repeat(advance, RUNS, clock=clock))
    return {"copy_mb": size / 1e6, "copy_gb_per_s": 2 * size / best / 1e9}
