"""docs/presets.md against the configurations, and what each source did against both."""

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
from ml_collections import ConfigDict

from configs import default, seed_report

PAGE = Path(__file__).resolve().parents[1] / "docs" / "presets.md"
GROUPS = ("data", "model", "loss", "train", "evaluate")


def table() -> tuple[list[str], dict[str, list[str]]]:
    """The page's columns, and its rows by field."""
    first = PAGE.read_text().partition("\n## ")[0]  # another table stands under the next heading
    lines = [line for line in first.splitlines() if line.startswith("|")]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    head, _, *rows = cells
    return head[1:], {row[0]: row[1:] for row in rows}


def preset(name: str) -> Any:
    module, _, argument = name.partition(":")
    get_config = importlib.import_module(f"configs.{module}").get_config
    return get_config(argument) if argument else get_config()


COLUMNS, ROWS = table()
CONFIGS = {name: preset(name) for name in COLUMNS}


def field(config: Any, name: str) -> Any:
    for key in name.split("."):
        config = config[key]
    return config


def names(group: Any, prefix: str) -> list[str]:
    """The fields of a group and of the groups within it."""
    found = []
    for key, value in group.items():
        own = f"{prefix}.{key}"
        found += names(value, own) if isinstance(value, ConfigDict) else [own]
    return found


def test_the_columns_are_the_sources_and_best() -> None:
    assert COLUMNS == [
        "paper", "official_2018", "seed_report:vgg19", "seed_report:as_trained", "seed_code", "best"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_each_cell_is_what_the_configuration_holds(name: str) -> None:
    for column, cell in zip(COLUMNS, ROWS[name], strict=True):
        value = field(CONFIGS[column], name)
        written = cell if isinstance(value, str) else ast.literal_eval(cell)
        assert ("" if written == "''" else written) == value, column
        assert isinstance(written, type(value)), column


def test_no_difference_is_left_out() -> None:
    different = {
        name
        for group in GROUPS
        for name in names(default.get_config()[group], group)
        if len({str(field(config, name)) for config in CONFIGS.values()}) > 1
    }
    assert different == set(ROWS)


def test_vgg16_differs_in_the_network_alone() -> None:
    sixteen, nineteen = (seed_report.get_config(name) for name in ("vgg16", "vgg19"))
    assert (sixteen.loss.vgg, nineteen.loss.vgg) == ("vgg16", "vgg19")
    sixteen.loss.vgg, sixteen.preset = "vgg19", nineteen.preset
    assert sixteen.to_json() == nineteen.to_json()
    assert seed_report.get_config().to_json() == nineteen.to_json()


def test_a_variant_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="no variant 'vgg11'; it has vgg19, vgg16, as_trained"):
        seed_report.get_config("vgg11")


# What the sources did, from the descriptions of their code, apart from how a preset is written.
SAID = {
    "paper": {
        "train.batch_size": 1, "train.critic_steps": 5, "loss.perceptual_weight": 100,
        "loss.gradient_penalty_weight": 10, "train.learning_rate": 1e-4, "train.decay_start": 0.5,
        "loss.gradient_penalty_norm": "sample", "loss.gradient_penalty_alpha": "sample",
        "loss.vgg_tap": "relu3_3", "data.protocol": "half", "data.crop": 256,
        "train.steps": 300 * 2103, "model.norm": "instance", "model.output": "clip",
        "train.average_decay": 0, "loss.pixel_weight": 0,
    },
    "official_2018": {
        "model.norm": "instance", "model.norm_epsilon": 1e-5, "model.output": "clip",
        "model.upsample": "transpose", "model.downsample": "symmetric", "model.init": "normal",
        "model.dropout": 0.5, "model.block_convolutions": 2, "model.critic_last_convolution": True,
        "train.critic_data": "same", "train.critic_dropout": "generator", "train.critic_steps": 5,
        "loss.gradient_penalty_norm": "pixel", "loss.gradient_penalty_reduce": "sum",
        "loss.gradient_penalty_alpha": "batch", "loss.gradient_penalty_weight": 10,
        "loss.perceptual": "mse", "loss.perceptual_weight": 100, "loss.vgg": "vgg19",
        "loss.vgg_source": "torchvision", "loss.vgg_tap": "conv3_3",
        "loss.vgg_preprocessing": "none", "train.adam_b1": 0.5, "train.adam_b2": 0.999,
        "train.decay_every": 2103, "train.decay_start": 0.5, "train.batch_size": 1,
        "data.augment": "flip", "data.protocol": "half", "data.crop_last": False,
        "evaluate.protocol": "half", "evaluate.dropout": False,
    },
    "seed_report:as_trained": {
        "model.norm": "batch", "model.output": "average", "train.critic_dropout": "own",
        "loss.perceptual": "mse", "loss.vgg_source": "random", "train.steps": 22 * 2103 // 2,
        "data.protocol": "resize256", "data.protocol_filter": "nearest",
        "train.pretrain_generator_steps": 0, "train.critic_data": "same",
    },
    "seed_report:vgg19": {
        "model.norm": "instance", "model.output": "average", "data.protocol": "full",
        "data.crop": 256, "loss.vgg_source": "keras", "loss.perceptual": "mse",
        "loss.perceptual_weight": 1e5, "loss.gradient_penalty_norm": "sample",
        "loss.gradient_penalty_alpha": "sample", "train.steps": 20 * 2103 // 2,
        "train.schedule": "constant", "train.batch_size": 2,
    },
    "seed_code": {
        "model.norm": "batch", "model.norm_epsilon": 1e-3, "model.norm_momentum": 0.99,
        "model.output": "clip", "model.upsample": "transpose_same", "model.init": "glorot",
        "model.downsample": "symmetric", "model.critic_norm": "batch",
        "model.critic_last_convolution": False, "train.critic_batches": "joint",
        "train.critic_data": "same", "train.critic_dropout": "none", "train.batch_size": 2,
        "train.steps": 10 * 2103 // 2, "train.schedule": "constant", "train.learning_rate": 1e-4,
        "loss.perceptual": "l1", "loss.perceptual_weight": 1e5, "loss.vgg_tap": "relu3_3",
        "loss.vgg_preprocessing": "none", "loss.gradient_penalty_norm": "pixel",
        "loss.gradient_penalty_reduce": "sum", "loss.gradient_penalty_alpha": "batch",
        "data.protocol": "resize256", "data.protocol_filter": "nearest", "data.augment": "none",
        "evaluate.protocol": "resize256",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_a_preset_does_what_its_source_did(name: str) -> None:
    for key, value in SAID[name].items():
        assert field(CONFIGS[name], key) == value, key
