"""The tensorflow-datasets builder `gopro`, on a small tree of GoPro's shape."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from file_server import Server, serve
from gopro_tree import FRAMES, SMALL, TEST, TRAIN, VALIDATION, make_tree, make_zip
from PIL import Image

from deblur_jax.data import gopro
from deblur_jax.data.gopro import fetch as fetching
from deblur_jax.errors import UserError

tfds = pytest.importorskip("tensorflow_datasets")

# Imported after the line above, which skips this file where TensorFlow Datasets is missing.
from deblur_jax.data.gopro import builder as building  # noqa: E402
from deblur_jax.data.gopro.builder import Gopro  # noqa: E402

COUNTS = {"train": 6, "train_fit": 4, "validation": 2, "test": 2}
FIT = tuple(scene for scene in TRAIN if scene not in VALIDATION)
SCENES = {"train": TRAIN, "train_fit": FIT, "validation": VALIDATION, "test": TEST}


@pytest.fixture
def manual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for what is fetched by hand, with the tree in it."""
    monkeypatch.setattr(Gopro, "CONTENTS", SMALL)
    make_tree(tmp_path / "manual" / "GOPRO_Large")
    return tmp_path / "manual"


def prepared(manual: Path, config: str = "linear", file_format: str | None = None) -> Gopro:
    builder = Gopro(config=config, data_dir=manual.parent / "built")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=manual), file_format=file_format
    )
    return builder


def check_examples(dataset: dict, root: Path, subset: str) -> None:
    """Every split holds its scenes' pairs, each once, and the pixels of their files."""
    assert set(dataset) == set(COUNTS)
    for split, examples in dataset.items():
        by_tf_data = hasattr(examples, "as_numpy_iterator")
        found = list(examples.as_numpy_iterator() if by_tf_data else examples)
        names = sorted(example["name"].decode() for example in found)
        assert names == sorted(f"{scene}/{frame}" for scene in SCENES[split] for frame in FRAMES)
        folder = root / ("test" if split == "test" else "train")
        for example in found:
            scene, frame = example["name"].decode().split("/")
            assert example["scene"].decode() == scene
            for key, part in [("blurred", gopro.SUBSETS[subset]), ("sharp", "sharp")]:
                with Image.open(folder / scene / part / frame) as picture:
                    np.testing.assert_array_equal(example[key], np.asarray(picture))


@pytest.mark.parametrize("subset", ["linear", "gamma"])
@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_built_examples_are_the_files(manual: Path, subset: str, file_format: str) -> None:
    builder = prepared(manual, subset, file_format)
    # Of array_record, TensorFlow Datasets gives no tf.data.Dataset, only records one by one.
    read = builder.as_dataset if file_format == "tfrecord" else builder.as_data_source
    check_examples(read(), manual / "GOPRO_Large", subset)
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == COUNTS


def test_load_by_name_with_and_without_the_code(manual: Path) -> None:
    config = tfds.download.DownloadConfig(manual_dir=manual)
    dataset = tfds.load(
        "gopro/linear",
        data_dir=manual.parent / "built",
        download_and_prepare_kwargs={"download_config": config},
    )
    check_examples(dataset, manual / "GOPRO_Large", "linear")
    shutil.move(manual.parent / "built", manual.parent / "moved")
    read_only = tfds.builder_from_directory(manual.parent / "moved/gopro/linear/1.0.0")
    check_examples(read_only.as_dataset(), manual / "GOPRO_Large", "linear")


def test_train_takes_no_room_of_its_own(manual: Path) -> None:
    folder = Path(prepared(manual).data_dir)
    shards = {split: sorted(folder.glob(f"gopro-{split}.tfrecord*")) for split in (*COUNTS, "none")}
    parts = shards["train_fit"] + shards["validation"]
    assert len(shards["train"]) == len(parts) == 2 and not shards["none"]
    assert all(map(os.path.samefile, shards["train"], parts))


