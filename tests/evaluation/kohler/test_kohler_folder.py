"""Finding Köhler's photographs and frames, and saying what is not there."""

from pathlib import Path

import pytest

from deblur_jax.errors import UsageError, UserError
from deblur_jax.evaluation.kohler.folder import EVERY, LEFT_OUT, find_kohler

ONLY = [(1, 3), (4, 12)]


def fill(root: Path, *, archives: bool, frames: int) -> None:
    """Empty files, as finding reads none of them."""
    for i, k in ONLY:
        blurred = root / "BlurryImages" if archives else root
        below = (root / f"GroundTruth_pngs_Image{i}" if archives else root) / f"Image{i}"
        folder = below / f"Kernel{k}"
        for path in (blurred, folder):
            path.mkdir(parents=True, exist_ok=True)
        (blurred / f"Blurry{i}_{k}.png").touch()
        for n in range(1, frames + 1):
            (folder / f"GroundTruth{i}_{k}_{n}.png").touch()
        (folder / "Thumbs.db").touch()


@pytest.mark.parametrize("archives", [False, True])
def test_both_ways_of_unpacking(tmp_path: Path, archives: bool) -> None:
    fill(tmp_path, archives=archives, frames=32)
    first, last = find_kohler(tmp_path, ONLY, fewest_frames=32)
    assert (first.image, first.motion, first.name) == (1, 3, "1_3")
    assert first.blurred.name == "Blurry1_3.png"
    names = [path.name for path in last.frames]
    assert names == [f"GroundTruth4_12_{n}.png" for n in range(1, 33)], "in numerical order"
    assert len(first.frames) == 31
    assert "GroundTruth1_3_30.png" not in [path.name for path in first.frames]


def test_the_frames_left_out_may_be_missing(tmp_path: Path) -> None:
    fill(tmp_path, archives=False, frames=200)
    (tmp_path / "Image1" / "Kernel3" / "GroundTruth1_3_30.png").unlink()
    first, last = find_kohler(tmp_path, ONLY)
    assert len(first.frames) == 197
    assert len(last.frames) == 200
    assert set(LEFT_OUT) == {(1, 3)}


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    fill(tmp_path, archives=False, frames=40)
    (tmp_path / "Image4" / "Kernel12" / "GroundTruth4_12_7.png").unlink()
    with pytest.raises(UserError, match=r"missing: GroundTruth4_12_7\.png$"):
        find_kohler(tmp_path, ONLY, fewest_frames=40)
    with pytest.raises(UserError, match=r"GroundTruth1_3_41\.png, .* and \d+ more$"):
        find_kohler(tmp_path, ONLY)
    with pytest.raises(UserError, match=r"Blurry1_1\.png, Image1/Kernel1/GroundTruth1_1_\*\.png"):
        find_kohler(tmp_path)
    assert len(EVERY) == 48


def test_frames_for_matlab_are_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "GroundTruth1_1.mat").touch()
    with pytest.raises(UserError, match=r"read from GroundTruth_pngs_Image1\.zip to 4, not from"):
        find_kohler(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        find_kohler(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not a folder"):
        find_kohler(tmp_path / "file")
