"""What --mode=prepare writes: numbers of the pairs that training would see, and pictures."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from configs import tiny
from deblur_jax.data import overview, statistics
from deblur_jax.data.pairs import find_pairs, read_pair
from deblur_jax.data.store import of_arrays
from deblur_jax.errors import UsageError, UserError
from deblur_jax.training.recipe import make_recipe


def write_pairs(folder: Path, count: int, side: int) -> None:
    rng = np.random.default_rng(count)
    for number in range(count):
        sharp = rng.integers(0, 256, (side, side + 8, 3), dtype=np.uint8)
        for name, pixels in (("blur", sharp // 2 + 64), ("sharp", sharp)):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def test_real_and_synthetic_parts_are_counted_shown_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "real", 3, 96)
    config = tiny.get_config()
    config.data.root, config.data.mixture = str(tmp_path), (("real", 2),)
    config.data.synthetic = 8
    found = overview.prepare_run(config, tmp_path / "run")
    folder = tmp_path / "run" / "data"
    assert json.loads((folder / "training_set.json").read_text()) == found
    assert (found["pairs"], found["samples_per_epoch"]) == (11, 3 * 2 + 8)
    assert {name: part["pairs"] for name, part in found["parts"].items()} == {
        "real": 3,
        "synthetic/trajectory": 8,
    }
    # Every pair is counted whole, as none is larger than the crops that are counted.
    pairs = [read_pair(pair) for pair in find_pairs(tmp_path / "real")]
    assert found["parts"]["real"]["statistics"]["psnr"] == pytest.approx(
        statistics.summarize(pairs)["psnr"]
    )
    for name, tiles in (("real", 3), ("synthetic_trajectory", 8)):
        with Image.open(folder / f"{name}.png") as sheet:
            assert sheet.width > 2 * 96 * min(tiles, 4)
    printed = capsys.readouterr().out
    assert (folder / "statistics.txt").read_text().strip() in printed
    assert "real real" in printed and found["sha256"] in printed
    again = overview.prepare_run(config, tmp_path / "again")
    assert again == found


def test_one_kind_alone_is_a_short_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "pairs", 2, 300)
    config = tiny.get_config()
    config.data.pairs = str(tmp_path / "pairs")
    found = overview.prepare_run(config, tmp_path / "run")
    assert found["parts"]["pairs"]["statistics"]["pairs"] == overview.COUNTED  # crops of 256x256
    table = (tmp_path / "run/data/statistics.txt").read_text().splitlines()
    assert table[0].startswith("blurred PSNR in dB") and table[1].startswith("pairs ")
    assert "2 pairs, 2 samples an epoch" in capsys.readouterr().out


def located(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A pair whose pixels say where they lie, modulo 256."""
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows, columns, rows // 256 + 16 * (columns // 256)], axis=-1)
    return picture.astype(np.uint8), picture.astype(np.uint8)


def test_crops_lie_anywhere_in_a_larger_pair_and_are_the_same_every_time() -> None:
    store = of_arrays([located(300, 600), located(256, 400)], "some")
    crops = overview._crops(store, "some")
    assert len(crops) == overview.COUNTED
    places = set()
    for blurred, sharp in crops:
        assert blurred.shape == sharp.shape == (256, 256, 3)
        np.testing.assert_array_equal(blurred, sharp)
        row, column, page = (int(value) for value in blurred[0, 0])
        places.add((row + 256 * (page % 16), column + 256 * (page // 16)))
    rows, columns = zip(*places, strict=True)
    assert min(rows) >= 0 and max(rows) <= 44 and min(columns) >= 0 and max(columns) <= 344
    # Of 120 even draws from 45 rows some 42 are met, of 345 columns some 100.
    assert len(set(rows)) > 30 and len(set(columns)) > 100 and max(rows) > 40 > 4 > min(rows)
    for one, other in zip(crops, overview._crops(store, "some"), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "COUNTED", 6)


def test_pairs_that_are_not_trained_on_are_neither_counted_nor_shown(
    few: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "one", 3, 96)
    write_pairs(tmp_path / "small", 2, 40)
    for name in ("blur", "sharp"):
        Image.new("RGB", (40, 40), (200, 0, 0)).save(tmp_path / "one" / name / "tiny.png")
    config = tiny.get_config()
    config.data.root, config.data.synthetic = str(tmp_path), 0
    config.data.mixture = (("one", 2), ("small", 1))
    config.data.skip_broken = True
    found = overview.prepare_run(config, tmp_path / "run")
    assert found["pairs"] == 3 and found["samples_per_epoch"] == 6
    (part,) = found["parts"].values()
    assert list(found["parts"]) == ["one"]
    assert part["pairs"] == 3 and part["samples_per_epoch"] == 6
    assert part["statistics"]["pairs"] == 3
    pairs = [read_pair(pair) for pair in find_pairs(tmp_path / "one")][:3]
    assert part["statistics"]["psnr"] == pytest.approx(statistics.summarize(pairs)["psnr"])
    expected = of_arrays(pairs)
    expected = dataclasses.replace(expected, names=("0.png", "1.png", "2.png"))
    assert found["sha256"] == expected.sha256()
    assert sorted(path.name for path in (tmp_path / "run" / "data").iterdir()) == [
        "one.png",
        "statistics.txt",
        "training_set.json",
    ]
    assert "3 crops to look at in" in capsys.readouterr().out


@pytest.mark.parametrize("crop", [0, 1, 8, 15, 16, 18, 20, 32, 34])
def test_a_crop_is_refused_where_training_refuses_it(few: None, crop: int, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 1, 40)
    config = tiny.get_config()
    config.data.pairs, config.data.crop = str(tmp_path / "pairs"), crop
    sentence = None
    try:
        make_recipe(config)
    except UsageError as error:
        sentence = str(error)
    assert (sentence is None) == (crop in (16, 20, 32))
    if sentence is None:
        overview.prepare_run(config, tmp_path / "run")
        return
    with pytest.raises(UsageError) as caught:
        overview.prepare_run(config, tmp_path / "run")
    assert str(caught.value) == sentence and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "value"), [("augment", "spin"), ("placement", "disk"), ("rotation", 50.0)]
)
def test_what_training_refuses_is_refused(field: str, value: Any, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 1, 96)
    config = tiny.get_config()
    config.data.pairs, config.data[field] = str(tmp_path / "pairs"), value
    with pytest.raises(UsageError, match=f"data.{field} is {value!r}; it can be "):
        overview.prepare_run(config, tmp_path / "run")


def test_a_sheet_that_cannot_be_written_is_named(few: None, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", 1, 96)
    config = tiny.get_config()
    config.data.pairs = str(tmp_path / "pairs")
    sheet = tmp_path / "run" / "data" / "pairs.png"
    sheet.mkdir(parents=True)
    with pytest.raises(UserError, match=r"cannot write .*run/data/pairs\.png"):
        overview.prepare_run(config, tmp_path / "run")
