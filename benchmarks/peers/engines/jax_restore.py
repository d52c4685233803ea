"""This project's generator: the pass that `latency` times; or in float64, as a reference."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import latency, networks, timing
from benchmarks.networks import Network
from benchmarks.peers import materials
from benchmarks.peers.engines.engine import Engine
from benchmarks.peers.job import Job
from deblur_jax import models

PACKAGES = ("jax", "jaxlib", "flax")


def start(job: Job, variant: str) -> Engine:
    """Loads the network; the variant `float64` wants JAX_ENABLE_X64=1."""
    network = networks.chosen(job.config, job.weights)
    x = jax.device_put(materials.picture(job))
    ready: latency.Compiled | None = None

    def compile_once() -> None:
        nonlocal ready
        with timing.fresh_compilation():
            ready = (in_float64 if variant == "float64" else latency.compiled)(
                network, x, "float32"
            )

    def call() -> jax.Array:
        assert ready is not None
        return jax.block_until_ready(ready.program(ready.params, x))

    return Engine(PACKAGES, compile_once, call, lambda y: {"picture": np.array(y)})


def in_float64(network: Network, x: jax.Array, precision: str) -> latency.Compiled:
    """The plain network; its result alone is rounded to float32, a matter of 6e-8."""
    del precision

    def forward(params: Any, x: jax.Array) -> jax.Array:
        own, stats = params
        wide = x.astype(jnp.float64)
        return models.apply_generator(
            own, wide, network.config, batch_stats=stats, dtype=jnp.float64
        )

    params = (network.params, network.batch_stats)
    wide = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), params)
    return latency.Compiled(0.0, jax.jit(forward), wide)
