"""A critic's file: what is saved comes back, and neither kind of file passes for the other."""

import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from deblur_jax import models
from deblur_jax.errors import UserError
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.weights import registry, tensor_file

CONFIG = CriticConfig(width=2, norm="batch", norm_epsilon=1e-3)


def params_of(init, config):
    shapes = jax.eval_shape(lambda: init(jax.random.key(0), config))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda s: rng.standard_normal(s.shape, np.float32), shapes)


@pytest.fixture
def critic(tmp_path):
    path = tmp_path / "critic.safetensors"
    params = params_of(models.init_critic, CONFIG)
    registry.save_critic(path, CONFIG, params, card={"a": [1]}, dtype=np.float32)
    return path, params


def test_what_is_saved_comes_back(critic):
    path, params = critic
    weights = registry.load_critic(path)
    assert (weights.name, weights.config, weights.card) == ("critic", CONFIG, {"a": [1]})
    jax.tree.map(np.testing.assert_array_equal, weights.params, params)
    assert tensor_file.kind_of(path) == "critic"


def test_each_kind_says_what_it_is(tmp_path, critic):
    path, _ = critic
    with pytest.raises(UserError) as raised:
        registry.load(path)
    assert str(raised.value) == f"{path} holds a critic, not a generator"
    generator = tmp_path / "generator.safetensors"
    config = GeneratorConfig(width=2, blocks=1)
    registry.save(generator, config, params_of(models.init_generator, config))
    assert tensor_file.kind_of(generator) == "generator"
    with pytest.raises(UserError) as raised:
        registry.load_critic(generator)
    assert str(raised.value) == f"{generator} holds a generator, not a critic"


def test_other_files_are_of_no_kind(tmp_path, critic):
    path, _ = critic
    for number, data in enumerate([b"", b"text", path.read_bytes()[:100], b"\xff" * 100]):
        other = tmp_path / str(number)
        other.write_bytes(data)
        assert tensor_file.kind_of(other) is None
        with pytest.raises(UserError, match=f"cannot read weights from {other}"):
            registry.load_critic(other)
    assert tensor_file.kind_of(tmp_path) is None and tensor_file.kind_of(tmp_path / "no") is None
    with pytest.raises(UserError, match=f"cannot read weights from {tmp_path / 'no'}: no such"):
        registry.load_critic(tmp_path / "no")


def test_a_tensor_that_is_missing_is_named(critic):
    path, _ = critic
    words = path.read_bytes()
    size = int.from_bytes(words[:8], "little")
    header = json.loads(words[8 : 8 + size])["__metadata__"]
    tensors = load_file(path)
    del tensors["params/score/bias"]
    save_file(tensors, path, header)
    with pytest.raises(UserError, match="lacks the tensor score/bias of its critic"):
        registry.load_critic(path)
