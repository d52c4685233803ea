"""Which formulations are timed in turn, how often, and what is said of them."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import forms, networks, random_values
from deblur_jax.models import GeneratorConfig

PAPERS = GeneratorConfig(width=4, blocks=1)
LIGHT = GeneratorConfig(generator="unshuffle", width=4, blocks=1, norm="none")


def make_network(config: GeneratorConfig) -> networks.Network:
    origin = {"config": "small", "weights": None}
    return networks.Network(origin, config, random_values.generator(config), None)


@pytest.mark.parametrize(
    "config, names",
    [
        (PAPERS, ["chosen", "plain", "accelerated", "squares of 2", "squares of 4", "float8"]),
        (LIGHT, ["chosen", "plain", "accelerated"]),
    ],
)
def test_every_form_of_a_network_gives_the_same_pictures(config, names, rng) -> None:
    found = forms.forms_of(make_network(config), "float32")
    assert list(found) == names
    x = jnp.asarray(rng.uniform(-1, 1, (2, 16, 24, 3)).astype(np.float32))
    results = [np.asarray(forward(params, x)) for params, forward in found.values()]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], atol=2e-5)


def test_forms_are_called_in_turn_and_compared_by_rounds() -> None:
    order = []
    times = iter(np.arange(1.0, 100.0))

    def repeat(call, runs, *, warmups):
        assert (runs, warmups) == (1, 1)
        order.append(call)
        return [float(next(times))]

    found = forms.measure(make_network(LIGHT), height=9, width=12, rounds=4, repeat=repeat)
    assert len(order) == 3 * 4
    for start in range(0, 12, 3):  # each round has every form once
        assert len(set(order[start : start + 3])) == 3
    assert found["benchmark"] == "forms"
    assert (found["height"], found["width"], found["batch"]) == (9, 12, 1)
    assert found["forms"]["chosen"]["ratio"] == 1.0 and found["forms"]["chosen"]["difference"] == 0
    for name in ("plain", "accelerated"):
        form = found["forms"][name]
        ratios = np.divide(form["seconds"], found["forms"]["chosen"]["seconds"])
        np.testing.assert_allclose(form["ratio"], np.median(ratios))
        assert form["ratio_p10"] <= form["ratio"] <= form["ratio_p90"] and form["runs"] == 4
        assert 0 <= form["difference"] < 1e-4


def test_the_command(tmp_path, capsys, weights) -> None:
    path = tmp_path / "forms.json"
    call = ["--weights", weights, "--height", "8", "--width", "12", "--rounds", "1"]
    assert forms.main([*call, "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "squares of 4" in printed and "1 x 12x8, float32" in printed
    found = json.loads(path.read_text())
    assert found["weights"]["sha256"] and found["schema"] == 1
    assert forms.main(["--weights", str(tmp_path / "none.safetensors")]) == 1
