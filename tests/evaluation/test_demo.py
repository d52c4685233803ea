"""The demo with a fake model on one photograph: what it leaves, and what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import deblur_jax
from deblur_jax import images, restore
from deblur_jax.blur import METHODS
from deblur_jax.data.pairs import find_pairs
from deblur_jax.errors import UserError
from deblur_jax.evaluation import demo, metrics
from deblur_jax.evaluation.results import SCORES
from deblur_jax.images.side_by_side import CAPTION, GAP, side_by_side
from deblur_jax.weights import registry

COINS = next(photograph for photograph in demo.PHOTOGRAPHS if photograph.name == "coins")
FILES = {
    "index.html", "results.json", "coins_restored.png", "coins_compare.png",
    "blur/coins.png", "sharp/coins.png", "clock_motion_blurred.png",
    "clock_motion_restored.png", "clock_motion_compare.png",
}  # fmt: skip


class Brighter:
    """A model that only adds a grey level, where there is room."""

    weights = SimpleNamespace(name="brighter", sha256="1" * 64)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return image + (image < 255).astype(np.uint8)


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of one demo, and the lines it said."""
    folder = tmp_path_factory.mktemp("demo") / "out" / "demo"
    lines: list[str] = []
    demo.run_demo(folder, Brighter(), [COINS], say=lines.append)
    return folder, lines


def test_the_folder_holds_exactly_the_documented_files(made: tuple[Path, list[str]]) -> None:
    assert files_of(made[0]) == FILES


def test_the_results_are_those_of_the_files(made: tuple[Path, list[str]]) -> None:
    folder, _ = made
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    sharp = images.read_rgb(folder / "sharp" / "coins.png")
    blurred = images.read_rgb(folder / "blur" / "coins.png")
    restored = images.read_rgb(folder / "coins_restored.png")
    np.testing.assert_array_equal(restored, Brighter()(blurred))
    assert (found["dataset"], found["protocol"], found["count"]) == ("demo", "full", 1)
    assert found["blurred"]["psnr"] == pytest.approx(metrics.psnr(blurred, sharp))
    assert found["restored"]["psnr"] == pytest.approx(metrics.psnr(restored, sharp))
    assert 20 < found["blurred"]["psnr"] < 28
    assert sharp.shape == (303, 384, 3)


def test_the_really_blurred_picture_has_no_score(made: tuple[Path, list[str]]) -> None:
    folder, _ = made
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    coins, clock = found["per_image"]
    assert clock["name"] == "clock_motion"
    assert list(clock["blurred"]) == list(clock["restored"]) == list(SCORES)
    assert set(clock["blurred"].values()) == set(clock["restored"].values()) == {None}
    blurred, restored = (
        images.read_rgb(folder / f"clock_motion_{side}.png") for side in ("blurred", "restored")
    )
    shift = restored[..., 0].astype(float).mean() - blurred[..., 0].mean()
    assert clock["artefacts"]["shift_red"] == pytest.approx(shift, abs=1e-3)
    assert clock["seconds"] > 0
    assert found["seconds_per_image"]["median"] == coins["seconds"]


def test_side_by_side_has_two_or_three_panels(made: tuple[Path, list[str]]) -> None:
    folder, _ = made
    coins = images.read_rgb(folder / "coins_compare.png")
    assert coins.shape == (303 + CAPTION, 3 * 384 + 2 * GAP, 3)
    sharp = images.read_rgb(folder / "sharp" / "coins.png")
    np.testing.assert_array_equal(coins[CAPTION:, -384:], sharp)
    clock = images.read_rgb(folder / "clock_motion_compare.png")
    assert clock.shape == (300 + CAPTION, 2 * 400 + GAP, 3)


def test_the_page_shows_files_that_are_there(made: tuple[Path, list[str]]) -> None:
    folder, _ = made
    text = (folder / "index.html").read_text(encoding="utf-8")
    for name in FILES - {"index.html", "results.json"}:
        assert f'"{name}"' in text, name
    assert "brighter" in text


