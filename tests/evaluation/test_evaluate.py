"""`evaluate_pairs` and `results.json`, with models whose scores are known in closed form."""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from deblur_jax import images
from deblur_jax.data.pairs import Pair, find_pairs
from deblur_jax.errors import UsageError, UserError
from deblur_jax.evaluation import evaluate, metrics, results, timed
from deblur_jax.evaluation.device import device_name

SHIFT = 8
KEYS = ["schema", "protocol", "dataset", "blurred_folder", "weights", "device", "count"]
KEYS += ["blurred", "restored", "seconds_per_image", "per_scene"]
KEYS += ["precision", "dropout", "self_ensemble", "limit", "command", "date", "versions"]
KEYS += ["devices", "per_image"]


class FakeRestorer:
    """Applies a function to uint8[H, W, 3] and remembers the shapes that it was given."""

    def __init__(self, function=lambda image: image.copy()) -> None:
        self.weights = SimpleNamespace(name="fake", sha256="0" * 64)
        self.function = function
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, image: np.ndarray) -> np.ndarray:
        self.shapes.append(image.shape)
        return self.function(image)


def shifted_back(image: np.ndarray) -> np.ndarray:
    """Leaves an error of 2 grey levels everywhere."""
    return (image.astype(int) - SHIFT + 2).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Three pairs in two scenes; a blurred picture is the sharp one, SHIFT grey levels brighter."""
    for name, shape in {
        "b/one": (40, 48, 3),
        "a/two": (40, 48, 3),
        "b/three": (32, 24, 3),
    }.items():
        scene, stem = name.split("/")
        sharp = rng.integers(20, 200, shape).astype(np.uint8)
        images.write(tmp_path / scene / "sharp" / f"{stem}.png", sharp)
        images.write(tmp_path / scene / "blur" / f"{stem}.png", sharp + np.uint8(SHIFT))
    return tmp_path


def score(folder: Path, restorer: FakeRestorer, **options) -> dict:
    return evaluate.evaluate_pairs(
        find_pairs(folder), restorer, **{"dataset": "three", "protocol": "full", **options}
    )


def level(error: float) -> float:
    return 20 * math.log10(255 / error)


def test_a_shift_scores_as_computed_by_hand(folder: Path) -> None:
    found = score(folder, FakeRestorer(shifted_back))
    assert found["blurred"]["psnr"] == pytest.approx(level(SHIFT), abs=1e-9)
    assert found["restored"]["psnr"] == pytest.approx(level(2), abs=1e-9)
    sharp = images.read_rgb(folder / "a" / "sharp" / "two.png")
    entry = found["per_image"][0]
    assert entry["blurred"]["ssim"] == metrics.ssim(sharp + np.uint8(SHIFT), sharp)
    assert entry["restored"]["ssim_matlab3d"] == metrics.ssim_matlab3d(sharp + np.uint8(2), sharp)
    assert entry["restored"]["cw_ssim_1d"] == metrics.cw_ssim_1d(sharp + np.uint8(2), sharp)
    blurred_luminance = metrics.ssim_luminance(sharp + np.uint8(SHIFT), sharp)
    assert entry["blurred"]["ssim_luminance"] == blurred_luminance
    for side in results.SIDES:
        for key in ("psnr", "ssim", "ssim_matlab3d", "cw_ssim_1d", "ssim_luminance"):
            values = [each[side][key] for each in found["per_image"]]
            assert found[side][key] == pytest.approx(np.mean(values), abs=1e-12)
        assert found[side]["ms_ssim"] is None, "below 176 pixels"
    assert entry["artefacts"]["shift_green"] == pytest.approx(2 - SHIFT, abs=1e-5)
    assert (entry["artefacts"]["shift_red"], entry["artefacts"]["clipped"]) == (-6, 0)


def test_the_document_has_the_keys_of_schema_1(folder: Path) -> None:
    found = score(folder, FakeRestorer(shifted_back))
    assert list(found) == KEYS
    assert (found["schema"], found["protocol"], found["dataset"]) == (1, "full", "three")
    assert found["weights"] == {"name": "fake", "sha256": "0" * 64}
    assert found["device"] == device_name()
    assert found["device"].startswith("cpu: ")
    assert found["count"] == 3
    assert (found["blurred_folder"], found["limit"], found["devices"]) == ("blur", None, 1)
    keys = ["psnr", "ssim", "ssim_matlab3d", "cw_ssim_1d", "ssim_luminance", "ms_ssim"]
    assert list(found["blurred"]) == list(found["restored"]) == keys
    assert list(found["seconds_per_image"]) == ["median", "p90", "first_with_compilation"]
    for entry in found["per_image"]:
        assert list(entry) == [
            "name", "scene", "height", "width", "blurred", "restored", "artefacts", "seconds",
        ]  # fmt: skip
        assert list(entry["blurred"]) == list(entry["restored"]) == keys
    sizes = [(entry["height"], entry["width"]) for entry in found["per_image"]]
    assert sizes == [(40, 48), (40, 48), (32, 24)] or sizes == [(40, 48), (32, 24), (40, 48)]


def test_order_is_by_scene_and_name_whatever_the_input(folder: Path) -> None:
    pairs = find_pairs(folder)
    restorer = FakeRestorer()
    found = evaluate.evaluate_pairs(pairs[::-1], restorer, protocol="full", dataset="three")
    names = [(entry["scene"], entry["name"]) for entry in found["per_image"]]
    assert names == sorted(names)
    first = score(folder, restorer, limit=1)
    assert first["count"] == 1
    assert first["per_image"][0]["name"] == found["per_image"][0]["name"]
    assert score(folder, restorer, limit=99)["count"] == 3


def test_a_new_size_is_restored_twice_and_timed_once(folder: Path, monkeypatch) -> None:
    """Each call advances the clock by what it 'takes': 10 s and 7 s where it compiles, else 1 s."""
    clock = [0.0]
    seen: set[tuple[int, ...]] = set()

    def slow(image: np.ndarray) -> np.ndarray:
        clock[0] += 1.0 if image.shape in seen else 7.0 if seen else 10.0
        seen.add(image.shape)
        return image.copy()

    monkeypatch.setattr(timed.time, "perf_counter", lambda: clock[0])
    restorer = FakeRestorer(slow)
    found = score(folder, restorer)
    assert len(restorer.shapes) == 3 + 2
    assert [entry["seconds"] for entry in found["per_image"]] == [1.0, 1.0, 1.0]
    assert found["seconds_per_image"] == {
        "median": 1.0,
        "p90": 1.0,
        "first_with_compilation": 10.0,
    }


def test_median_and_90th_percentile_of_the_times() -> None:
    entries = [results.without_scores(str(n), 9, 9, float(n)) for n in range(1, 12)]
    seconds = summarised(entries)["seconds_per_image"]
    assert seconds == {"median": 6.0, "p90": 10.0, "first_with_compilation": 9.5}


def summarised(entries: list[dict]) -> dict:
    return results.summarise(
        entries,
        protocol="full",
        filter=None,
        dataset="d",
        weights={"name": "n", "sha256": "s"},
        device="cpu",
        first_seconds=9.5,
    )


def test_a_perfect_picture_does_not_poison_the_mean(folder: Path, tmp_path: Path) -> None:
    """A model that is exact on one size and 2 grey levels off on the other."""

    def model(image: np.ndarray) -> np.ndarray:
        return image - np.uint8(SHIFT) if image.shape[0] == 32 else shifted_back(image)

    found = score(folder, FakeRestorer(model))
    assert found["infinite_psnr"] == {"blurred": 0, "restored": 1}
    assert found["restored"]["psnr"] == pytest.approx(level(2), abs=1e-9)
    perfect = next(entry for entry in found["per_image"] if entry["height"] == 32)
    assert perfect["restored"]["psnr"] is None
    assert perfect["restored"]["ssim"] == pytest.approx(1.0)
    assert "1 restored equal to the sharp twin" in results.summary(found)
    results.write_results(tmp_path / "results.json", found)


def test_only_perfect_pictures_have_no_mean_psnr(folder: Path) -> None:
    found = score(folder, FakeRestorer(lambda image: image - np.uint8(SHIFT)))
    assert found["restored"]["psnr"] is None
    assert found["infinite_psnr"]["restored"] == 3


def test_a_picture_below_the_window_has_no_ssim_but_a_psnr(tmp_path: Path) -> None:
    for side, value in (("blur", 90), ("sharp", 80)):
        images.write(tmp_path / side / "tiny.png", np.full((8, 8, 3), value, np.uint8))
    found = score(tmp_path, FakeRestorer())
    assert found["restored"]["ssim"] is None
    assert found["restored"]["psnr"] == pytest.approx(level(10), abs=1e-9)


def test_protocols_shrink_both_twins_before_the_model(folder: Path) -> None:
    restorer = FakeRestorer(shifted_back)
    found = score(folder, restorer, protocol="half")
    assert set(restorer.shapes) == {(20, 24, 3), (16, 12, 3)}
    assert (found["protocol"], found["filter"]) == ("half", "bicubic")
    assert found["per_image"][0]["height"] == 20
    nearest = score(folder, restorer, protocol="half", filter="nearest")
    assert nearest["filter"] == "nearest"
    # Nearest keeps the shift exactly, as bicubic cannot where it clips.
    assert nearest["blurred"]["psnr"] == pytest.approx(level(SHIFT), abs=1e-9)


def test_progress_and_kept_pictures(folder: Path) -> None:
    told, kept = [], []
    score(
        folder,
        FakeRestorer(shifted_back),
        progress=lambda done, total, name: told.append((done, total, name)),
        keep=lambda pair, blurred, restored, sharp: kept.append((pair, blurred, restored, sharp)),
    )
    assert [step[:2] for step in told] == [(1, 3), (2, 3), (3, 3)]
    pair, blurred, restored, sharp = kept[0]
    assert pair.name == told[0][2]
    np.testing.assert_array_equal(sharp + np.uint8(SHIFT), blurred)
    np.testing.assert_array_equal(sharp + np.uint8(2), restored)


def test_what_cannot_be_scored_is_named_counted_and_in_no_mean(folder: Path) -> None:
    """Twins of two sizes, a picture cut short, a model that gives NaN or fails on one of them."""
    images.write(folder / "b" / "sharp" / "one.png", np.zeros((40, 47, 3), np.uint8))
    whole = (folder / "a" / "blur" / "two.png").read_bytes()
    (folder / "a" / "blur" / "two.png").write_bytes(whole[: len(whole) // 2])
    said: list[str] = []
    found = score(folder, FakeRestorer(shifted_back), say=said.append)
    assert found["count"] == len(found["per_image"]) == 1
    assert found["restored"]["psnr"] == pytest.approx(level(2), abs=1e-9)
    names = ["a/two.png", "b/one.png"]
    assert [each["name"] for each in found["failed"]] == names
    assert [each["scene"] for each in found["failed"]] == ["a", "b"]
    reasons = [each["reason"] for each in found["failed"]]
    assert re.search(r"cannot read .*two\.png", reasons[0])
    assert re.search(r"one\.png is 48x40 .*one\.png is 47x40", reasons[1])
    assert sorted(line.partition("failed: ")[2] for line in said) == sorted(reasons)
    summary = results.summary(found)
    assert "2 could not be scored and are in no mean:" in summary
    assert all(reason in summary for reason in reasons)


def not_finite(image: np.ndarray) -> np.ndarray:
    out = image.astype(np.float32)
    out[3, 4, 1] = np.nan
    return out


def failing(image: np.ndarray) -> np.ndarray:
    raise UserError("too large a picture")


def without_memory(image: np.ndarray) -> np.ndarray:
    raise MemoryError


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (not_finite, r"two\.png: the weights fake gave values .* not finite"),
        (failing, r"two\.png: too large a picture"),
        (without_memory, r"two\.png: not enough memory"),
        (lambda image: image[:-1], r"two\.png: the weights fake gave .* for uint8"),
        (lambda image: image.astype(np.float32), r"two\.png: the weights fake gave .* for uint8"),
    ],
)
def test_a_model_that_fails_is_told_with_the_picture(folder: Path, function, sentence) -> None:
    with pytest.raises(UserError, match="none of the 3 pairs could be scored; .*" + sentence):
        score(folder, FakeRestorer(function))

    def on_one_size(image: np.ndarray) -> np.ndarray:
        return image.copy() if image.shape[0] == 32 else function(image)

    found = score(folder, FakeRestorer(on_one_size))
    assert found["count"] == 1 and len(found["failed"]) == 2
    assert re.search(sentence, found["failed"][0]["reason"])


def test_means_by_scene(folder: Path) -> None:
    found = score(folder, FakeRestorer(shifted_back))
    assert [(each["scene"], each["count"]) for each in found["per_scene"]] == [("a", 1), ("b", 2)]
    for each in found["per_scene"]:
        own = [entry for entry in found["per_image"] if entry["scene"] == each["scene"]]
        for side in results.SIDES:
            expected = np.mean([entry[side]["ssim"] for entry in own])
            assert each[side]["ssim"] == pytest.approx(expected, abs=1e-12)
    assert "per_scene" not in score(folder / "b", FakeRestorer())


def test_floats_score_as_others_score_them(folder: Path) -> None:
    """A model whose floats lie 0.6 and 0.4 grey levels above the sharp picture's."""

    class WithFloats(FakeRestorer):
        def with_floats(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            levels = image - float(SHIFT) + np.where(image % 2, 0.6, 0.4)
            return np.rint(levels).astype(np.uint8), (levels / 127.5 - 1).astype(np.float32)

    entry = score(folder, WithFloats())["per_image"][0]
    share = np.mean(images.read_rgb(folder / "a" / "blur" / "two.png") % 2)
    rounded = share * 1.0  # mean squared error of an error of 1 where the fraction is .6
    floats = share * 0.36 + (1 - share) * 0.16
    assert entry["restored"]["psnr"] == pytest.approx(10 * math.log10(255**2 / rounded), abs=1e-6)
    assert entry["restored"]["psnr_floats"] == pytest.approx(
        10 * math.log10(255**2 / floats), abs=1e-3
    )
    assert entry["restored"]["psnr_truncated"] is None, "no error at all"
    assert "psnr_floats" not in entry["blurred"]


def test_further_scores_are_asked_for_and_averaged(folder: Path) -> None:
    def perceptual(picture: np.ndarray, sharp: np.ndarray) -> dict[str, float | None]:
        return {"lpips": float(np.mean(picture.astype(float) - sharp))}

    found = score(folder, FakeRestorer(shifted_back), perceptual=perceptual)
    assert found["blurred"]["lpips"] == pytest.approx(SHIFT)
    assert found["restored"]["lpips"] == pytest.approx(2)


def test_wrong_calls(folder: Path) -> None:
    with pytest.raises(UsageError, match="limit of 0"):
        score(folder, FakeRestorer(), limit=0)
    with pytest.raises(UsageError, match="empty: no pairs"):
        evaluate.evaluate_pairs([], FakeRestorer(), protocol="full", dataset="empty")
    with pytest.raises(UsageError, match="no protocol"):
        score(folder, FakeRestorer(), protocol="double")
    missing = Pair("x.png", "", folder / "x.png", folder / "y.png")
    with pytest.raises(UserError, match=r"x\.png"):
        evaluate.evaluate_pairs([missing], FakeRestorer(), protocol="full", dataset="d")


def test_results_are_strict_json_and_never_half_written(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    found = score(folder, FakeRestorer(shifted_back))
    results.write_results(path, found)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=pytest.fail) == found
    with pytest.raises(ValueError):
        results.write_results(path, {**found, "count": float("nan")})
    assert path.read_text(encoding="utf-8") == text
    assert [child.name for child in path.parent.iterdir()] == ["results.json"]


def test_tables(folder: Path) -> None:
    found = score(folder, FakeRestorer(shifted_back))
    found["per_image"].append(results.without_scores("alone", 5, 6, 1.5))
    lines = results.picture_table(found).splitlines()
    assert lines[0].split() == ["picture", "PSNR", "(dB)", "SSIM", "seconds"]
    assert len(lines) == 1 + 4 + 1
    assert f"{level(SHIFT):.2f} → {level(2):.2f}" in lines[1]
    assert lines[4].split() == ["alone", "–", "→", "–", "–", "→", "–", "1.50"]
    assert lines[-1].startswith("mean of 3, median time")
    text = results.summary(found)
    assert "fake on three: 3 pairs, protocol full, cpu: " in text
    assert f"{found['restored']['cw_ssim_1d']:.4f}" in text
    assert re.search(r"PSNR gained: from \+\d+\.\d\d dB \(\S+\) to \+\d+\.\d\d dB", text)


def test_the_summary_names_the_pictures_that_a_mean_hides(folder: Path) -> None:
    found = score(folder, FakeRestorer(shifted_back))
    kept = found["per_image"]
    given = [(1.0, 0, 0.1), (-0.5, 0.4, 0), (0.25, 0, -0.7)]
    for entry, (gain, red, blue) in zip(kept, given, strict=True):
        entry["blurred"]["psnr"], entry["restored"]["psnr"] = 20.0, 20.0 + gain
        entry["artefacts"] |= {"shift_red": red, "shift_green": 0, "shift_blue": blue, "grid": red}
    first, second, third = (entry["name"] for entry in kept)
    text = results.summary(found)
    assert f"PSNR gained: from -0.50 dB ({second}) to +1.00 dB ({first})\n" in text
    assert f"largest shift of a channel's mean: -0.70 grey levels, blue ({third})\n" in text
    assert f"most of a grid: 0.4 dB ({second})\n" in text
    # An infinite PSNR, no sharp twin, a picture too small for a grid: nothing is said of them.
    for entry in kept:
        entry["restored"]["psnr"] = None
        entry["artefacts"] = dict.fromkeys(entry["artefacts"])
    text = results.summary(found)
    assert "gained" not in text and "shift" not in text and "grid" not in text
