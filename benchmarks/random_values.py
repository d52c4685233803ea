"""Parameters for timing: of the right shapes and sizes, made without compiling anything."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax import models
from deblur_jax.models import GeneratorConfig
from deblur_jax.training.state import Recipe, TrainState, init_state


def parameters(shapes: Any) -> Any:
    """Fills a tree of shapes with values that keep activations at a usual size.

    Kernels are He-normal (variance 2 / fan-in, so nothing fades into slow denormal numbers), scales
    are 1, biases 0. The networks' own draws would compile some dozen programs, which takes a CPU
    longer than the passes to be timed.

    Args:
      shapes: parameters as `jax.eval_shape` gives them.

    Returns:
      The same tree of arrays on the device.
    """
    rng = np.random.default_rng(0)

    def fill(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> jax.Array:
        kind = path[-1].key
        if kind == "kernel":
            deviation = np.sqrt(2 / np.prod(leaf.shape[:-1]))
            return jnp.array(deviation * rng.standard_normal(leaf.shape), leaf.dtype)
        return jnp.array(np.full(leaf.shape, 1 if kind == "scale" else 0), leaf.dtype)

    return jax.tree_util.tree_map_with_path(fill, shapes)


def generator(config: GeneratorConfig) -> Any:
    """A generator's parameters."""
    return parameters(jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config)))


def train_state(recipe: Recipe) -> TrainState:
    """The state of a run at step 0, with moments and averages of zero."""
    shapes = jax.eval_shape(lambda: init_state(jax.random.key(0), recipe))
    zeros = jax.tree.map(lambda s: jnp.array(np.zeros(s.shape), s.dtype), shapes)
    return zeros._replace(generator=parameters(shapes.generator), critic=parameters(shapes.critic))
