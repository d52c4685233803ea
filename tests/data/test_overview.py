"""What --mode=prepare writes: numbers of the pairs that training would see, and pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from configs import tiny
from deblur_jax.data import overview, statistics
from deblur_jax.data.pairs import find_pairs, read_pair


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
