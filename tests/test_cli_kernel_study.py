"""`deblur-jax kernel-study`: what it writes, says and answers with."""

import json

import jax
import numpy as np
import pytest

from deblur_jax import cli, images, models
from deblur_jax.blur import blur_picture
from deblur_jax.restore import Restorer
from deblur_jax.weights import registry

CONFIG = models.GeneratorConfig(width=4, blocks=1, dropout=0.0)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("DEBLUR_JAX_CACHE", "")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), CONFIG))
    draw = np.random.default_rng(0)
    registry.save(path, CONFIG, jax.tree.map(lambda s: draw.normal(0, 0.05, s.shape), shapes))
    return str(path)


@pytest.fixture
def photos(tmp_path, rng):
    for name in ("a.png", "b.png"):
        images.write(tmp_path / "photos" / name, rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    return tmp_path / "photos"


def study(weights, photos, output, *options):
    places = ["--images", str(photos), "--output", str(output)]
    return cli.main(["kernel-study", *places, "--weights", weights, *options])


def test_the_whole_way(weights, photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert study(weights, photos, out) == 0
    said = capsys.readouterr()
    document = json.loads((out / "kernel_study.json").read_text(encoding="utf-8"))
    assert document["conclusion"] in " ".join(said.out.split()) and "median         9" in said.out
    assert said.out.splitlines()[-1] == f"{out}: 2 done"
    assert "[1/2] a.png: done" in said.err and "[2/2] b.png: done" in said.err
    assert document["command"].startswith("deblur-jax kernel-study --images ")
    assert document["weights"]["sha256"] == registry.load(weights).sha256
    sharp = images.read_rgb(photos / "b.png")
    blurred = blur_picture(sharp, "median", kernel_size=9)
    restored = Restorer(registry.load(weights))(blurred)
    row = next(
        row for row in document["rows"]
        if (row["kernel"], row["size"], row["picture"]) == ("median", 9, "b.png")
    )  # fmt: skip
    assert row["difference"] == pytest.approx(np.abs(restored.astype(float) - blurred).mean())

    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    assert study("no/such/weights", photos, out) == 0  # nothing to load them for
    assert "skipped (--overwrite replaces it)" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before
    assert study(weights, photos, out, "--overwrite", "--limit", "1") == 0
    document = json.loads((out / "kernel_study.json").read_text(encoding="utf-8"))
    assert document["count"] == 1 and document["command"].endswith("--limit 1")


def test_a_broken_picture_is_named_and_the_rest_done(weights, photos, tmp_path, capsys):
    (photos / "a.png").write_bytes(b"no picture")
    assert study(weights, photos, tmp_path / "out", "--precision", "bfloat16") == 1
    said = capsys.readouterr()
    assert f"failed: cannot read {photos / 'a.png'}" in said.err
    assert said.out.endswith("1 done, 1 failed\n")
    document = json.loads((tmp_path / "out/kernel_study.json").read_text(encoding="utf-8"))
    assert document["precision"] == "bfloat16" and document["count"] == 1


def test_wrong_calls_are_one_sentence(weights, photos, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "out"
    calls = [
        ((weights, tmp_path / "empty", out), 2, str(tmp_path / "empty")),
        ((weights, tmp_path / "gone", out), 2, str(tmp_path / "gone")),
        ((weights, photos, out, "--limit", "0"), 2, "limit of 0"),
        ((weights, photos, photos), 2, "name another folder"),
        ((weights, photos, tmp_path / "file"), 1, str(tmp_path / "file")),
        (("no/such/weights", photos, out), 1, "no/such/weights"),
        ((weights, photos, out, "--dropout", "1"), 2, "without dropout"),
    ]
    for arguments, code, named in calls:
        assert study(*arguments) == code, arguments
        error = capsys.readouterr().err
        assert error.startswith("deblur-jax: ") and error.count("\n") == 1 and named in error
    assert not (out / "kernel_study.json").exists()
