"""Prepared records, read without TensorFlow, and every way in which they can be unfit."""

import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gopro_tree import FRAMES, HEIGHT, SMALL, TEST, TRAIN, VALIDATION, WIDTH, make_tree
from PIL import Image

from deblur_jax.data import prepared, records
from deblur_jax.errors import UsageError, UserError

tfds = pytest.importorskip("tensorflow_datasets")
pytest.importorskip("array_record.python.array_record_module")

# Imported after the lines above, which skip this file where TensorFlow Datasets is missing.
from deblur_jax.data.gopro.builder import Gopro  # noqa: E402


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tree/ and, of it, array_record/ and tfrecord/; not to be written to."""
    root = tmp_path_factory.mktemp("records")
    make_tree(root / "tree")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gopro, "CONTENTS", SMALL)
        for file_format in ("array_record", "tfrecord"):
            builder = Gopro(config="linear", data_dir=root / "tfds" / file_format)
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(manual_dir=root / "tree"),
                file_format=file_format,
            )
            shutil.copytree(builder.data_dir, root / file_format)
    return root


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """A copy of the data set that a test may damage."""
    return Path(shutil.copytree(built / "array_record", tmp_path / "1.0.0"))


def png(size: tuple[int, int] = (5, 4), mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, "png")
    return stream.getvalue()


def deep_png(size: tuple[int, int] = (5, 4)) -> bytes:
    """16 bits a channel, in colour: Pillow alone would read the high bytes."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *size, 16, 2, 0, 0, 0))]
    row = b"\0" + bytes(6 * size[0])
    chunks += [(b"IDAT", zlib.compress(row * size[1])), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_every_split_holds_the_pixels_of_its_files(built: Path) -> None:
    fit = tuple(scene for scene in TRAIN if scene not in VALIDATION)
    splits = {"train": TRAIN, "train_fit": fit, "validation": VALIDATION, "test": TEST}
    for split, scenes in splits.items():
        found = records.find(built / "array_record", split)
        names = [f"{scene}/{frame}" for scene in scenes for frame in FRAMES]
        assert sorted(pair.name for pair in found) == sorted(names)
        for pair in found:
            scene, frame = pair.name.split("/")
            assert pair.scene == scene and pair.size() == (HEIGHT, WIDTH)
            tree = built / "tree" / ("test" if split == "test" else "train") / scene
            for pixels, part in zip(pair.read(), ("blur", "sharp"), strict=True):
                assert pixels.dtype == np.uint8 and pixels.flags.writeable
                with Image.open(tree / part / frame) as picture:
                    np.testing.assert_array_equal(pixels, np.asarray(picture))


def test_tensorflow_is_not_imported(built: Path) -> None:
    program = (
        "import sys; from deblur_jax.data import records\n"
        f"pair = records.find({str(built / 'array_record')!r}, 'train')[1]\n"
        "blurred, sharp = pair.read(); size = pair.size()\n"
        "print(blurred.shape, sharp.dtype, size, 'tensorflow' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert run.stdout == f"({HEIGHT}, {WIDTH}, 3) uint8 ({HEIGHT}, {WIDTH}) False\n", run.stderr


def test_names_are_listed_when_it_is_prepared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the list no record is read for its name; without it, or a wrong one, all are."""
    listed = records.find(folder, "train")
    read: list[int] = []
    original = prepared.example

    def counted(source: Any, number: int, place: Any) -> dict[str, Any]:
        read.append(number)
        return original(source, number, place)

    monkeypatch.setattr(prepared, "example", counted)
    assert records.find(folder, "train") == listed and read == []
    names = folder / prepared.NAMES_FILE
    entries = json.loads(names.read_text())
    short = {file: found[:-1] for file, found in entries.items()}
    wrong = {file: [[1, 2] for _ in found] for file, found in entries.items()}
    for text in ("", "{", "[]", json.dumps(short), json.dumps(wrong)):
        read.clear()
        names.write_text(text)
        assert records.find(folder, "train") == listed
        assert sorted(read) == list(range(len(listed)))
    names.unlink()
    assert records.find(folder, "train") == listed
    prepared.write_names(folder)
    assert json.loads(names.read_text()) == entries


def test_slices_of_splits(built: Path) -> None:
    whole = records.find(built / "array_record", "train")
    some = records.find(built / "array_record", "train[1:5]")
    assert [pair.name for pair in some] == [pair.name for pair in whole[1:5]]
    np.testing.assert_array_equal(some[2].read()[0], whole[3].read()[0])
    assert some[2].stamp == whole[3].stamp


def test_the_stamp_tells_records_and_versions_of_them_apart(folder: Path) -> None:
    before = [pair.stamp for split in ("train", "test") for pair in records.find(folder, split)]
    assert len(set(before)) == len(before) == 8
    assert [list(stamp) for stamp in before] == json.loads(json.dumps(before))
    again = [pair.stamp for split in ("train", "test") for pair in records.find(folder, split)]
    assert again == before
    (shard,) = folder.glob("gopro-test*")
    os.utime(shard, ns=(1, 1))
    after = [pair.stamp for split in ("train", "test") for pair in records.find(folder, split)]
    assert after[:6] == before[:6] and set(after[6:]).isdisjoint(before)


def test_many_threads_read_at_once(built: Path) -> None:
    found = records.find(built / "array_record", "train")
    expected = [pair.read() for pair in found]
    with ThreadPoolExecutor(8) as pool:
        numbers = [number % len(found) for number in range(400)]
        for number, (blurred, sharp) in zip(
            numbers, pool.map(lambda n: found[n].read(), numbers), strict=True
        ):
            np.testing.assert_array_equal(blurred, expected[number][0])
            np.testing.assert_array_equal(sharp, expected[number][1])


def test_an_unknown_split_is_answered_with_the_known_ones(built: Path) -> None:
    for split in ("val", "", "train[", "train+val"):
        with pytest.raises(UsageError) as raised:
            records.find(built / "array_record", split)
        assert f"no split {split!r}; there are train, train_fit, validation, test" in str(
            raised.value
        )
        assert str(built / "array_record") in str(raised.value)
    with pytest.raises(UsageError, match="is empty"):
        records.find(built / "array_record", "train[:0]")


def test_another_format_is_told_how_to_become_this_one(built: Path) -> None:
    with pytest.raises(UserError, match=r'tfrecord.*file_format="array_record"') as raised:
        records.find(built / "tfrecord", "train")
    assert str(built / "tfrecord") in str(raised.value)


def test_what_is_no_prepared_data_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(UsageError, match=f"{path}: no data set"):
            records.find(path, "train")


@pytest.mark.parametrize("package", ["tensorflow_datasets", "array_record"])
def test_a_package_that_is_not_installed(
    built: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=f"the package {package}, which is not installed"):
        records.find(built / "array_record", "train")


def removed(name: str) -> Callable[[Path], None]:
    return lambda folder: next(folder.glob(name)).unlink()


def emptied(name: str) -> Callable[[Path], None]:
    return lambda folder: next(folder.glob(name)).write_text("")


def garbled(name: str) -> Callable[[Path], None]:
    return lambda folder: next(folder.glob(name)).write_text('{"name": [')


@pytest.mark.parametrize("damage", [removed, emptied, garbled])
@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "gopro-train.*"])
def test_damaged_files_are_named(
    folder: Path, damage: Callable[[str], Callable[[Path], None]], name: str
) -> None:
    path = next(folder.glob(name))
    damage(name)(folder)
    with pytest.raises(UserError) as raised:
        for pair in records.find(folder, "train"):
            pair.read()
    assert str(path if name.startswith("gopro") else folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_damage_within_records_is_named(folder: Path) -> None:
    """Any byte of the file may be wrong: pixels are then the stored ones, or there are none."""
    (shard,) = folder.glob("gopro-test*")
    whole = shard.read_bytes()
    expected = {pair.name: pair.read() for pair in records.find(folder, "test")}
    failures = 0
    for position in range(0, len(whole), 997):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        shard.write_bytes(bytes(damaged))
        for pair in records.find(folder, "test"):
            try:
                read = pair.read()
            except UserError as error:
                failures += 1
                assert str(shard) in str(error) and "\n" not in str(error)
            else:
                np.testing.assert_array_equal(read, expected[pair.name])
    assert failures > 0


def write_records(folder: Path, examples: list[dict[str, Any]], **features: Any) -> Path:
    """A data set of other examples, as users prepare them."""
    given = features or {"blurred": tfds.features.Image(), "sharp": tfds.features.Image()}
    tfds.dataset_builders.store_as_tfds_dataset(
        name="other",
        version="1.0.0",
        features=tfds.features.FeaturesDict(given),
        split_datasets={"train": list(enumerate(examples))},
        data_dir=folder,
        file_format="array_record",
        config="plain",
        disable_shuffling=True,
    )
    return folder / "other" / "plain" / "1.0.0"


def picture(height: int, width: int) -> np.ndarray:
    return np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)


def test_other_data_sets_have_names_too(tmp_path: Path) -> None:
    examples = [{"blurred": picture(4, 6), "sharp": picture(4, 6)[::-1]} for _ in range(3)]
    found = records.find(write_records(tmp_path, examples), "train")
    assert [pair.name.split("/")[1] for pair in found] == ["000000", "000001", "000002"]
    assert {pair.scene for pair in found} == {""}
    blurred, sharp = found[1].read()
    np.testing.assert_array_equal(blurred, examples[1]["blurred"])
    np.testing.assert_array_equal(sharp, examples[1]["sharp"])


def test_twins_of_different_sizes_are_named(tmp_path: Path) -> None:
    examples = [
        {"blurred": picture(4, 6), "sharp": picture(4, 6), "name": "good"},
        {"blurred": picture(4, 6), "sharp": picture(5, 6), "name": "odd"},
    ]
    image = tfds.features.Image
    folder = write_records(
        tmp_path, examples, blurred=image(), sharp=image(), name=tfds.features.Text()
    )
    good, odd = records.find(folder, "train")
    assert good.size() == (4, 6)
    for call in (odd.size, odd.read):
        with pytest.raises(UserError, match=r"record 1 \(odd\): blurred is 6x4 but sharp 6x5"):
            call()


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        (b"no picture", "sharp is not a picture"),
        (b"", "sharp is not a picture"),
        (png()[:45], "is broken"),
        (png(mode="I;16"), "sharp has 16 bits a channel"),
        (deep_png(), "sharp has 16 bits a channel"),
        (png(mode="L"), "sharp is gray"),
        (png(mode="LA"), "sharp is gray"),
    ],
    ids=["text", "nothing", "half", "deep", "deep colour", "gray", "gray and alpha"],
)
def test_what_is_no_picture_is_named(tmp_path: Path, stored: bytes, sentence: str) -> None:
    text = tfds.features.Text
    folder = write_records(
        tmp_path, [{"blurred": png(), "sharp": stored}], blurred=text(), sharp=text()
    )
    (pair,) = records.find(folder, "train")
    with pytest.raises(UserError, match=sentence) as raised:
        pair.read()
    assert str(folder) in str(raised.value) and pair.name in str(raised.value)


def test_a_picture_is_upright_as_a_file_would_be(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (10, 20, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png", exif=exif)
    text, stored = tfds.features.Text, stream.getvalue()
    folder = write_records(
        tmp_path, [{"blurred": stored, "sharp": stored}], blurred=text(), sharp=text()
    )
    (pair,) = records.find(folder, "train")
    assert pair.size() == (20, 10)
    np.testing.assert_array_equal(pair.read()[0], np.rot90(pixels, -1))


def test_a_file_of_another_content_has_another_stamp(folder: Path) -> None:
    (shard,) = folder.glob("gopro-test*")
    before = [pair.stamp for pair in records.find(folder, "test")]
    about, data = shard.stat(), bytearray(shard.read_bytes())
    place = data.find(b"IDAT") + 8
    data[place] ^= 1
    shard.write_bytes(data)
    os.utime(shard, ns=(about.st_atime_ns, about.st_mtime_ns))
    after = [pair.stamp for pair in records.find(folder, "test")]
    assert set(after).isdisjoint(before) and len(set(after)) == len(before)


def test_examples_of_something_else(tmp_path: Path) -> None:
    folder = write_records(
        tmp_path, [{"image": picture(4, 4), "label": "a"}],
        image=tfds.features.Image(), label=tfds.features.Text(),
    )  # fmt: skip
    with pytest.raises(UserError, match="examples hold image, label; expected blurred and sharp"):
        records.find(folder, "train")
