"""Canvases: boxes that never overlap, and files that behave as plain arrays do."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deblur_jax.data import canvas as canvas_module
from deblur_jax.data.canvas import FileCanvas, MemoryCanvas, shelves

SHAPE = (37, 53)


@pytest.mark.parametrize("seed", range(5))
def test_boxes_lie_on_the_canvas_and_never_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heights, widths = rng.integers(1, 40, (2, 60))
    rows, columns, (height, width) = shelves(heights, widths)
    used = np.zeros((height, width), int)
    for row, column, h, w in zip(rows, columns, heights, widths, strict=True):
        assert row >= 0 and column >= 0 and row + h <= height and column + w <= width
        used[row : row + h, column : column + w] += 1
    assert used.max() == 1


def test_pictures_of_one_size_waste_nothing() -> None:
    assert shelves([72] * 11, [128] * 11)[2] == (11 * 72, 128)


def test_crops_of_many_sizes_waste_little() -> None:
    heights, widths = np.random.default_rng(0).integers(100, 200, (2, 400))
    widths[0] = 1000
    height, width = shelves(heights, widths)[2]
    assert (heights * widths).sum() > 0.85 * height * width


@pytest.fixture
def filled(tmp_path: Path, rng: np.random.Generator) -> tuple[FileCanvas, np.ndarray]:
    canvas = FileCanvas(tmp_path / "canvas.npy", SHAPE)
    pixels = rng.integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    canvas.write(0, 0, pixels)
    return canvas, pixels


def test_a_new_canvas_is_zero_and_numpy_reads_it(tmp_path: Path) -> None:
    canvas = FileCanvas(tmp_path / "canvas.npy", SHAPE)
    picture = np.full((4, 5, 3), 200, np.uint8)
    canvas.write(30, 48, picture)
    canvas.close()
    expected = np.zeros((*SHAPE, 3), np.uint8)
    expected[30:34, 48:53] = 200
    np.testing.assert_array_equal(np.load(tmp_path / "canvas.npy"), expected)
    np.testing.assert_array_equal(canvas.pixels, expected)


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_any_box_is_written_and_read_as_in_a_plain_array(
    kind: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    canvas = MemoryCanvas(SHAPE) if kind == "memory" else FileCanvas(tmp_path / "c.npy", SHAPE)
    plain = np.zeros((*SHAPE, 3), np.uint8)
    for _ in range(60):
        (top, bottom), (left, right) = (
            np.sort(rng.choice(side + 1, 2, replace=False)) for side in SHAPE
        )
        box = np.s_[top:bottom, left:right]
        # Not contiguous: a picture is often a part of a larger one, or mirrored.
        picture = rng.integers(0, 256, (right - left, bottom - top, 3), dtype=np.uint8)
        picture = picture.transpose(1, 0, 2)[:, ::-1]
        canvas.write(top, left, picture)
        plain[box] = picture
        read = canvas.read(top, left, bottom - top, right - left)
        np.testing.assert_array_equal(read, picture)
        np.testing.assert_array_equal(canvas.pixels, plain)
    canvas.close()


def test_threads_write_and_read_at_once(tmp_path: Path, rng: np.random.Generator) -> None:
    canvas = FileCanvas(tmp_path / "canvas.npy", (96, 96))
    tiles = rng.integers(0, 256, (144, 8, 8, 3), dtype=np.uint8)

    def work(number: int) -> bool:
        row, column = 8 * (number // 12), 8 * (number % 12)
        canvas.write(row, column, tiles[number])
        return bool((canvas.read(row, column, 8, 8) == tiles[number]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(144)))
    for number, tile in enumerate(tiles):
        row, column = 8 * (number // 12), 8 * (number % 12)
        np.testing.assert_array_equal(canvas.pixels[row : row + 8, column : column + 8], tile)


def test_one_read_may_take_several_calls(
    filled: tuple[FileCanvas, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Linux reads at most 2 GB at once, and a network's disk gives what it has.
    canvas, pixels = filled
    whole = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, at: whole(file, min(size, 1000), at))
    np.testing.assert_array_equal(canvas.read(3, 5, 30, 40), pixels[3:33, 5:45])


def test_a_file_cut_short_is_an_error_at_once(filled: tuple[FileCanvas, np.ndarray]) -> None:
    canvas, pixels = filled
    with canvas.path.open("r+b") as stream:
        stream.truncate(canvas.path.stat().st_size - 1)
    with pytest.raises(ValueError, match="cut short"):
        FileCanvas(canvas.path)
    # What was opened before gives what is left, and an error for the rest.
    np.testing.assert_array_equal(canvas.read(2, 3, 10, 11), pixels[2:12, 3:14])
    with pytest.raises(OSError, match="cut short"):
        canvas.read(SHAPE[0] - 5, SHAPE[1] - 5, 5, 5)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 5, 3), np.uint16),
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((3, 5, 4), np.uint8).transpose(2, 1, 0),
    ],
)
def test_an_array_of_another_type_is_refused(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", array)
    with pytest.raises(ValueError, match=r"other\.npy"):
        FileCanvas(tmp_path / "other.npy")


def test_whatever_byte_of_the_header_is_damaged_it_is_a_plain_error(
    filled: tuple[FileCanvas, np.ndarray], rng: np.random.Generator
) -> None:
    path = filled[0].path
    whole = path.read_bytes()
    for place in range(128):
        for byte in rng.integers(0, 256, 3):
            path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            try:
                opened = FileCanvas(path)
            except (OSError, ValueError):
                continue
            assert opened.shape == (*SHAPE, 3)  # the byte was one that means nothing


def test_a_canvas_that_outlives_its_modules_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the interpreter's end, where a module's names may become None before it is let go."""
    ignored: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    canvas = FileCanvas(tmp_path / "c.npy", (4, 4))
    file = canvas._file
    monkeypatch.setattr(canvas_module, "os", None)
    del canvas
    assert not ignored
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


def test_a_canvas_that_is_let_go_closes_its_file(tmp_path: Path) -> None:
    canvas = FileCanvas(tmp_path / "c.npy", (4, 4))
    file = canvas._file
    os.fstat(file)
    del canvas
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


def test_closing_twice_closes_no_other_file(tmp_path: Path) -> None:
    canvas = FileCanvas(tmp_path / "c.npy", (4, 4))
    canvas.close()
    with (tmp_path / "c.npy").open("rb") as other:  # gets the number that became free
        canvas.close()
        del canvas
        assert other.read(6) == b"\x93NUMPY"