def test_where_links_are_impossible_train_is_a_copy(
    manual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building.os, "link", mock.Mock(side_effect=OSError("no links here")))
    builder = prepared(manual)
    check_examples(builder.as_dataset(), manual / "GOPRO_Large", "linear")


def test_licence_and_citation(tmp_path: Path) -> None:
    info = Gopro(config="gamma", data_dir=tmp_path).info
    assert "CC BY 4.0" in info.redistribution_info.license
    assert "nah2017deep" in info.citation and "2.2" in info.config_description
    assert info.supervised_keys == ("blurred", "sharp")


@pytest.fixture
def zipped(manual: Path) -> Path:
    return make_zip(manual / "GOPRO_Large", manual.parent / "zipped" / "GOPRO_Large.zip")


def test_built_from_a_zip(manual: Path, zipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = hashlib.sha256(zipped.read_bytes()).hexdigest()
    monkeypatch.setattr(building, "fetch", partial(fetching.fetch, sha256=checked))
    builder = prepared(zipped.parent)
    check_examples(builder.as_dataset(), manual / "GOPRO_Large", "linear")
    assert [path.name for path in zipped.parent.iterdir()] == [zipped.name]  # theirs, not ours


def test_a_zip_of_another_hash_is_refused(zipped: Path) -> None:
    with pytest.raises(UserError, match="SHA-256") as raised:
        prepared(zipped.parent)
    assert str(zipped) in str(raised.value)


@pytest.fixture
def server(zipped: Path) -> Iterator[Server]:
    with serve(Server(zipped.read_bytes())) as running:
        yield running


def test_built_from_a_download(
    manual: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = hashlib.sha256(server.content).hexdigest()
    monkeypatch.setattr(building, "fetch", partial(fetching.fetch, sha256=checked, url=server.url))
    builder = prepared(tmp_path / "no such folder")
    check_examples(builder.as_dataset(), manual / "GOPRO_Large", "linear")
    # The other configuration takes what was fetched for the first.
    prepared(tmp_path / "no such folder", "gamma")
    assert len(server.requests) == 1


@pytest.mark.parametrize("scene", [f"train/{FIT[0]}", f"train/{VALIDATION[0]}", f"test/{TEST[0]}"])
def test_a_missing_scene_is_named_before_anything_is_built(manual: Path, scene: str) -> None:
    shutil.rmtree(manual / "GOPRO_Large" / scene)
    with pytest.raises(UserError, match=f"scene {Path(scene).name} is missing") as raised:
        prepared(manual)
    assert str(manual / "GOPRO_Large") in str(raised.value)
    assert not list((manual.parent / "built").rglob("*.tfrecord*"))


def test_the_real_one_has_more_scenes(manual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gopro, "CONTENTS", gopro.GOPRO)
    with pytest.raises(UserError, match="0 of 22 are there"):
        prepared(manual)


def test_twins_of_different_sizes_are_named(manual: Path) -> None:
    path = manual / "GOPRO_Large" / "test" / TEST[0] / "blur" / FRAMES[0]
    Image.new("RGB", (5, 4)).save(path)
    with pytest.raises(UserError, match=f"{path} is 5x4 but its twin"):
        prepared(manual)


class GoproBuilderTest(tfds.testing.DatasetBuilderTestCase):
    """TensorFlow Datasets' own checks of a builder, for both configurations."""

    DATASET_CLASS = Gopro
    SPLITS = COUNTS
    OVERLAPPING_SPLITS = ["train"]  # noqa: RUF012  # the form that the base class asks for
    # They forbid `os`, for data on remote file systems; ours is unpacked by hand on a local one.
    MOCK_OUT_FORBIDDEN_OS_FUNCTIONS = False

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        make_tree(Path(folder.name) / "GOPRO_Large")
        contents = mock.patch.object(Gopro, "CONTENTS", SMALL)
        contents.start()
        cls.addClassCleanup(contents.stop)
        super().setUpClass()
