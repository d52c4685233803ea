"""What the roofline counts and divides, by hand; never how fast the machine is."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import ceilings, latency, networks, random_values, roofline
from deblur_jax.models import GeneratorConfig

SMALL = GeneratorConfig(width=4, blocks=1)
CONFIG = """
from configs import default

def get_config():
    config = default.get_config()
    config.model.width = 4
    config.model.blocks = 1
    return config
"""
MEASURED = {
    "gflop": 100.0, "products_gflop": 40.0, "median_s": 0.5, "least_mb": 50.0,
    "activations_mb": 350.0, "product_gflop_per_s": 200.0, "copy_gb_per_s": 20.0,
}  # fmt: skip


class Clock:
    """Each second reading is half a second after the one before it, or less and less."""

    def __init__(self, *passed: float) -> None:
        self._passed = [*passed]
        self._readings = 0
        self._now = 0.0

    def __call__(self) -> float:
        self._readings += 1
        if self._readings % 2 == 0:
            self._now += self._passed.pop(0)
        return self._now


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "SIDE", {"other": 8})
    monkeypatch.setattr(ceilings, "BYTES", {"other": 4000})


@pytest.fixture
def network() -> networks.Network:
    origin = {"config": "small", "weights": None}
    return networks.Network(origin, SMALL, random_values.generator(SMALL), None)


def test_ceilings_are_the_best_of_the_runs(little: None) -> None:
    seconds = (0.5, 0.4, 0.1, 0.3, 0.2, 0.5, 0.6)
    assert len(seconds) == ceilings.RUNS
    assert ceilings.product(clock=Clock(*seconds)) == {
        "product_side": 8,
        "product_gflop_per_s": pytest.approx(2 * 8**3 / 0.1 / 1e9),
    }
    assert ceilings.copy(clock=Clock(*seconds)) == {
        "copy_mb": 0.004,
        "copy_gb_per_s": pytest.approx(2 * 4000 / 0.1 / 1e9),  # read and written
    }


def test_products_are_of_the_precision_asked_for(
    little: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(jnp, "matmul", lambda a, b: seen.append((a.dtype, a.shape)) or a @ b)
    ceilings.product("bfloat16")
    assert seen == [(jnp.bfloat16, (8, 8))]


def test_shares_by_hand() -> None:
    found = roofline.shares(MEASURED)
    assert found["compute_s"] == 0.5 and found["compute_share"] == 1.0
    assert found["products_s"] == pytest.approx(0.2) and found["products_share"] == 0.4
    assert found["least_memory_s"] == pytest.approx(0.0025)
    assert found["memory_s"] == pytest.approx(0.02) and found["memory_share"] == 0.04
    assert found["floor_s"] == pytest.approx(0.2) and found["floor_share"] == 0.4
    slow = roofline.shares(MEASURED | {"copy_gb_per_s": 0.1})  # memory decides
    assert slow["floor_s"] == slow["least_memory_s"] == pytest.approx(0.5)
    unknown = roofline.shares(MEASURED | {"products_gflop": None})
    assert unknown["products_s"] is unknown["products_share"] is None
    assert unknown["floor_s"] == unknown["compute_s"]


def test_work_is_counted_of_the_timed_program_and_bytes_of_the_plain_one(
    network: networks.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "forward_of", latency.plain)  # the quick one multiplies less
    plain = roofline.work(network, 16, 16, "float32")
    numbers = sum(leaf.size for leaf in jax.tree.leaves(network.params))
    assert plain["least_mb"] == pytest.approx(4 * (numbers + 2 * 16 * 16 * 3) / 1e6)
    channels = 4 + 8 / 4 + 16 / 16 + 2 * 16 / 16 + 8 / 4 + 4 + 3
    assert plain["activations_mb"] == pytest.approx(2 * 4 * 16 * 16 * channels / 1e6)
    gflop = latency.gigaflops(network, jax.ShapeDtypeStruct((1, 16, 16, 3), np.float32))
    # XLA leaves out taps on padding, and counts norms.
    assert plain["products_gflop"] == pytest.approx(gflop, rel=0.15)
    product = lambda matrix, x: x @ matrix  # noqa: E731
    monkeypatch.setattr(latency, "forward_of", lambda *_: (np.eye(3, dtype=np.float32), product))
    quick = roofline.work(network, 16, 16, "float32")
    assert quick["products_gflop"] == pytest.approx(2 * 16 * 16 * 3 * 3 / 1e9)
    assert {k: quick[k] for k in ("least_mb", "activations_mb")} == {
        k: plain[k] for k in ("least_mb", "activations_mb")
    }
    half = roofline.work(network, 16, 16, "bfloat16")
    assert half["activations_mb"] == pytest.approx(plain["activations_mb"] / 2)


def test_the_command_writes_every_key(
    little: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, target = tmp_path / "small.py", tmp_path / "roofline.json"
    config.write_text(CONFIG)
    arguments = ["--config", str(config), "--height", "15", "--width", "16", "--runs", "2"]
    assert roofline.main([*arguments, "--json", str(target)]) == 0
    m = json.loads(target.read_text())
    named = {word for word in roofline.__doc__.split("`") if "_" in word or word == "gflop"}
    assert named - {"benchmarks.roofline"} <= set(m)
    assert m["benchmark"] == "roofline" and m["runs"] == 2 and "commit" in m
    assert (m["height"], m["padded_height"]) == (15, 16)
    assert m["compute_share"] == pytest.approx(m["compute_s"] / m["median_s"])
    printed = capsys.readouterr().out
    assert "GFLOP/s in products" in printed and "floor" in printed
    assert roofline.sentences(m | {"products_gflop": None}).count("GFLOP,") == 1


def test_what_is_wrong_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert roofline.main(["--config", "no/such.py"]) == 2
    assert capsys.readouterr().err.startswith("python -m benchmarks.roofline: ")
