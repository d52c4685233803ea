"""Presets: every one has every field, and fits the networks that it describes."""

import importlib
from pathlib import Path

import jax
import pytest

from configs import default
from deblur_jax.data.training_set import photograph_folders
from deblur_jax.models import init_critic, init_generator
from deblur_jax.training.recipe import critic_config, generator_config, make_recipe

NAMES = sorted(p.stem for p in Path(default.__file__).parent.glob("*.py") if p.stem != "__init__")


def count(init: object, config: object) -> int:
    shapes = jax.eval_shape(lambda: init(jax.random.key(0), config))  # type: ignore[operator]
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize("name", NAMES)
def test_presets_override_fields_that_exist(name: str) -> None:
    module = importlib.import_module(f"configs.{name}")
    config = module.get_config()
    assert set(config.keys()) == set(default.get_config().keys())
    assert config.preset.partition(":")[0] == name
    for group, fields in default.get_config().items():
        if group not in ("seed", "preset"):
            assert set(config[group].keys()) == set(fields.keys()), group
    assert f"--config=configs/{name}.py" in module.__doc__ or name == "default"
    generator_config(config)
    config.loss.vgg_source = "random"  # no weights are at hand
    make_recipe(config)


def test_the_papers_networks_have_the_papers_sizes() -> None:
    config = importlib.import_module("configs.paper").get_config()
    assert count(init_generator, generator_config(config)) == 11_378_179
    assert count(init_critic, critic_config(config)) == 2_764_737
    assert config.train.critic_steps == 5 and config.loss.gradient_penalty_weight == 10


def test_small_stays_small() -> None:
    config = importlib.import_module("configs.small").get_config()
    assert count(init_generator, generator_config(config)) <= 2_000_000
    data = config.data
    held_out = ("gopro_dev", "reds/test", "kodak24")
    trained_on = [folder for folder, _ in data.mixture]
    trained_on += [folder for folder, _ in photograph_folders(data.photographs)]
    assert not any(name in folder for name in held_out for folder in trained_on)
