"""GoPro's scenes and its unpacked folder, on a small tree of the same shape."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from gopro_tree import SMALL, TEST, TRAIN, VALIDATION, make_tree

from deblur_jax.data import gopro
from deblur_jax.data.gopro import GOPRO, pairs
from deblur_jax.data.gopro.scenes import frames_averaged, recording
from deblur_jax.errors import UsageError, UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "GOPRO_Large")


def split(folder: Path, name: str, subset: str = "linear") -> list[str]:
    found = gopro.split_pairs(folder, name, subset, contents=SMALL)
    return [pair.name for pair in found]


def test_the_published_numbers_of_scenes_and_pairs() -> None:
    assert (len(GOPRO.train), len(GOPRO.test)) == (22, 11)
    assert (GOPRO.train_pairs, GOPRO.test_pairs) == (2103, 1111)
    # The test scenes are nine of 100 frames, one of 134 and one of 77.
    assert GOPRO.test_pairs == 9 * 100 + 134 + 77
    assert len({*GOPRO.train, *GOPRO.test}) == 33
    assert list(GOPRO.train) == sorted(GOPRO.train)
    assert list(GOPRO.test) == sorted(GOPRO.test)


def test_validation_is_three_whole_recordings_of_train() -> None:
    fit, validation = GOPRO.scenes("train_fit"), GOPRO.scenes("validation")
    assert (len(fit), len(validation)) == (19, 3)
    assert sorted(fit + validation) == sorted(GOPRO.scenes("train"))
    assert {recording(scene) for scene in fit}.isdisjoint(recording(s) for s in validation)


def test_the_middle_of_a_name_is_the_number_of_frames() -> None:
    assert frames_averaged("GOPR0372_07_01") == 7
    assert {frames_averaged(scene) for scene in GOPRO.train + GOPRO.test} == {7, 11, 13}


def test_pairs_come_straight_from_the_folder(root: Path) -> None:
    found = gopro.split_pairs(root, "test", contents=SMALL)
    assert [(pair.scene, pair.name) for pair in found] == [
        (TEST[0], f"{TEST[0]}/000001.png"),
        (TEST[0], f"{TEST[0]}/000047.png"),
    ]
    assert found[0].blurred == root / f"test/{TEST[0]}/blur/000001.png"
    assert found[0].sharp == root / f"test/{TEST[0]}/sharp/000001.png"
    gamma = gopro.split_pairs(root, "test", "gamma", contents=SMALL)
    assert gamma[1].blurred == root / f"test/{TEST[0]}/blur_gamma/000047.png"


def test_train_is_its_two_parts(root: Path) -> None:
    fit, validation = split(root, "train_fit"), split(root, "validation")
    assert (len(fit), len(validation)) == (4, 2)
    assert sorted(fit + validation) == split(root, "train")
    assert {name.split("/")[0] for name in validation} == set(VALIDATION)


def test_some_of_the_scenes_will_do_where_that_is_said(root: Path) -> None:
    shutil.rmtree(root / "train" / TRAIN[0])
    assert len(gopro.train_pairs(root, complete=False)) == 4
    assert len(gopro.test_pairs(root, subset="gamma", complete=False)) == 2
    with pytest.raises(UserError, match="22 are there"):
        gopro.train_pairs(root)
    with pytest.raises(UserError, match="11 are there"):
        gopro.test_pairs(root)


def test_the_folder_above_serves_too_and_the_default_is_that_of_tfds(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = split(root, "test")
    assert split(tmp_path, "test") == expected
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    home = Path("~/tensorflow_datasets/downloads/manual/GOPRO_Large").expanduser()
    assert gopro.default_directory() == home
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    shutil.move(root, gopro.default_directory())
    assert [p.name for p in gopro.split_pairs(None, "test", contents=SMALL)] == expected


def test_absent_data_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"nowhere.* test/ is not there") as raised:
        gopro.test_pairs(tmp_path / "nowhere")
    command = f"python -m deblur_jax.data.gopro --directory {tmp_path / 'nowhere'}"
    assert command in str(raised.value)
    assert raised.value.exit_code == 1
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"`python -m deblur_jax.data.gopro` fetches"):
        gopro.test_pairs()


def without(*places: str) -> Callable[[Path], None]:
    def remove(root: Path) -> None:
        for place in places:
            path = root / place
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def with_scene(root: Path) -> None:
    shutil.copytree(root / "train" / TRAIN[0], root / "train" / "GOPR0009_11_00")


def with_frame(root: Path) -> None:
    for part in ("blur", "sharp"):
        folder = root / "train" / TRAIN[0] / part
        shutil.copy(folder / "000001.png", folder / "000002.png")


def with_file_for_folder(root: Path) -> None:
    shutil.rmtree(root / "train")
    (root / "train").write_text("")


FRAME = f"train/{TRAIN[1]}/{{}}/000001.png"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (without(f"train/{TRAIN[1]}"), f"scene {TRAIN[1]} is missing, 2 of 3 are there"),
        (
            without(f"train/{TRAIN[0]}", f"train/{TRAIN[2]}"),
            f"scenes {TRAIN[0]}, {TRAIN[2]} are missing, 1 of 3 are there",
        ),
        (without(f"train/{TRAIN[1]}/sharp"), f"scene {TRAIN[1]} has no sharp/"),
        (without(f"train/{TRAIN[2]}/blur"), f"scene {TRAIN[2]} has no blur/"),
        (without(FRAME.format("sharp")), f"without a twin: {TRAIN[1]}/blur/000001.png"),
        (
            without(FRAME.format("blur"), FRAME.format("sharp")),
            "5 of 6 pairs of blur/ and sharp/ are there",
        ),
        (with_scene, "scene GOPR0009_11_00 does not belong to GoPro's train split"),
        (with_frame, "7 pairs of blur/ and sharp/ are there, but GoPro's train split has 6"),
        (with_file_for_folder, "a file, where GoPro's folder of that name should be"),
    ],
)
@pytest.mark.parametrize("name", ["train", "train_fit", "validation"])
def test_what_is_wrong_is_named(
    root: Path, damage: Callable[[Path], None], sentence: str, name: str
) -> None:
    damage(root)
    with pytest.raises(UserError) as raised:
        split(root, name)
    assert sentence in str(raised.value) and str(root / "train") in str(raised.value)
    assert raised.value.exit_code == 1 and "\n" not in str(raised.value)
    assert len(split(root, "test")) == 2


def test_what_could_be_fetched_again_is_told_from_what_is_too_much(root: Path) -> None:
    pairs.check_complete(root, contents=SMALL)
    with_frame(root)
    with pytest.raises(UserError) as raised:
        pairs.check_complete(root, contents=SMALL)
    assert not isinstance(raised.value, pairs.IncompleteError)
    (root / "train" / TRAIN[0] / "blur" / "000002.png").unlink()
    (root / "train" / TRAIN[0] / "sharp" / "000002.png").unlink()
    shutil.rmtree(root / "test" / TEST[0] / "blur_gamma")
    with pytest.raises(pairs.IncompleteError, match="has no blur_gamma/"):
        pairs.check_complete(root, contents=SMALL)


def test_unknown_subsets_and_splits_are_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="'blur'; there are linear, gamma"):
        gopro.test_pairs(root, subset="blur")
    with pytest.raises(UsageError, match="'val'; there are train, train_fit, validation, test"):
        gopro.split_pairs(root, "val")
