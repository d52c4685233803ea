"""Configurations of networks: what fits is kept, what does not is a usage error that names it."""

import dataclasses
import json

import pytest

from deblur_jax.errors import UsageError
from deblur_jax.models import CriticConfig, GeneratorConfig


def test_defaults_are_the_papers():
    config = GeneratorConfig()
    assert (config.generator, config.width, config.blocks) == ("resnet", 64, 9)
    assert (config.norm, config.norm_epsilon, config.dropout) == ("instance", 1e-5, 0.5)
    assert (config.output, config.upsample) == ("clip", "transpose")
    assert (CriticConfig().width, CriticConfig().norm) == (64, "instance")


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(width=8, blocks=0, norm="batch", norm_epsilon=1e-3, output="average"),
        GeneratorConfig(generator="unshuffle", norm="none", upsample="pixel_shuffle", dropout=0.0),
        GeneratorConfig(generator="nafnet", norm="none", outer_blocks=(1, 2, 3)),
        CriticConfig(width=16, norm="batch", norm_momentum=0.99),
    ],
)
def test_a_configuration_survives_json_and_can_be_hashed(config):
    again = type(config).from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config and hash(again) == hash(config)
    assert set(config.to_dict()) == {field.name for field in dataclasses.fields(config)}


def test_from_dict_keeps_the_defaults_of_what_is_absent():
    assert GeneratorConfig.from_dict({"width": 8}) == GeneratorConfig(width=8)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"generator": "unet"}, "model.generator is 'unet'; it can be resnet, unshuffle, nafnet"),
        ({"norm": "layer"}, "model.norm is 'layer'"),
        ({"output": "clamp"}, "model.output is 'clamp'; it can be clip, average, tanh"),
        ({"upsample": "nearest"}, "model.upsample is 'nearest'"),
        ({"width": 0}, "model.width is 0"),
        ({"width": "64"}, "model.width is '64'"),
        ({"width": 2.5}, "model.width is 2.5"),
        ({"blocks": -1}, "model.blocks is -1"),
        ({"dropout": 1.0}, "model.dropout is 1.0"),
        ({"dropout": float("nan")}, "model.dropout is nan"),
        ({"dropout": None}, "model.dropout is None"),
        ({"norm_epsilon": 0.0}, "model.norm_epsilon is 0.0"),
        ({"norm_momentum": -0.1}, "model.norm_momentum is -0.1"),
        ({"generator": "unshuffle"}, "model.generator 'unshuffle' has no normalisation"),
        ({"generator": "nafnet"}, "model.generator 'nafnet' has no normalisation"),
        ({"outer_blocks": 3}, "model.outer_blocks is 3; it must be whole numbers, (2, 4) say"),
        ({"outer_blocks": ()}, "model.outer_blocks is ()"),
        ({"outer_blocks": (2, -1)}, "model.outer_blocks is -1"),
        ({"downsample": "valid"}, "model.downsample is 'valid'; it can be symmetric, same"),
        ({"init": "he"}, "model.init is 'he'; it can be normal, glorot"),
        ({"block_convolutions": 3}, "model.block_convolutions is 3; it can be 1, 2"),
        ({"widht": 8}, "GeneratorConfig has no field 'widht'; it has block_convolutions, blocks"),
    ],
)
def test_what_a_generator_cannot_be_is_a_usage_error(fields, words):
    with pytest.raises(UsageError) as raised:
        GeneratorConfig.from_dict(fields)
    assert words in str(raised.value) and raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"norm": "layer"}, "model.norm is 'layer'"),
        ({"width": -3}, "model.width is -3"),
        ({"init": "zeros"}, "model.init is 'zeros'"),
        ({"norm_epsilon": -1e-5}, "model.norm_epsilon is -1e-05"),
        ({"norm_momentum": 1.5}, "model.norm_momentum is 1.5"),
        ({"blocks": 3}, "CriticConfig has no field 'blocks'"),
    ],
)
def test_what_a_critic_cannot_be_is_a_usage_error(fields, words):
    with pytest.raises(UsageError) as raised:
        CriticConfig.from_dict(fields)
    assert words in str(raised.value)
