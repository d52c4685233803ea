"""Which formulations are timed in turn, how often, and what is said of them."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import forms, networks, random_values
from benchmarks.peers import rounds
from deblur_jax.fast import choice, float8
from deblur_jax.fast.convolution import DIMENSIONS
from deblur_jax.models import GeneratorConfig

PAPERS = GeneratorConfig(width=32, blocks=1)
LAYOUT = {"dimension_numbers": DIMENSIONS}
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
    results = {name: np.asarray(forward(params, x)) for name, (params, forward) in found.items()}
    narrow = results.pop("float8", None)
    for result in results.values():
        np.testing.assert_allclose(result, results["chosen"], atol=3e-5)
    if narrow is not None:  # wide enough for 8 bits to be taken
        assert 1e-4 < np.abs(narrow - results["chosen"]).max() < 0.3


def test_what_an_accelerator_takes() -> None:
    assert choice.accelerated().ends is None and choice.accelerated().convolution is None
    assert choice.accelerated(narrow=True).convolution is float8.convolution
    x, kernel = jnp.ones((1, 9, 9, 2)), jnp.ones((3, 3, 2, 1))
    layer = choice.accelerated(4).ends
    traced = str(jax.make_jaxpr(lambda x: layer(x, kernel, (1, 1), ((0, 0), (0, 0)), **LAYOUT))(x))
    assert "window_strides=(4, 4)" in traced


def test_ratios_are_of_one_round(monkeypatch) -> None:
    seconds = {
        "chosen": [1.0, 2.0, 4.0], "plain": [3.0, 4.0, 4.0], "accelerated": [1.0, 1.0, 8.0],
    }  # fmt: skip
    asked = {}

    def interleave(running, count, rng, *, untimed, pause):
        asked.update(names=list(running), count=count, untimed=untimed)
        for form in running.values():
            form.call()
            assert form.time() >= 0
        return rounds.Rounds(seconds, [], {})

    monkeypatch.setattr(rounds, "interleave", interleave)
    found = forms.measure(make_network(LIGHT), height=9, width=12, count=3)["forms"]
    assert asked == {"names": ["chosen", "plain", "accelerated"], "count": 3, "untimed": 1}
    assert found["chosen"]["ratio"] == 1.0 and found["chosen"]["difference"] == 0.0
    assert found["plain"]["ratio"] == 2.0 and found["accelerated"]["ratio"] == 1.0
    for name, form in found.items():
        assert form["ratio_p10"] <= form["ratio"] <= form["ratio_p90"]
        assert form["seconds"] == seconds[name] and form["compile_s"] > 0
        assert 0 <= form["difference"] < 1e-4


def test_a_form_that_the_device_refuses_is_left_out(monkeypatch) -> None:
    def refusing(params, x):
        raise jax.errors.JaxRuntimeError("UNIMPLEMENTED: no such convolution\nmore lines")

    given = forms.forms_of(make_network(LIGHT), "float32")
    bad = given | {"float8": (given["plain"][0], refusing)}
    monkeypatch.setattr(forms, "forms_of", lambda *_: bad)
    found = forms.measure(make_network(LIGHT), height=8, width=8, count=1)
    assert list(found["forms"]) == list(given)
    assert found["refused"] == {"float8": "UNIMPLEMENTED: no such convolution"}
    assert "float8: UNIMPLEMENTED" in forms.sentences(found)
    monkeypatch.setattr(forms, "forms_of", lambda *_: {"chosen": bad["float8"]})
    with pytest.raises(jax.errors.JaxRuntimeError):
        forms.measure(make_network(LIGHT), height=8, width=8, count=1)


def test_the_command(tmp_path, capsys, weights) -> None:
    path = tmp_path / "forms.json"
    call = ["--weights", weights, "--height", "8", "--width", "12", "--rounds", "1"]
    assert forms.main([*call, "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "squares of 4" in printed and "1 x 12x8, float32" in printed
    found = json.loads(path.read_text())
    assert found["weights"]["sha256"] and found["schema"] == 1
    assert forms.main(["--weights", str(tmp_path / "none.safetensors")]) == 1
