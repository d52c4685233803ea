"""Stores: a whole picture or any box of it is what was put in, from memory and from disk."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deblur_jax.data.canvas import FileCanvas
from deblur_jax.data.store import Store, of_arrays, open_store, write_index
from deblur_jax.errors import UserError

SIZES = [(8, 30), (20, 10), (8, 12), (15, 15), (1, 1)]
Pairs = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def pairs(rng: np.random.Generator) -> Pairs:
    draw = lambda h, w: rng.integers(0, 256, (h, w, 3), dtype=np.uint8)  # noqa: E731
    return [(draw(*size), draw(*size)) for size in SIZES]


@pytest.fixture
def folder(pairs: Pairs, tmp_path: Path) -> Path:
    """The same pairs on disk."""
    store = of_arrays(pairs, "some")
    for name in ("blurred", "sharp"):
        pixels = getattr(store, name).pixels
        canvas = FileCanvas(tmp_path / f"{name}.npy", pixels.shape[:2])
        canvas.write(0, 0, pixels)
        canvas.close()
    write_index(store, tmp_path)
    return tmp_path


def assert_holds(store: Store, pairs: Pairs, rng: np.random.Generator) -> None:
    assert len(store) == len(pairs)
    for number, pair in enumerate(pairs):
        height, width = pair[0].shape[:2]
        for got, picture in zip(store.pair(number), pair, strict=True):
            np.testing.assert_array_equal(got, picture)
        top, left = rng.integers(height), rng.integers(width)
        crop = store.crop(number, top, left, height - top, width - left)
        np.testing.assert_array_equal(crop, np.stack([p[top:, left:] for p in pair]))


def test_memory_and_disk_hold_the_same(
    pairs: Pairs, folder: Path, rng: np.random.Generator
) -> None:
    memory, disk = of_arrays(pairs, "some"), open_store(folder)
    assert_holds(memory, pairs, rng)
    assert_holds(disk, pairs, rng)
    assert disk.parts == memory.parts == ("some",) * 5
    assert disk.names == ("000000", "000001", "000002", "000003", "000004")
    assert disk.nbytes == memory.nbytes == 2 * memory.blurred.pixels.size
    assert disk.sha256() == memory.sha256()


def test_the_hash_is_that_of_names_and_pixels_in_order(pairs: Pairs) -> None:
    digest = hashlib.sha256()
    for number, (blurred, sharp) in enumerate(pairs):
        digest.update(f"{number:06d}".encode() + blurred.tobytes() + sharp.tobytes())
    assert of_arrays(pairs).sha256() == digest.hexdigest()


def test_a_name_that_is_no_text_can_be_hashed(pairs: Pairs) -> None:
    store = of_arrays(pairs[:1])
    odd = Store(store.blurred, store.sharp, store.boxes, ("\udcff.png",), ("",), (), "")
    assert odd.sha256() != store.sha256()


def change(folder: Path, **fields: Any) -> None:
    index = json.loads((folder / "pairs.json").read_text())
    (folder / "pairs.json").write_text(json.dumps(index | fields))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"schema": 99}, "schema 99"),
        ({"names": ["one"]}, "contradicts itself"),
        ({"parts": ["one"]}, "contradicts itself"),
        ({"row": None}, ""),
        ({"row": [1, 2]}, ""),
        ({"row": [2**40] * 5}, ""),
        ({"row": [10**6] * 5}, "contradicts its canvases"),
        ({"column": [-1] * 5}, "contradicts its canvases"),
        ({"column": [29] * 5}, "contradicts its canvases"),
    ],
)
def test_a_damaged_index_is_one_sentence(folder: Path, fields: dict[str, Any], why: str) -> None:
    change(folder, **fields)
    with pytest.raises(UserError) as caught:
        open_store(folder)
    assert str(folder) in str(caught.value) and why in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"schema": 1}', "\udcff"])
def test_an_index_that_is_none_is_one_sentence(folder: Path, text: str) -> None:
    (folder / "pairs.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match="cannot read the decoded pairs in"):
        open_store(folder)


@pytest.mark.parametrize("name", ["blurred.npy", "sharp.npy", "pairs.json"])
def test_a_missing_file_is_one_sentence(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError, match="no such file"):
        open_store(folder)


def test_canvases_of_two_sizes_are_refused(folder: Path) -> None:
    FileCanvas(folder / "sharp.npy", (99, 99)).close()
    with pytest.raises(UserError, match="differ in size"):
        open_store(folder)


def test_a_file_that_is_cut_short_while_it_is_read_is_one_sentence(
    pairs: Pairs, folder: Path
) -> None:
    store = open_store(folder)
    with (folder / "sharp.npy").open("r+b") as stream:
        stream.truncate(200)
    with pytest.raises(UserError, match=r"cannot read the decoded pairs: .*cut short"):
        for number in range(len(pairs)):
            store.pair(number)
