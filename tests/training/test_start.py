"""Starting a run from weights that exist."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from configs import tiny
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import CriticConfig, GeneratorConfig, init_critic, init_generator
from deblur_jax.models.generator import init_stats
from deblur_jax.training.recipe import critic_config, generator_config, make_recipe
from deblur_jax.training.start import start_state
from deblur_jax.training.state import init_state
from deblur_jax.weights import registry


def drawn(init: Any, config: Any, seed: int = 9) -> Any:
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: init(jax.random.key(0), config))
    return jax.tree.map(lambda s: rng.normal(0, 0.1, s.shape).astype(np.float32), shapes)


def weights_file(path: Path, config: GeneratorConfig, **more: Any) -> str:
    registry.save(path, config, drawn(init_generator, config), dtype=np.float32, **more)
    return str(path)


def assert_same(a: Any, b: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_generator_critic_and_average_start_from_files(tmp_path: Path) -> None:
    config = tiny.get_config()
    scorer = critic_config(config)
    critic = drawn(init_critic, scorer)
    registry.save_critic(tmp_path / "critic.safetensors", scorer, critic, dtype=np.float32)
    config.train.start_from = weights_file(tmp_path / "g.safetensors", generator_config(config))
    config.train.start_critic_from = str(tmp_path / "critic.safetensors")
    recipe = make_recipe(config)
    state, fresh = start_state(config, recipe), init_state(jax.random.key(0), recipe)
    assert_same(state.generator, drawn(init_generator, recipe.generator))
    assert_same(state.average, state.generator)
    assert_same(state.critic, critic)
    assert int(state.step) == 0
    assert_same(state.generator_moments, fresh.generator_moments)
    assert np.abs(state.generator["tail"]["kernel"] - fresh.generator["tail"]["kernel"]).max() > 0.1


def test_moving_averages_come_along(tmp_path: Path) -> None:
    config = tiny.get_config()
    config.model.norm = "batch"
    network = generator_config(config)
    stats = jax.tree.map(lambda x: np.full_like(x, 0.25), init_stats(network))
    path = weights_file(tmp_path / "g.safetensors", network, batch_stats=stats)
    config.train.start_from = path
    assert_same(start_state(config, make_recipe(config)).batch_stats, stats)


def test_dropout_and_output_may_differ_and_nothing_else(tmp_path: Path) -> None:
    config = tiny.get_config()
    fields = generator_config(config).to_dict() | {"dropout": 0.0, "output": "average"}
    path = tmp_path / "g.safetensors"
    config.train.start_from = weights_file(path, GeneratorConfig.from_dict(fields))
    start_state(config, make_recipe(config))
    fields["upsample"] = "transpose_same"  # of the same shapes: nothing else would notice
    config.train.start_from = weights_file(path, GeneratorConfig.from_dict(fields))
    with pytest.raises(UsageError, match=r"has model\.upsample = 'transpose_same', not"):
        start_state(config, make_recipe(config))


def test_a_critic_of_another_kind_is_refused(tmp_path: Path) -> None:
    config = tiny.get_config()
    scorer, path = CriticConfig(width=8, norm="none"), tmp_path / "critic.safetensors"
    registry.save_critic(path, scorer, drawn(init_critic, scorer))
    config.train.start_critic_from = str(path)
    with pytest.raises(UsageError, match=r"has model\.critic_norm = 'none', not 'instance'"):
        start_state(config, make_recipe(config))
    config.loss.adversarial_weight = 0.0
    with pytest.raises(UsageError, match="and loss.adversarial_weight is 0".replace(".", r"\.")):
        start_state(config, make_recipe(config))


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    config = tiny.get_config()
    config.train.start_from = str(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no weights at"):
        start_state(config, make_recipe(config))
