"""The pairs that are restored with narrower products, and what is said of them."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from benchmarks import latency, networks, quantisation, rounding
from deblur_jax import models
from deblur_jax.data.pairs import find_pairs, read_pair
from deblur_jax.evaluation import metrics
from deblur_jax.restore import Restorer
from deblur_jax.restore.restorer import pad_to_fit
from deblur_jax.weights import registry


@pytest.fixture
def pairs(tmp_path, rng):
    for name in ("blur", "sharp"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (18, 21, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pairs" / name / f"{number}.png")
    return tmp_path / "pairs"


def test_the_command(tmp_path, pairs, weights, capsys) -> None:
    path = tmp_path / "rounding.json"
    call = ["--weights", weights, "--pairs", str(pairs), "--limit", "2", "--json", str(path)]
    assert rounding.main(call) == 0
    found = json.loads(path.read_text())
    assert found["benchmark"] == "rounding" and found["pairs"] == 2 and found["schema"] == 1
    products = found["products"]
    assert list(products) == ["float32", "bfloat16", "float8_e4m3", "int8", "fast.float8"]
    assert products["float32"]["loss_db"] == products["float32"]["largest_difference"] == 0
    for each in products.values():
        assert np.isfinite(list(each.values())).all()
        assert each["loss_db"] <= each["worst_loss_db"]
        assert each["mean_difference"] <= each["largest_difference"]
        np.testing.assert_allclose(
            each["psnr"], products["float32"]["psnr"] - each["loss_db"], atol=1e-9
        )
    printed = capsys.readouterr().out
    assert "2 pairs" in printed and "float8_e4m3" in printed


def test_float32_is_the_restoring_of_the_pair(pairs, weights) -> None:
    (pair, *_) = find_pairs(pairs)
    network = networks.trained(weights)
    found = rounding.measure(network, [pair])
    blurred, sharp = read_pair(pair)
    restored = Restorer(registry.load(weights))(blurred)
    expected = metrics.psnr(restored, sharp)
    np.testing.assert_allclose(found["products"]["float32"]["psnr"], expected, atol=1e-4)


def test_each_kind_of_products_is_its_own(pairs, tmp_path, monkeypatch) -> None:
    config = models.GeneratorConfig(width=32, blocks=1)
    params = models.init_generator(jax.random.key(0), config)
    path = tmp_path / "wide.safetensors"
    registry.save(path, config, jax.tree.map(np.asarray, params))
    monkeypatch.setattr(rounding, "LEAST_CHANNELS", 32)
    network, (pair, *_) = networks.trained(str(path)), find_pairs(pairs)
    found = rounding.measure(network, [pair])["products"]
    away = {name: each["mean_difference"] for name, each in found.items()}
    assert 0 < away["bfloat16"] < away["float8_e4m3"]
    assert away["bfloat16"] < away["int8"] and away["bfloat16"] < away["fast.float8"]
    assert len(set(away.values())) == 5

    blurred, sharp = read_pair(pair)
    _, forward = latency.plain(network, "float32")
    exact, coarse = (
        quantisation.quantised(forward, each, least_channels=32, otherwise=quantisation.bfloat16)(
            (network.params, network.batch_stats), pad_to_fit(blurred / 127.5 - 1, config)[None]
        )
        for each in (lambda x, _axes: x, quantisation.int8)
    )
    exact, coarse = (np.asarray(each)[0, :18, :21] for each in (exact, coarse))
    levels = np.rint((coarse + 1) * 127.5).clip(0, 255)
    error = np.square(levels - sharp.astype(np.float64)).mean()
    np.testing.assert_allclose(found["int8"]["psnr"], 10 * np.log10(255**2 / error), atol=0.05)


def test_what_is_missing_is_one_sentence(tmp_path, weights, capsys) -> None:
    assert rounding.main(["--weights", weights, "--pairs", str(tmp_path / "none")]) != 0
    assert rounding.main(["--pairs", str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err
