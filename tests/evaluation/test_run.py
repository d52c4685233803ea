"""Scoring a run: what its configuration says of the evaluation reaches it."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from configs import tiny
from deblur_jax.evaluation.run import evaluate_run
from deblur_jax.models import GeneratorConfig, init_generator
from deblur_jax.weights import registry

CONFIG = GeneratorConfig(width=4, blocks=1, dropout=0.5)


@pytest.fixture
def config(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pairs of noise, and a run whose weights are drawn."""
    shapes = jax.eval_shape(lambda: init_generator(jax.random.key(0), CONFIG))
    params = jax.tree.map(lambda s: rng.normal(0, 0.1, s.shape).astype(np.float32), shapes)
    weights = registry.Weights("run@4", "0" * 64, CONFIG, params, {}, {})
    monkeypatch.setattr(registry, "load", lambda workdir: weights)
    for folder in ("blur", "sharp"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        pixels = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pairs" / folder / "0.png")
    config = tiny.get_config()
    config.evaluate.pairs = str(tmp_path / "pairs")
    return config


def test_dropout_is_left_on_only_where_it_is_asked_for(config: Any, tmp_path: Path) -> None:
    def score() -> float:
        return evaluate_run(config, tmp_path / "run")["restored"]["psnr"]

    (tmp_path / "run").mkdir()
    plain = score()
    assert score() == plain
    config.evaluate.dropout = True
    dropped = score()
    assert dropped != plain and score() == dropped
    config.seed = 1
    assert score() not in (plain, dropped)


def test_the_filter_of_a_protocol_is_the_configurations(config: Any, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    config.evaluate.protocol = "half"
    found = []
    for name in ("bicubic", "nearest"):
        config.evaluate.protocol_filter = name
        found.append(evaluate_run(config, tmp_path / "run")["blurred"]["psnr"])
    # Averaging takes noise apart from noise; picking pixels leaves it.
    assert found[0] > found[1] + 1