def test_the_table_stands_at_the_end(made: tuple[Path, list[str]]) -> None:
    folder, lines = made
    assert lines[0] == "restored coins"
    table = lines[-2].splitlines()
    assert [line.split()[0] for line in table] == ["picture", "coins", "clock_motion", "mean"]
    assert str(folder / "index.html") in lines[-1]


def test_a_second_demo_replaces_the_first_bit_by_bit(made: tuple[Path, list[str]]) -> None:
    folder, _ = made
    pictures = {name: (folder / name).read_bytes() for name in FILES if name.endswith(".png")}
    (folder / "coins_restored.png").write_bytes(b"old")
    demo.run_demo(folder, Brighter(), [COINS], say=lambda line: None)
    assert files_of(folder) == FILES
    for name, content in pictures.items():
        assert (folder / name).read_bytes() == content, name


def test_the_folder_is_one_of_pairs(made: tuple[Path, list[str]]) -> None:
    assert [pair.name for pair in find_pairs(made[0])] == ["coins.png"]


def test_every_photograph_is_bundled_and_varied() -> None:
    for photograph in demo.PHOTOGRAPHS:
        assert demo.bundled(photograph.file) is not None, photograph.file
        assert photograph.method in METHODS
    assert demo.bundled(demo.REALLY_BLURRED) is not None
    assert {photograph.method for photograph in demo.PHOTOGRAPHS} == {"trajectory", "camera"}
    seeds = [photograph.seed for photograph in demo.PHOTOGRAPHS]
    assert len(set(seeds)) == len(seeds) >= 6


def test_a_photograph_that_is_not_bundled_is_left_out(tmp_path: Path) -> None:
    lines: list[str] = []
    gone = demo.Photograph("gone.png", "trajectory", 9, 0)
    with pytest.raises(UserError, match="none of the demo's photographs"):
        demo.run_demo(tmp_path, Brighter(), [gone], say=lines.append)
    assert lines == ["left out gone: not in this version of scikit-image"]


def test_the_command_passes_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setenv("DEBLUR_JAX_CACHE", "")
    monkeypatch.setattr(registry, "load", lambda name: name)
    monkeypatch.setattr(restore, "Restorer", lambda name, reuse: (name, reuse))
    results = [{}, {"failed": [{}]}]
    monkeypatch.setattr(demo, "run_demo", lambda *given: calls.append(given) or results.pop(0))
    assert demo.main(["--output", "here", "--weights", "mine"]) == 0
    assert demo.main([]) == 1, "a picture could not be restored"
    # Each size is timed in a program of its own.
    assert calls == [("here", ("mine", False)), ("out/demo", ("default", False))]


def test_the_command_tells_an_error_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEBLUR_JAX_CACHE", "")
    assert demo.main(["--weights", "no/such/file"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("demo: ")
    assert "no/such/file" in error
    assert error.count("\n") == 1


def test_importing_the_evaluation_brings_no_tensorflow() -> None:
    code = (
        "import sys, deblur_jax.evaluation.demo\n"
        "bad = {'tensorflow', 'clu', 'tensorflow_datasets', 'skimage'} & set(sys.modules)\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    folder = Path(deblur_jax.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_side_by_side_keeps_pixels_and_needs_one_size(rng: np.random.Generator) -> None:
    left, right = rng.integers(0, 256, (2, 12, 9, 3), np.uint8)
    sheet = side_by_side({"a very long caption": left, "b": right})
    assert sheet.shape == (12 + CAPTION, 2 * 9 + GAP, 3)
    np.testing.assert_array_equal(sheet[CAPTION:, :9], left)
    np.testing.assert_array_equal(sheet[CAPTION:, 9 + GAP :], right)
    assert np.all(sheet[:, 9 : 9 + GAP] == 255)
    assert (sheet[:CAPTION, :9] < 255).any()
    with pytest.raises(ValueError):
        side_by_side({"a": left, "b": right[:-1]})
    with pytest.raises(ValueError):
        side_by_side({})
