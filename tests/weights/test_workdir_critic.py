"""A run's critic: from its latest checkpoint, in the shape that its config.json tells."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from deblur_jax import models
from deblur_jax.errors import UserError
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.weights import registry
from deblur_jax.weights.checkpoints import Checkpoints

CONFIG = CriticConfig(width=2, norm="batch", norm_epsilon=1e-3, norm_momentum=0.8, init="glorot")
MODEL = {
    "width": 5,  # the generator's, as is all that has no prefix and is not shared
    "norm": "none",
    "norm_epsilon": 1e-3,
    "norm_momentum": 0.8,
    "init": "glorot",
    "critic_width": 2,
    "critic_norm": "batch",
    "critic_last_convolution": True,
}


def critic_params(seed):
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: models.init_critic(jax.random.key(0), CONFIG))
    return jax.tree.map(lambda s: rng.standard_normal(s.shape, np.float32), shapes)


def run(workdir: Path, *critics, model=MODEL) -> Path:
    """A workdir with a checkpoint for each of `critics`, at the steps 10, 20, …"""
    checkpoints = Checkpoints(workdir)
    meta = {"generator": GeneratorConfig().to_dict(), "averaged": False}
    for number, critic in enumerate(critics, 1):
        state = {"critic": critic, "generator": {"a": np.ones(2, np.float32)}}
        checkpoints.save(10 * number, state, meta)
    checkpoints.close()
    (workdir / "config.json").write_text(json.dumps({"model": model}))
    return workdir


def error_of(path) -> str:
    with pytest.raises(UserError) as raised:
        registry.load_critic(path)
    assert raised.value.exit_code == 1 and "\n" not in str(raised.value)
    return str(raised.value)


def test_the_latest_critic_is_loaded(tmp_path, monkeypatch):
    workdir = run(tmp_path / "run", critic_params(0), critic_params(1))
    weights = registry.load_critic(workdir)
    assert (weights.name, weights.config, weights.card) == ("run@20", CONFIG, {"step": 20})
    jax.tree.map(np.testing.assert_array_equal, weights.params, critic_params(1))
    other = registry.load_critic(run(tmp_path / "other", critic_params(0)))
    again = registry.load_critic(run(tmp_path / "again", critic_params(1)))
    assert again.sha256 == weights.sha256 != other.sha256
    monkeypatch.setenv("HOME", str(tmp_path))
    assert registry.load_critic("~/run").sha256 == weights.sha256
    registry.save_critic(tmp_path / "d.safetensors", CONFIG, critic_params(1), dtype=np.float32)
    jax.tree.map(
        np.testing.assert_array_equal,
        registry.load_critic("~/d.safetensors").params,
        weights.params,
    )


def test_a_run_without_a_critic_is_named(tmp_path):
    workdir = run(tmp_path / "run", {})
    assert error_of(workdir) == (
        f"{workdir} has no critic: its run trains none, as loss.adversarial_weight is 0"
    )


def test_folders_that_are_no_finished_run_are_named(tmp_path):
    assert "is not the workdir of a training run" in error_of(tmp_path)
    assert "has no complete checkpoint yet" in error_of(run(tmp_path / "run"))


def test_a_configuration_that_does_not_fit_is_named(tmp_path):
    workdir = run(tmp_path / "run", critic_params(0))
    path = workdir / "config.json"
    for change, words in (
        ({"critic_width": 3}, "has shape (4,), its critic wants (6,)"),
        ({"critic_last_convolution": False}, "has a tensor score/bias that its critic does not"),
        ({"critic_norm": "instance"}, "that its critic does not"),
        ({"critic_norm": "layer"}, f"{path} describes no critic: model.norm is 'layer'"),
        ({"critic_depth": 3}, f"{path} describes no critic: CriticConfig has no field"),
    ):
        path.write_text(json.dumps({"model": MODEL | change}))
        assert words in error_of(workdir)
    for text in ("{", "[]", "{}", '{"model": 3}', "\xff"):
        path.write_text(text, encoding="latin-1")
        assert f"{path} describes no critic" in error_of(workdir)
    path.unlink()
    assert error_of(workdir) == f"cannot read {path}: no such file or directory"


def test_a_damaged_checkpoint_is_named(tmp_path):
    workdir = run(tmp_path / "run", critic_params(0))
    (workdir / "checkpoints" / "10" / "state" / "_METADATA").write_text("{")
    assert "cannot read checkpoint 10 in" in error_of(workdir)
