"""The command line: options, exit codes, what is said where, and the whole way through files."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from deblur_jax import cli, images, models
from deblur_jax.commands import about, making, measuring
from deblur_jax.restore import Restorer
from deblur_jax.weights import registry

CONFIG = models.GeneratorConfig(width=4, blocks=1)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("DEBLUR_JAX_CACHE", "")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), CONFIG))
    draw = np.random.default_rng(0)
    registry.save(path, CONFIG, jax.tree.map(lambda s: draw.normal(0, 0.08, s.shape), shapes))
    return str(path)


@pytest.fixture
def photos(tmp_path, rng):
    folder = tmp_path / "photos"
    for name in ("a.png", "scene/b.png"):
        images.write(folder / name, rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    return folder


def deblur(weights, *arguments):
    return cli.main(["deblur", *map(str, arguments), "--weights", weights])


def test_deblur_restores_what_the_restorer_restores(weights, photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert deblur(weights, photos, "--output", out) == 0
    restorer = Restorer(registry.load(weights))
    for name in ("a.png", "scene/b.png"):
        blurred, restored = images.read_rgb(photos / name), images.read_rgb(out / name)
        np.testing.assert_array_equal(restored, restorer(blurred))
        assert np.abs(restored.astype(int) - blurred).max() > 0
    said = capsys.readouterr()
    assert said.out == f"{out}: 2 done\n"
    assert "[1/2] a.png: done in" in said.err and "[2/2] scene/b.png: done in" in said.err


def test_deblur_skips_and_overwrites(weights, photos, tmp_path, capsys):
    target = tmp_path / "x.png"
    assert deblur(weights, photos / "a.png", "--output", target) == 0
    first = target.read_bytes()
    target.write_bytes(b"mine")
    assert deblur(weights, photos / "a.png", "--output", target) == 0
    assert target.read_bytes() == b"mine"
    assert "1 skipped" in capsys.readouterr().out
    assert deblur(weights, photos / "a.png", "--output", target, "--overwrite") == 0
    assert target.read_bytes() == first


def test_a_broken_picture_is_named_and_the_rest_done(weights, photos, tmp_path, capsys):
    (photos / "broken.png").write_bytes((photos / "a.png").read_bytes()[:200])
    assert deblur(weights, photos, "--output", tmp_path / "out", "--compare") == 1
    said = capsys.readouterr()
    assert f"failed: cannot read {photos / 'broken.png'}: " in said.err
    assert "Traceback" not in said.err
    assert said.out.endswith("2 done, 1 failed\n")
    written = sorted(p.name for p in (tmp_path / "out").rglob("*.png"))
    assert written == ["a.png", "a_compare.png", "b.png", "b_compare.png"]


def test_tile_and_precision_reach_the_restorer(photos, tmp_path, monkeypatch, weights):
    seen = {}
    real = Restorer.__init__

    def spy(self, weights, **options):
        seen.update(options)
        real(self, weights, **options)

    monkeypatch.setattr(Restorer, "__init__", spy)
    options = ["--precision", "bfloat16", "--tile", "128", "--dropout", "7", "--max-memory", "1G"]
    options += ["--self-ensemble", "2"]
    assert deblur(weights, photos / "a.png", "--output", tmp_path / "o", *options) == 0
    assert seen == {
        "precision": "bfloat16", "tile": "128", "dropout": 7, "max_memory": "1G", "self_ensemble": 2
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["restore"],
        ["deblur"],
        ["deblur", "a.png"],
        ["deblur", "a.png", "--output", "o", "--precision", "float16"],
        ["evaluate", "--output", "r.json"],
        ["evaluate", "--output", "r.json", "--pairs", "d", "--dataset", "gopro"],
        ["evaluate", "--output", "r.json", "--pairs", "d", "--protocol", "quarter"],
        ["blur", "a.png", "--output", "o", "--method", "box"],
    ],
)
def test_wrong_calls_exit_with_two(arguments, capsys):
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert "usage: deblur-jax" in said.err and said.out == ""


def test_wrong_values_exit_with_two(weights, photos, tmp_path, capsys):
    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    for arguments, sentence in [
        ([photos, "--output", out, "--tile", "tiny"], "tile is 'tiny'"),
        ([photos, "--output", out, "--tile", "8"], "too small"),
        ([tmp_path / "empty", "--output", out], f"no picture found: {tmp_path / 'empty'}"),
        ([f"{tmp_path}/*.jpg", "--output", out], "no picture found: "),
        ([photos, "--output", f"{out}.png"], "is one file"),
    ]:
        assert deblur(weights, *arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("deblur-jax: ") and sentence in said and said.count("\n") == 1
    assert not out.exists()


def test_missing_weights_exit_with_one(photos, tmp_path, capsys):
    assert deblur("no-such-weights", photos, "--output", tmp_path / "out") == 1
    assert "'no-such-weights'" in capsys.readouterr().err


def test_help_is_quick_and_imports_nothing_heavy():
    program = (
        "import sys\nfrom deblur_jax.cli import main\ncode = main(['deblur', '--help'])\n"
        "assert not {'jax', 'numpy', 'PIL', 'tensorflow'} & set(sys.modules)\nsys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in ("--output", "--weights", "--precision", "--tile", "--compare", "--overwrite"):
        assert option in done.stdout


def test_no_tensorflow_for_pictures():
    modules = "deblur_jax.commands.restoring, deblur_jax.commands.measuring"
    program = f"import sys, {modules}\nassert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_tracebacks_wherever_it_stands(place, photos, tmp_path, capsys):
    arguments = ["deblur", str(photos), "--output", str(tmp_path / "o"), "--weights", "none"]
    arguments.insert(0 if place == "before" else len(arguments), "--debug")
    assert cli.main(arguments) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_internal_error_is_one_line_unless_debug(monkeypatch, capsys):
    def broken():
        raise RuntimeError("it\nbroke")

    monkeypatch.setattr(about, "info", broken)
    assert cli.main(["info"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "internal error, RuntimeError: it broke" in said
    with pytest.raises(RuntimeError):
        cli.main(["info", "--debug"])


def test_a_full_disk_is_one_line(monkeypatch, capsys):
    def full():
        raise OSError(28, "No space left on device", "/a/file")

    monkeypatch.setattr(about, "info", full)
    assert cli.main(["info"]) == 1
    assert capsys.readouterr().err == "deblur-jax: /a/file: No space left on device\n"


def test_an_interrupt_is_one_line(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(about, "info", interrupted)
    assert cli.main(["info"]) == 130
    assert capsys.readouterr().err == "deblur-jax: interrupted\n"


def test_a_closed_pipe_is_no_error(tmp_path):
    command = f"{sys.executable} -m deblur_jax info | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""


def test_info_names_what_is_at_hand(capsys, monkeypatch):
    monkeypatch.setenv("DEBLUR_JAX_CACHE", "/a/cache")
    assert cli.main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"jax {jax.__version__}" in lines and "cache /a/cache" in lines
    assert any(line.startswith("device cpu") or "gpu" in line for line in lines)
    for name in registry.names():
        assert f"weights {name} sha256 {registry.load(name).sha256}" in lines


def test_info_says_what_decoded_pairs_take(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("DEBLUR_JAX_CACHE", str(tmp_path))
    for number in range(2):
        folder = tmp_path / "pairs" / str(number)
        folder.mkdir(parents=True)
        (folder / "pairs.json").touch()
        with (folder / "blurred.npy").open("wb") as stream:
            stream.truncate(700_000_000)
    (tmp_path / "pairs" / "2.part").mkdir()  # not whole
    assert cli.main(["info"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"decoded pairs 2 sets, 1.4 GB, in {tmp_path}/pairs (may be deleted)"


def test_version(capsys):
    from deblur_jax import __version__

    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"deblur-jax {__version__}"


def test_evaluate_writes_results_and_prints_a_table(weights, tmp_path, rng, capsys):
    for side in ("blur", "sharp"):
        for name in ("1.png", "2.png"):
            picture = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
            images.write(tmp_path / "pairs" / side / name, picture)
    target = tmp_path / "new" / "results.json"
    arguments = ["evaluate", "--pairs", str(tmp_path / "pairs"), "--output", str(target)]
    arguments += ["--weights", weights, "--limit", "1", "--protocol", "half"]
    assert cli.main(arguments) == 0
    results = json.loads(target.read_text())
    assert results["count"] == 1 and results["protocol"] == "half"
    assert results["dataset"] == "pairs" and results["weights"]["name"] == "small"
    assert results["per_image"][0]["width"] == 16
    said = capsys.readouterr()
    assert f"{results['restored']['psnr']:.2f}" in said.out and "blurred" in said.out
    assert "1.png" in said.err


@pytest.fixture
def pairs(tmp_path, rng):
    for side in ("blur", "blur_gamma", "sharp"):
        for name in ("1.png", "2.png", "3.png"):
            picture = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
            images.write(tmp_path / "test" / side / name, picture)
    return tmp_path / "test"


def test_evaluate_scores_a_self_ensemble_and_says_so(weights, pairs, tmp_path):
    scores = {}
    for versions in ("1", "8"):
        target = tmp_path / f"{versions}.json"
        arguments = ["evaluate", "--pairs", str(pairs), "--output", str(target)]
        arguments += ["--weights", weights, "--self-ensemble", versions, "--limit", "1"]
        assert cli.main(arguments) == 0
        results = json.loads(target.read_text())
        assert results["self_ensemble"] == int(versions)
        scores[versions] = results["restored"]["psnr"]
    assert scores["1"] != scores["8"]


def test_evaluate_leaves_results_that_exist_and_overwrites(weights, pairs, tmp_path, capsys):
    target = tmp_path / "results.json"
    arguments = ["evaluate", "--pairs", str(pairs), "--output", str(target), "--weights", weights]
    assert cli.main([*arguments, "--limit", "2", "--pictures", "1"]) == 0
    first = json.loads(target.read_text())
    assert first["dataset"] == f"{tmp_path.name}/test" and first["blurred_folder"] == "blur"
    assert first["command"].startswith("deblur-jax evaluate --pairs ")
    assert len(list((tmp_path / "results_pictures").rglob("*.png"))) == 3
    capsys.readouterr()
    assert cli.main(arguments) == 0
    assert "exists and was skipped (--overwrite replaces it)" in capsys.readouterr().out
    assert json.loads(target.read_text()) == first
    assert cli.main([*arguments, "--overwrite", "--subset", "gamma"]) == 0
    second = json.loads(target.read_text())
    assert second["count"] == 3
    assert (second["subset"], second["blurred_folder"]) == ("gamma", "blur_gamma")


def test_an_interrupted_overwrite_goes_on(weights, pairs, tmp_path):
    target, said = tmp_path / "results.json", []
    target.write_text("mine")

    def interrupt(done, total, name):
        if done == 2:
            raise KeyboardInterrupt

    options = {"pairs": str(pairs), "weights": weights, "overwrite": True, "pictures": 0}
    with pytest.raises(KeyboardInterrupt):
        measuring.evaluate(str(target), **options, progress=interrupt)
    assert target.read_text() == "mine"
    measuring.evaluate(str(target), **options, say=said.append)
    assert said[0].endswith("of 3 were scored before")
    assert json.loads(target.read_text())["count"] == 3


def test_evaluate_names_what_it_cannot_score_and_does_the_rest(weights, pairs, tmp_path, capsys):
    (pairs / "blur" / "2.png").write_bytes(b"no picture")
    target = tmp_path / "results.json"
    arguments = ["evaluate", "--pairs", str(pairs), "--output", str(target), "--weights", weights]
    assert cli.main(arguments) == 1
    said = capsys.readouterr()
    assert f"failed: cannot read {pairs / 'blur' / '2.png'}" in said.err
    assert "1 could not be scored and are in no mean" in said.out
    results = json.loads(target.read_text())
    assert results["count"] == 2 and [each["name"] for each in results["failed"]] == ["2.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dataset", "kohler"], "--directory"),
        (["--dataset", "kohler", "--directory", ".", "--protocol", "half"], "protocol of its own"),
        (["--pairs", "{pairs}", "--directory", "."], "--pairs is a folder itself"),
        (["--pairs", "{pairs}", "--limit", "0"], "limit of 0"),
        (["--pairs", "{pairs}", "--pictures", "-1"], "-1 pictures"),
        (["--pairs", "{pairs}", "--self-ensemble", "3"], "self-ensemble of 3"),
    ],
)
def test_evaluate_refuses_a_wrong_call(options, words, weights, pairs, tmp_path, capsys):
    options = [option.format(pairs=pairs) for option in options]
    target = str(tmp_path / "r.json")
    assert cli.main(["evaluate", *options, "--output", target, "--weights", weights]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_evaluate_refuses_before_it_works(tmp_path, weights, capsys, monkeypatch):
    arguments = ["evaluate", "--weights", weights, "--output"]
    assert cli.main([*arguments, str(tmp_path), "--pairs", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    assert cli.main([*arguments, str(tmp_path / "r.json"), "--pairs", str(tmp_path)]) == 2
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "nothing"))
    assert cli.main([*arguments, str(tmp_path / "r.json"), "--dataset", "gopro"]) == 1
    assert "GoPro" in capsys.readouterr().err


def blur(photos, out, *options):
    return cli.main(["blur", str(photos), "--output", str(out), *options])


def test_blur_gives_each_picture_its_own_path_and_is_repeatable(photos, tmp_path):
    one = images.read_rgb(photos / "a.png")
    images.write(photos / "twin.png", one)
    for out, seed in (("first", "7"), ("second", "7"), ("other", "8")):
        assert blur(photos, tmp_path / out, "--kernel-size", "9", "--seed", seed) == 0
    first, second, other = (
        [images.read_rgb(tmp_path / out / name) for name in ("a.png", "twin.png", "scene/b.png")]
        for out in ("first", "second", "other")
    )
    assert all((x == y).all() for x, y in zip(first, second, strict=True))
    assert (first[0] != other[0]).any()
    assert (first[0] != first[1]).any()  # twins of different names
    assert first[0].astype(float).std() < one.astype(float).std()


def test_blur_with_a_median_is_the_median(photos, tmp_path):
    from scipy.ndimage import median_filter

    assert blur(photos, tmp_path / "out", "--method", "median", "--kernel-size", "3") == 0
    source = images.read_rgb(photos / "a.png")
    expected = median_filter(source, (3, 3, 1))
    blurred = images.read_rgb(tmp_path / "out" / "a.png")
    np.testing.assert_array_equal(blurred[1:-1, 1:-1], expected[1:-1, 1:-1])


def test_blur_has_the_options_of_blur_picture(photos, tmp_path):
    from deblur_jax.blur import blur_picture

    options = ["--constants", "paper", "--light", "srgb", "--exposure", "0.5"]
    options += ["--noise", "1", "2.5", "--jpeg", "70", "--kernel-size", "9", "--seed", "3"]
    assert blur(photos / "a.png", tmp_path / "b.png", *options) == 0
    expected = blur_picture(
        images.read_rgb(photos / "a.png"),
        "trajectory",
        kernel_size=9,
        seed=making.seed_of(3, "a.png"),
        constants="paper",
        light="srgb",
        exposure=0.5,
        noise=(1.0, 2.5),
        jpeg=70,
    )
    np.testing.assert_array_equal(images.read_rgb(tmp_path / "b.png"), expected)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--method", "camera", "--constants", "paper"], "constants belongs to the method"),
        (["--method", "median", "--light", "gamma"], "light belongs to the method trajectory or"),
        (["--exposure", "0"], "exposure must be a fraction above 0"),
        (["--noise", "-1", "0"], "noise must be from 0 to 255 grey levels each, not -1 0"),
        (["--jpeg", "101"], "JPEG quality must be from 1 to 100, not 101"),
        (["--compat", "official", "--light", "srgb"], "light cannot be chosen with compat"),
    ],
)
def test_blur_explains_options_that_do_not_fit(photos, tmp_path, capsys, options, sentence):
    assert blur(photos, tmp_path / "o", *options) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"deblur-jax: {sentence}") and said.count("\n") == 1


def test_blur_refuses_a_wrong_size_and_names_a_small_picture(photos, tmp_path, capsys):
    assert blur(photos, tmp_path / "o", "--method", "gaussian", "--kernel-size", "4") == 2
    assert capsys.readouterr().err.count("\n") == 1
    images.write(photos / "large.png", np.zeros((96, 96, 3), np.uint8))
    assert blur(photos, tmp_path / "out", "--compat", "official") == 1
    said = capsys.readouterr()
    assert str(photos / "a.png") in said.err and "1 done, 2 failed" in said.out


def test_blur_keeps_alpha_and_depth(tmp_path, rng):
    rgb = rng.integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    alpha = rng.integers(0, 65536, (16, 16), dtype=np.uint16)
    images.write(tmp_path / "a.png", images.Picture(rgb, alpha))
    target = tmp_path / "b.png"
    assert blur(tmp_path / "a.png", target, "--method", "gaussian", "--kernel-size", "3") == 0
    blurred = images.read(target)
    assert blurred.rgb.dtype == np.uint16
    np.testing.assert_array_equal(blurred.alpha, alpha)


def test_seeds_differ_by_name_and_seed():
    seeds = {making.seed_of(seed, name) for seed in range(20) for name in ("a", "b", "c/a")}
    assert len(seeds) == 60 and all(0 <= seed < 2**31 for seed in seeds)
    assert making.seed_of(0, "a.png") == making.seed_of(0, "a.png")


def test_the_module_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "deblur_jax", "deblur", str(tmp_path), "--output", "x", "--debug"],
        capture_output=True,
        text=True,
        env=os.environ | {"DEBLUR_JAX_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode in (1, 2) and "deblur-jax: " in done.stderr
