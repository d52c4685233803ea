"""Pairs are found in every accepted layout, and whatever is wrong is named in one sentence."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from deblur_jax import images
from deblur_jax.data import pairs as pairs_module
from deblur_jax.data.pairs import Pair, find_pairs, pair_size, read_pair
from deblur_jax.errors import UsageError, UserError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def both(root: Path, pair_folder: str, *names: str) -> None:
    touch(root, *(f"{pair_folder}/{side}/{name}" for side in ("blur", "sharp") for name in names))


def picture(path: Path, height: int, width: int, *, orientation: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(values).save(path, exif=exif)


@pytest.mark.parametrize(("blurred", "sharp"), [("blur", "sharp"), ("input", "target"), ("A", "B")])
def test_flat_layouts(tmp_path: Path, blurred: str, sharp: str) -> None:
    touch(tmp_path, *(f"{side}/{name}" for side in (blurred, sharp) for name in ("b.png", "a.jpg")))
    assert find_pairs(tmp_path) == [
        Pair("a.jpg", "", tmp_path / blurred / "a.jpg", tmp_path / sharp / "a.jpg"),
        Pair("b.png", "", tmp_path / blurred / "b.png", tmp_path / sharp / "b.png"),
    ]


def test_scenes_at_any_depth_are_sorted_and_named_uniquely(tmp_path: Path) -> None:
    both(tmp_path, "train/S2", "1.png", "0.png")
    both(tmp_path, "train/S10", "0.png")
    both(tmp_path, "test/S3/deep", "0.png")
    found = find_pairs(tmp_path)
    assert [(pair.scene, pair.name) for pair in found] == [
        ("test/S3/deep", "test/S3/deep/0.png"),
        ("train/S10", "train/S10/0.png"),
        ("train/S2", "train/S2/0.png"),
        ("train/S2", "train/S2/1.png"),
    ]
    assert found[0].sharp == tmp_path / "test/S3/deep/sharp/0.png"
    assert find_pairs(tmp_path / "train")[0].name == "S10/0.png"


def test_folders_below_blur_and_sharp_stay_in_the_name(tmp_path: Path) -> None:
    both(tmp_path, ".", "000/1.png", "001/1.png")
    assert [(pair.scene, pair.name) for pair in find_pairs(tmp_path)] == [
        ("", "000/1.png"),
        ("", "001/1.png"),
    ]


def test_scenes_may_bear_the_names_of_a_layout(tmp_path: Path) -> None:
    both(tmp_path, "A", "1.png")
    both(tmp_path, "B", "1.png", "2.png")
    both(tmp_path, "input", "1.png")
    assert [pair.name for pair in find_pairs(tmp_path)] == [
        "A/1.png",
        "B/1.png",
        "B/2.png",
        "input/1.png",
    ]


def test_blurred_folder_chooses_the_gamma_version(tmp_path: Path) -> None:
    both(tmp_path, "S", "1.png", "2.png")
    touch(tmp_path, "S/blur_gamma/1.png", "S/blur_gamma/2.png")
    gamma = find_pairs(tmp_path, blurred_folder="blur_gamma")
    assert [pair.blurred.parent.name for pair in gamma] == ["blur_gamma"] * 2
    assert [pair.sharp for pair in gamma] == [pair.sharp for pair in find_pairs(tmp_path)]


def test_hidden_files_and_other_files_are_ignored(tmp_path: Path) -> None:
    both(tmp_path, ".", "1.PNG")
    touch(tmp_path, "blur/.2.png", "blur/._1.PNG", "sharp/notes.txt", "blur/Thumbs.db")
    both(tmp_path, ".cache", "9.png")
    assert [pair.name for pair in find_pairs(tmp_path)] == ["1.PNG"]


def test_extension_alone_may_differ(tmp_path: Path) -> None:
    touch(tmp_path, "blur/a.b.jpg", "sharp/a.b.png")
    (pair,) = find_pairs(tmp_path)
    assert (pair.name, pair.sharp.name) == ("a.b.jpg", "a.b.png")
    touch(tmp_path, "sharp/A.b.png")
    with pytest.raises(UserError, match=r"without a twin: sharp/A\.b\.png$"):
        find_pairs(tmp_path)


def test_two_pictures_of_one_stem_are_ambiguous(tmp_path: Path) -> None:
    touch(tmp_path, "blur/a.jpg", "blur/a.png", "sharp/a.png")
    with pytest.raises(UserError, match=r"blur/a\.png.*a\.jpg"):
        find_pairs(tmp_path)


def test_names_without_a_twin_are_listed(tmp_path: Path) -> None:
    both(tmp_path, "S", "0.png")
    touch(tmp_path, "S/blur/7.png", "S/sharp/8.png", "T/blur/9.png")
    with pytest.raises(UserError) as raised:
        find_pairs(tmp_path)
    assert raised.value.exit_code == 1
    assert str(raised.value) == (
        f"{tmp_path}: without a twin: S/blur/7.png, S/sharp/8.png, T/blur/9.png"
    )


def test_many_names_without_a_twin_are_counted(tmp_path: Path) -> None:
    both(tmp_path, ".", "x.png")
    touch(tmp_path, *(f"blur/{number:02}.png" for number in range(13)))
    with pytest.raises(UserError) as raised:
        find_pairs(tmp_path)
    assert str(raised.value).endswith("blur/08.png, blur/09.png and 3 more")
    assert str(raised.value).count(".png") == 10


def test_a_call_that_cannot_work_says_why(tmp_path: Path) -> None:
    touch(tmp_path, "file.png", "photos/1.png")
    (tmp_path / "empty" / "blur").mkdir(parents=True)
    (tmp_path / "empty" / "sharp").mkdir()
    for directory, words in [
        (tmp_path / "nowhere", "no such folder"),
        (tmp_path / "file.png", "not a folder"),
        (tmp_path / "photos", r"expected blur/ \+ sharp/ or input/ \+ target/ or A/ \+ B/"),
        (tmp_path / "empty", "blur/ and sharp/ hold no pictures"),
    ]:
        with pytest.raises(UsageError, match=words) as raised:
            find_pairs(directory)
        assert raised.value.exit_code == 2
        assert str(directory) in str(raised.value)


def test_a_link_to_itself_ends_and_a_linked_scene_is_found(tmp_path: Path) -> None:
    both(tmp_path, "elsewhere/S", "1.png")
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(tmp_path / "elsewhere" / "S")
    (root / "loop").symlink_to(root)
    assert [pair.name for pair in find_pairs(root)] == ["linked/1.png"]


def test_read_pair_gives_both_pictures(tmp_path: Path) -> None:
    values = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    for side, array in zip(("blur", "sharp"), values, strict=True):
        (tmp_path / side).mkdir()
        Image.fromarray(array).save(tmp_path / side / "1.png")
    blurred, sharp = read_pair(find_pairs(tmp_path)[0])
    np.testing.assert_array_equal(blurred, values[0])
    np.testing.assert_array_equal(sharp, values[1])


@pytest.mark.parametrize("read", [read_pair, pair_size])
def test_twins_of_different_sizes_are_named(tmp_path: Path, read) -> None:
    picture(tmp_path / "blur/1.png", 4, 6)
    picture(tmp_path / "sharp/1.png", 4, 5)
    with pytest.raises(UserError, match=r"blur/1\.png is 6x4 .*sharp/1\.png is 5x4"):
        read(find_pairs(tmp_path)[0])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("orientation", [None, 3, 6, 8])
def test_pair_size_is_that_of_the_picture_as_read(
    tmp_path: Path, suffix: str, orientation: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in ("blur", "sharp"):
        picture(tmp_path / side / f"1{suffix}", 16, 24, orientation=orientation)
    (pair,) = find_pairs(tmp_path)
    height, width, _ = read_pair(pair)[0].shape
    # The header must be enough: neither may the reader be called, nor Pillow decode.
    monkeypatch.delattr(images, "read_rgb")
    monkeypatch.delattr(ImageFile.ImageFile, "load")
    assert pair_size(pair) == (height, width)


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    both(tmp_path, ".", "1.png")
    with pytest.raises(UserError, match=r"blur/1\.png"):
        pair_size(find_pairs(tmp_path)[0])


def test_importing_does_not_load_tensorflow() -> None:
    code = (
        "import sys, deblur_jax.data, deblur_jax.data.pairs, deblur_jax.data.gopro\n"
        "sys.exit(any(name.startswith('tensorflow') for name in sys.modules))"
    )
    root = Path(pairs_module.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_the_development_data_is_found(shared_data: Path) -> None:
    found = find_pairs(shared_data / "gopro_dev" / "test")
    assert len(found) == 8
    assert len({pair.scene for pair in found}) == 7
    assert {pair_size(pair) for pair in found} == {(720, 1280)}


def test_two_pairs_of_one_name_are_refused(tmp_path):
    for place in ("s/{}/a/b.png", "s/a/{}/b.png"):
        for side in ("blur", "sharp"):
            images.write(tmp_path / place.format(side), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UserError, match=r"are both called s/a/b\.png"):
        find_pairs(tmp_path)
