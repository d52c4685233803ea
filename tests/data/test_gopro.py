"""GoPro, on a small tree of the same shape that the tests make."""

import itertools
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from deblur_jax.data import gopro
from deblur_jax.data.gopro import SplitSize
from deblur_jax.errors import UsageError, UserError

tfds = pytest.importorskip("tensorflow_datasets")

# Imported after the line above, which skips this file where TensorFlow Datasets is missing.
from deblur_jax.data.gopro.builder import Gopro  # noqa: E402

SCENES = {"train": ["GOPR0001_11_00", "GOPR0002_11_00"], "test": ["GOPR0003_11_00"]}
FRAMES = ["000001.png", "000047.png"]
SMALL = {"train": SplitSize(2, 4), "test": SplitSize(1, 2)}


def make_tree(root: Path) -> None:
    """train/ and test/ with pictures of 12x8 pixels, each of its own noise."""
    number = itertools.count()
    for split, scenes in SCENES.items():
        for scene, folder, frame in itertools.product(
            scenes, ("blur", "blur_gamma", "sharp"), FRAMES
        ):
            path = root / split / scene / folder / frame
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(next(number)).integers(0, 256, (8, 12, 3), np.uint8)
            Image.fromarray(noise).save(path)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(gopro.pairs, "SPLITS", SMALL)
    make_tree(tmp_path / "GOPRO_Large")
    return tmp_path / "GOPRO_Large"


def test_the_published_numbers_of_scenes_and_pairs() -> None:
    train, test = gopro.SPLITS["train"], gopro.SPLITS["test"]
    assert (train.scenes, train.pairs, test.scenes, test.pairs) == (22, 2103, 11, 1111)
    # The test scenes are nine of 100 frames, one of 134 and one of 77.
    assert test.pairs == 9 * 100 + 134 + 77


def test_pairs_come_straight_from_the_folder(root: Path) -> None:
    pairs = gopro.test_pairs(root)
    assert [(pair.scene, pair.name) for pair in pairs] == [
        ("GOPR0003_11_00", "GOPR0003_11_00/000001.png"),
        ("GOPR0003_11_00", "GOPR0003_11_00/000047.png"),
    ]
    assert pairs[0].blurred == root / "test/GOPR0003_11_00/blur/000001.png"
    assert pairs[0].sharp == root / "test/GOPR0003_11_00/sharp/000001.png"
    assert len(gopro.train_pairs(root)) == 4
    gamma = gopro.test_pairs(root, subset="gamma")
    assert gamma[1].blurred == root / "test/GOPR0003_11_00/blur_gamma/000047.png"


def test_the_folder_above_serves_too_and_the_default_is_that_of_tfds(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = gopro.test_pairs(root)
    assert gopro.test_pairs(tmp_path) == expected
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    home = Path("~/tensorflow_datasets/downloads/manual/GOPRO_Large").expanduser()
    assert gopro.default_directory() == home
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    shutil.move(root, gopro.default_directory())
    assert [pair.name for pair in gopro.test_pairs()] == [pair.name for pair in expected]


def test_absent_data_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.*GOPRO_Large\.zip.*https://") as raised:
        gopro.test_pairs(tmp_path / "nowhere")
    assert raised.value.exit_code == 1


def test_what_is_missing_is_counted_unless_a_part_is_wanted(root: Path) -> None:
    shutil.rmtree(root / "train" / SCENES["train"][0])
    with pytest.raises(UserError, match="1 of 2 scenes and 2 of 4 pairs of blur/ and sharp/"):
        gopro.train_pairs(root)
    assert len(gopro.train_pairs(root, complete=False)) == 2
    assert len(gopro.test_pairs(root)) == 2


def test_an_unknown_subset_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="'blur'; there are linear, gamma"):
        gopro.test_pairs(root, subset="blur")


@pytest.mark.parametrize("subset", ["linear", "gamma"])
def test_built_examples_are_the_files(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subset: str
) -> None:
    monkeypatch.setattr(Gopro, "SPLIT_SIZES", SMALL)
    builder = Gopro(config=subset, data_dir=tmp_path / "built")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=root.parent)
    )
    for split, count in [("train", 4), ("test", 2)]:
        examples = list(tfds.as_numpy(builder.as_dataset(split=split)))
        assert len(examples) == count == builder.info.splits[split].num_examples
        for example in examples:
            scene, frame = example["name"].decode().split("/")
            assert example["scene"].decode() == scene
            for key, folder in [("blurred", gopro.SUBSETS[subset]), ("sharp", "sharp")]:
                with Image.open(root / split / scene / folder / frame) as picture:
                    np.testing.assert_array_equal(example[key], np.asarray(picture))


def test_an_incomplete_tree_is_refused_before_anything_is_built(root: Path, tmp_path: Path) -> None:
    builder = Gopro(config="linear", data_dir=tmp_path / "built")
    with pytest.raises(UserError, match="2 of 22 scenes and 4 of 2103 pairs"):
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=root.parent)
        )
    assert not list((tmp_path / "built").rglob("*.tfrecord*"))


class GoproBuilderTest(tfds.testing.DatasetBuilderTestCase):
    """TensorFlow Datasets' own checks of a builder, for both configurations."""

    DATASET_CLASS = Gopro
    SPLITS = {"train": 4, "test": 2}  # noqa: RUF012  # the form that the base class asks for
    # They forbid `os`, for data on remote file systems; ours is unpacked by hand on a local one.
    MOCK_OUT_FORBIDDEN_OS_FUNCTIONS = False

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        make_tree(Path(folder.name) / "GOPRO_Large")
        sizes = mock.patch.object(Gopro, "SPLIT_SIZES", SMALL)
        sizes.start()
        cls.addClassCleanup(sizes.stop)
        super().setUpClass()
