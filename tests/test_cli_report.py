"""`deblur-jax report`: what it writes, says and answers with."""

import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "report"))  # its made-up files
from report_files import evaluation, study, write

from deblur_jax import cli, images, models
from deblur_jax.evaluation import figures, kinds
from deblur_jax.weights import registry

CONFIG = models.GeneratorConfig(width=4, blocks=1, dropout=0.0)
GAINS = {"a.png": 1.0, "b.png": -0.5}


def report(output, *results, options=()):
    files = ["--results", *map(str, results)] if results else []
    return cli.main(["report", *files, "--output", str(output), *options])


@pytest.fixture
def results(tmp_path):
    return write(tmp_path / "results.json", evaluation(GAINS))


def test_the_whole_way(results, tmp_path, capsys):
    out = tmp_path / "out"
    assert report(out, f"ours={results}", write(tmp_path / "k.json", study())) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{out / 'index.html'}: written\n", "")
    assert "| ours | frames | full |" in (out / "report.md").read_text(encoding="utf-8")
    assert {"index.html", "report.md", "plots", "tables"} == {path.name for path in out.iterdir()}

    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    assert report(out, results) == 0
    assert "skipped (--overwrite replaces it)" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before
    assert report(out, results, options=["--overwrite"]) == 0
    assert "| default | frames | full |" in (out / "report.md").read_text(encoding="utf-8")


def test_the_same_files_give_the_same_report(results, tmp_path):
    for name in ("one", "two"):
        assert report(tmp_path / name, results) == 0
    for path in (tmp_path / "one").rglob("*.*"):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes(), path


@pytest.mark.parametrize(
    ("contents", "code", "said"),
    [
        (None, 2, "no such file"),
        ("", 1, "no JSON"),
        ("[1, 2]", 1, "no JSON object"),
        ('{"a": 1}', 1, "none of results.json, kernel_study.json"),
        ("\udcff\udcfe", 1, "no JSON"),
        (json.dumps(evaluation(GAINS) | {"count": "2"}), 1, "count is '2', not a whole number"),
        (json.dumps(evaluation(GAINS) | {"protocol": "third"}), 1, "no protocol 'third'"),
        (json.dumps(study() | {"summary": [{}]}), 1, "lacks summary[0].kernel"),
        (json.dumps(study() | {"findings": 3}), 1, "findings is 3, not a list"),
        ('{"median_s": "fast", "device": "cpu"}', 1, "median_s is 'fast', not a number"),
        ('{"median_s": 1.0}', 1, "lacks device"),
    ],
)
def test_bad_files_are_one_sentence(results, tmp_path, capsys, contents, code, said):
    path, out = tmp_path / "bad.json", tmp_path / "out"
    if contents is not None:
        path.write_text(contents, encoding="utf-8", errors="surrogateescape")
    assert report(out, results, path) == code
    error = capsys.readouterr().err
    assert error.startswith("deblur-jax: ") and error.count("\n") == 1
    assert str(path) in error and said in error
    assert not (out / "index.html").exists()


def test_wrong_calls_are_one_sentence(results, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "empty").mkdir()
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"loss": 2}\n')
    calls = [
        (tmp_path / "out", (), 2, "--results"),
        (tmp_path / "file", (results,), 2, str(tmp_path / "file")),
        (tmp_path / "file" / "out", (results,), 1, str(tmp_path / "file")),
        (tmp_path / "out", (tmp_path / "empty",), 2, "a folder without results.json"),
        (tmp_path / "out", (results, results), 2, "given twice"),
        (tmp_path / "out", (tmp_path / "metrics.jsonl",), 1, "line 2: no object"),
    ]
    for output, files, code, said in calls:
        assert report(output, *files) == code, said
        error = capsys.readouterr().err
        assert error.startswith("deblur-jax: ") and error.count("\n") == 1 and said in error
    assert report(tmp_path / "out", options=["--weights", "no/such/weights"]) == 1
    error = capsys.readouterr().err
    assert "no/such/weights" in error and error.count("\n") == 1
    assert not list(tmp_path.rglob("index.html"))


def test_weights_are_measured_first_and_once(tmp_path, monkeypatch, capsys, rng):
    def small(file):  # in place of scikit-image's, which take minutes
        path = (tmp_path / "bundled" / file).with_suffix(".png")
        images.write(path, rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        return path

    for module in (figures, kinds):
        monkeypatch.setattr(module, "bundled", small)
    monkeypatch.setattr(figures, "PHOTOGRAPHS", figures.PHOTOGRAPHS[:1])
    monkeypatch.setattr(kinds, "KINDS", {"medical": ("cell.png",)})
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), CONFIG))
    weights = str(tmp_path / "tiny.safetensors")
    registry.save(weights, CONFIG, jax.tree.map(lambda s: rng.normal(0, 0.05, s.shape), shapes))
    out = tmp_path / "out"

    assert report(out, options=["--weights", weights]) == 0
    page = (out / "index.html").read_text(encoding="utf-8")
    assert 'id="kinds"' in page and 'id="kernels"' in page
    study_file = out / "measured" / "kernel_study" / "kernel_study.json"
    document = json.loads(study_file.read_text(encoding="utf-8"))
    assert document["weights"]["sha256"] == registry.load(weights).sha256
    assert document["command"] == f"deblur-jax report --weights {weights}"

    stamp = study_file.stat().st_mtime_ns
    (out / "index.html").unlink()
    capsys.readouterr()
    assert report(out, options=["--weights", weights]) == 0
    assert study_file.stat().st_mtime_ns == stamp  # of the same weights: not measured again
    assert (out / "index.html").read_text(encoding="utf-8") == page


def test_a_picture_that_cannot_be_measured_is_counted(tmp_path, monkeypatch, capsys):
    files = [
        Path(write(tmp_path / "kinds.json", evaluation(GAINS))),
        Path(write(tmp_path / "k.json", study(failed=[{"picture": "a.png", "reason": "broken"}]))),
    ]
    monkeypatch.setattr(figures, "measure_figures", lambda *_, **__: files)
    assert report(tmp_path / "out", options=["--weights", "fast"]) == 1
    said = capsys.readouterr().out
    assert said.endswith("index.html: written; 1 picture could not be measured, as it says\n")
    assert "a.png (broken)" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
