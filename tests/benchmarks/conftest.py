"""What several benchmarks' tests need."""

from pathlib import Path

import jax
import numpy as np
import pytest

from deblur_jax import models
from deblur_jax.weights import registry


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """A file of weights so small that restoring with them takes no time."""
    config = models.GeneratorConfig(width=2, blocks=0)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    path = tmp_path / "small.safetensors"
    registry.save(path, config, jax.tree.map(lambda s: np.full(s.shape, 0.01), shapes))
    return str(path)
