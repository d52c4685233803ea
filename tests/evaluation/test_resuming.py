"""Evaluations over several devices, interrupted ones, and the pictures that they leave."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from deblur_jax import images, models
from deblur_jax.data.pairs import find_pairs
from deblur_jax.errors import UserError
from deblur_jax.evaluation import timed
from deblur_jax.evaluation.evaluate import evaluate_pairs
from deblur_jax.evaluation.files import evaluate_to_file
from deblur_jax.evaluation.ledger import beside
from deblur_jax.restore.restorer import Restorer
from deblur_jax.weights import registry

COUNT = 9


class Fake:
    """Makes a picture darker by one level, and remembers how often."""

    def __init__(self, name: str = "fake") -> None:
        self.weights = SimpleNamespace(name=name, sha256=name)
        self.calls = 0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        self.calls += 1
        return image - np.uint8(1)


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    for number in range(COUNT):
        sharp = rng.integers(20, 200, (24, 40, 3)).astype(np.uint8)
        images.write(tmp_path / "pairs" / "sharp" / f"{number}.png", sharp)
        images.write(tmp_path / "pairs" / "blur" / f"{number}.png", sharp + np.uint8(2 + number))
    return tmp_path / "pairs"


def without_times(document: dict) -> dict:
    kept = {k: v for k, v in document.items() if k not in ("seconds_per_image", "date", "devices")}
    kept["per_image"] = [
        {k: v for k, v in entry.items() if k != "seconds"} for entry in document["per_image"]
    ]
    return kept


def run(folder: Path, output: Path, restorer, **options) -> dict:
    return evaluate_to_file(
        output, find_pairs(folder), [restorer], dataset="d", **{"pictures": 0, **options}
    )


def test_an_interrupted_evaluation_scores_only_the_rest(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "results.json"

    def interrupt(done: int, total: int, name: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    first = Fake()
    with pytest.raises(KeyboardInterrupt):
        run(folder, output, first, progress=interrupt)
    assert not output.exists() and beside(output).exists()
    scored = len(beside(output).read_text().splitlines()) - 1
    assert 4 <= scored < COUNT

    second, told, said = Fake(), [], []
    document = run(
        folder, output, second, progress=lambda *step: told.append(step), say=said.append
    )
    assert said == [f"{scored} of {COUNT} were scored before"]
    assert [step[0] for step in told] == list(range(scored + 1, COUNT + 1))
    assert second.calls == COUNT - scored + 1, "once more for a size that is new to this process"
    assert not beside(output).exists()
    whole = run(folder, tmp_path / "whole.json", Fake())
    assert without_times(document) == without_times(whole)
    assert json.loads(output.read_text()) == document


def test_other_weights_and_changed_pictures_are_scored_again(folder: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    def calls(name: str, **options: int) -> int:
        model = Fake(name)
        vars(model).update(options)
        evaluate_pairs(find_pairs(folder), model, dataset="d", ledger=ledger)
        return model.calls

    assert calls("a") == COUNT + 1
    assert calls("a") == 0
    assert calls("b") == COUNT + 1
    images.write(folder / "blur" / "3.png", np.full((24, 40, 3), 77, np.uint8))
    assert calls("b") == 2, "one picture, twice for its size"
    assert calls("b", self_ensemble=8) == COUNT + 1


def test_pairs_that_failed_are_tried_again(folder: Path, tmp_path: Path) -> None:
    picture = (folder / "blur" / "3.png").read_bytes()
    (folder / "blur" / "3.png").write_bytes(picture[:50])
    ledger, pairs = tmp_path / "ledger", find_pairs(folder)
    found = evaluate_pairs(pairs, Fake(), dataset="d", ledger=ledger)
    assert (found["count"], len(found["failed"])) == (COUNT - 1, 1)
    (folder / "blur" / "3.png").write_bytes(picture)
    model = Fake()
    found = evaluate_pairs(pairs, model, dataset="d", ledger=ledger)
    assert found["count"] == COUNT and "failed" not in found and model.calls == 2


def test_many_devices_do_what_one_does(folder: Path) -> None:
    config = models.GeneratorConfig(width=4, blocks=1)
    params = models.init_generator(jax.random.key(0), config)
    params = params[0] if isinstance(params, tuple) else params
    weights = registry.Weights("drawn", "0" * 64, config, params, {}, {})
    devices = jax.local_devices()[:3]
    one = evaluate_pairs(find_pairs(folder), Restorer(weights), dataset="d")
    used: set[jax.Device] = set()

    class Watched(Restorer):
        def with_floats(self, image):
            used.add(self.device)
            time.sleep(0.02)  # so that one does not take all before the others have begun
            return super().with_floats(image)

    several = [Watched(weights, device=device) for device in devices]
    many = evaluate_pairs(find_pairs(folder), several, dataset="d")
    assert used == set(devices)
    assert (one["devices"], many["devices"]) == (1, 3)
    assert without_times(many) == without_times(one)


def test_a_bug_in_a_thread_stops_the_evaluation_and_is_not_hidden(folder: Path) -> None:
    class Broken(Fake):
        def __call__(self, image: np.ndarray) -> np.ndarray:
            super().__call__(image)
            time.sleep(0.05)
            raise ZeroDivisionError

    model = Broken()
    with pytest.raises(ZeroDivisionError):
        evaluate_pairs(find_pairs(folder), model, dataset="d")
    assert model.calls < COUNT
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


SCRIPT = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from deblur_jax.data.pairs import find_pairs
from deblur_jax.evaluation.files import evaluate_to_file

class Model:
    weights = SimpleNamespace(name="fake", sha256="fake")
    def __call__(self, image):
        return image - np.uint8(1)

def killed(done, total, name):
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

evaluate_to_file(sys.argv[2], find_pairs(sys.argv[1]), [Model()], dataset="d", pictures=0,
                 progress=killed)
"""


