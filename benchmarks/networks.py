"""A generator to be measured: of a configuration, with random parameters, or of weights."""

from typing import Any, NamedTuple

import jax

from benchmarks import config_file, random_values
from deblur_jax import models
from deblur_jax.models import GeneratorConfig, generator
from deblur_jax.training.recipe import generator_config
from deblur_jax.weights import registry


class Network(NamedTuple):
    """A generator with parameters on the device.

    Attributes:
      origin: `config` and `weights`, as they go into the JSON file; one of them is None.
      config: the generator's shape.
      params, batch_stats: as `models.apply_generator` takes them.
    """

    origin: dict[str, Any]
    config: GeneratorConfig
    params: Any
    batch_stats: Any


def random(name: str) -> Network:
    """The generator of a configuration file with random parameters."""
    config = generator_config(config_file.load(name))
    stats = generator.init_stats(config) or None
    origin = {"config": name, "weights": None}
    return Network(origin, config, random_values.generator(config), stats)


def trained(name: str) -> Network:
    """The generator of a shipped name, a weights file or a workdir."""
    weights = registry.load(name)
    origin = {"config": None, "weights": {"name": weights.name, "sha256": weights.sha256}}
    params, stats = jax.device_put((weights.params, weights.batch_stats or None))
    return Network(origin, weights.config, params, stats)


def chosen(config: str, weights: str | None) -> Network:
    """The generator that `command.add_network`'s arguments name."""
    return random(config) if weights is None else trained(weights)


def padded(height: int, width: int, config: GeneratorConfig) -> tuple[int, int]:
    """The smallest size, not below the given one, that the network takes."""
    multiple, least = models.size_multiple(config), models.minimum_size(config)
    rows, columns = (-(-max(side, least) // multiple) * multiple for side in (height, width))
    return rows, columns