def test_killed_halfway_it_goes_on(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "results.json"
    call = [sys.executable, "-c", SCRIPT, str(folder), str(output)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([*call, "5"], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL and not output.exists()
    model = Fake()
    document = run(folder, output, model)
    assert model.calls <= COUNT - 5 + 1
    assert document["count"] == COUNT


def test_pictures_are_kept_as_they_were_scored(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "half.json"
    document = run(folder, output, Fake(), pictures=4, protocol="half")
    kept = [entry for entry in document["per_image"] if "pictures" in entry]
    assert len(kept) == 4
    gains = [e["restored"]["psnr"] - e["blurred"]["psnr"] for e in document["per_image"]]
    best = document["per_image"][int(np.argmax(gains))]
    assert best in kept
    for entry in kept:
        pictures = {
            side: images.read_rgb(output.parent / place)
            for side, place in entry["pictures"].items()
        }
        assert set(pictures) == {"blurred", "restored", "sharp"}
        assert pictures["sharp"].shape == (12, 20, 3)
        np.testing.assert_array_equal(pictures["restored"], pictures["blurred"] - np.uint8(1))
    assert entry["pictures"]["blurred"].startswith("half_pictures/")


def test_nothing_is_written_where_nothing_could_be_scored(folder: Path, tmp_path: Path) -> None:
    class Failing(Fake):
        def __call__(self, image: np.ndarray) -> np.ndarray:
            raise UserError("no")

    with pytest.raises(UserError, match="none of the 9 pairs"):
        run(folder, tmp_path / "results.json", Failing())
    assert not (tmp_path / "results.json").exists()


def test_results_are_there_where_their_pictures_cannot_be_written(folder, tmp_path) -> None:
    output = tmp_path / "results.json"
    (tmp_path / "results_pictures").touch()
    with pytest.raises(UserError, match="a file is where a folder should be"):
        run(folder, output, Fake(), pictures=2)
    assert json.loads(output.read_text())["count"] == COUNT and not beside(output).exists()


def test_programs_of_many_sizes_are_let_go(tmp_path, rng, monkeypatch) -> None:
    monkeypatch.setattr(timed, "MOST_SHAPES", 3)
    cleared = []
    monkeypatch.setattr(timed.jax, "clear_caches", lambda: cleared.append(1))
    for number in range(8):
        for side in ("blur", "sharp"):
            picture = rng.integers(0, 256, (12 + number, 12, 3)).astype(np.uint8)
            images.write(tmp_path / side / f"{number}.png", picture)
    model = Fake()
    found = evaluate_pairs(find_pairs(tmp_path), model, dataset="d")
    assert found["count"] == 8 and model.calls == 16 and len(cleared) == 2


@pytest.mark.parametrize("words", ["RESOURCE_EXHAUSTED: out of memory", "INTERNAL: a bug"])
def test_a_device_without_memory_is_a_failed_picture_and_a_bug_is_not(words, folder) -> None:
    class Exhausted(Fake):
        def __call__(self, image: np.ndarray) -> np.ndarray:
            raise jax.errors.JaxRuntimeError(words)

    error = UserError if words.startswith("RESOURCE") else jax.errors.JaxRuntimeError
    with pytest.raises(error, match=r"not enough memory on the device|a bug"):
        evaluate_pairs(find_pairs(folder), Exhausted(), dataset="d")


def test_a_name_in_another_encoding_is_kept(tmp_path, rng) -> None:
    name = os.fsdecode(b"\xe9t\xe9.png")
    for side in ("blur", "sharp"):
        picture = rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)
        images.write(tmp_path / "pairs" / side / name, picture)
    document = run(tmp_path / "pairs", tmp_path / "results.json", Fake())
    assert document["per_image"][0]["name"] == name
    assert json.loads((tmp_path / "results.json").read_text())["per_image"][0]["name"] == name


def test_scores_that_were_not_asked_for_before_are_made(folder: Path, tmp_path: Path) -> None:
    class Further:
        names = ("lpips",)

        def __call__(self, picture: np.ndarray, sharp: np.ndarray) -> dict[str, float | None]:
            return {"lpips": 0.5}

    ledger, pairs = tmp_path / "ledger", find_pairs(folder)
    evaluate_pairs(pairs, Fake(), dataset="d", ledger=ledger)
    found = evaluate_pairs(pairs, Fake(), dataset="d", ledger=ledger, perceptual=Further())
    assert [entry["restored"]["lpips"] for entry in found["per_image"]] == [0.5] * COUNT
