"""Pairs of an .npz file, against the arrays that went into it."""

import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from deblur_jax.data import sources
from deblur_jax.data.arrays import ArrayFile, ArrayPair
from deblur_jax.data.decoding import Part, make_store
from deblur_jax.errors import UsageError, UserError

SAVERS = {"stored": np.savez, "packed": np.savez_compressed}


@pytest.fixture
def arrays(rng: np.random.Generator) -> dict[str, np.ndarray]:
    shape = (9, 20, 30, 3)
    return {name: rng.integers(0, 256, shape, dtype=np.uint8) for name in ("blurred", "sharp")}


@pytest.mark.parametrize("how", SAVERS)
def test_pairs_are_read_in_any_order_from_threads(how: str, arrays: dict, tmp_path: Path) -> None:
    path = tmp_path / "pairs.npz"
    SAVERS[how](path, **arrays)
    found = sources.find(path)
    assert [source.name for source in found] == [f"{n:06d}" for n in range(9)]
    order = np.random.default_rng(1).integers(0, 9, 60)
    with ThreadPoolExecutor(6) as pool:
        for number, (blurred, sharp) in zip(
            order, pool.map(lambda n: found[n].read(), order), strict=True
        ):
            assert found[number].size() == (20, 30)
            np.testing.assert_array_equal(blurred, arrays["blurred"][number])
            np.testing.assert_array_equal(sharp, arrays["sharp"][number])


def test_order_does_not_matter_much_for_time(tmp_path: Path) -> None:
    # Threads ask for neighbours in no certain order; a packed file can only be read forwards.
    pixels = np.random.default_rng(0).integers(0, 60, (120, 96, 96, 3), dtype=np.uint8)
    np.savez_compressed(tmp_path / "pairs.npz", blurred=pixels, sharp=pixels)

    def seconds(order: list[int]) -> float:
        pairs = [ArrayPair(file, n) for file in [ArrayFile(tmp_path / "pairs.npz")] for n in order]
        begun = time.perf_counter()
        for pair in pairs:
            np.testing.assert_array_equal(pair.read()[1], pixels[pair.number])
        return time.perf_counter() - begun

    swapped = [n + 3 - 2 * (n % 4) for n in range(120)]  # 3, 2, 1, 0, 7, 6, …
    assert sorted(swapped) == list(range(120))
    assert seconds(swapped) < 5 * seconds(list(range(120))) + 0.2


def test_the_file_may_be_read_long_after_it_was_opened_and_twice(
    arrays: dict, tmp_path: Path
) -> None:
    np.savez_compressed(tmp_path / "pairs.npz", **arrays)
    found = sources.find(tmp_path / "pairs.npz")
    for _ in range(2):
        for number in (8, 0, 4, 4):
            np.testing.assert_array_equal(found[number].read()[0], arrays["blurred"][number])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sharp": np.zeros((9, 20, 30, 3), np.float32)}, "must be uint8"),
        ({"sharp": np.zeros((9, 20, 30), np.uint8)}, "must be uint8"),
        ({"sharp": np.zeros((9, 20, 30, 4), np.uint8)}, "must be uint8"),
        ({"blurred": np.zeros((8, 20, 30, 3), np.uint8)}, "differ in shape"),
        ({"blurred": np.array([None], object)}, "must be uint8"),
    ],
)
def test_other_arrays_are_one_sentence(
    change: dict, why: str, arrays: dict, tmp_path: Path
) -> None:
    path = tmp_path / "pairs.npz"
    np.savez(path, **(arrays | change))
    with pytest.raises(UserError) as caught:
        sources.find(path)
    assert str(path) in str(caught.value) and why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_array_is_named(arrays: dict, tmp_path: Path) -> None:
    np.savez(tmp_path / "pairs.npz", blurred=arrays["blurred"], gt=arrays["sharp"])
    with pytest.raises(UserError, match=r"pairs\.npz has no array 'sharp'"):
        sources.find(tmp_path / "pairs.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pairs\.npz: no such file"):
        sources.find(tmp_path / "pairs.npz")


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "pairs.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"cannot read .*pairs\.npz"):
        sources.find(tmp_path / "pairs.npz")


def test_what_is_packed_otherwise_is_named(arrays: dict, tmp_path: Path) -> None:
    np.savez(tmp_path / "plain.npz", **arrays)
    path = tmp_path / "pairs.npz"
    with zipfile.ZipFile(tmp_path / "plain.npz") as plain, zipfile.ZipFile(path, "w") as other:
        for name in plain.namelist():
            other.writestr(name, plain.read(name), zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for start in (data.find(b"PK\x01\x02") + 10, data.find(b"PK\x03\x04") + 8):
        data[start : start + 2] = (98).to_bytes(2, "little")  # PPMd
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"cannot read .*pairs\.npz"):
        sources.find(path)


@pytest.mark.parametrize("how", SAVERS)
@pytest.mark.parametrize("name", ["blurred", "sharp"])
def test_one_flipped_byte_costs_every_pair(
    how: str, name: str, arrays: dict, tmp_path: Path
) -> None:
    """Nobody can tell which picture it is in, so none is trained on."""
    path = tmp_path / "pairs.npz"
    SAVERS[how](path, **arrays)
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
    data = bytearray(path.read_bytes())
    data[member.header_offset + member.compress_size // 2] ^= 1
    path.write_bytes(data)
    found = sources.find(path)
    for source in (found[8], found[0], found[4]):
        with pytest.raises(UserError, match=r"cannot read .*pairs\.npz: "):
            source.read()
    with pytest.raises(UsageError, match=r"none of 9 pairs can be used: cannot read .*pairs\.npz"):
        make_store([Part("some", found)], cache=None, skip_broken=True)


@pytest.mark.parametrize("how", SAVERS)
def test_whatever_is_damaged_is_one_sentence(how: str, arrays: dict, tmp_path: Path) -> None:
    path = tmp_path / "pairs.npz"
    SAVERS[how](path, **arrays)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    places = [*range(140), *range(len(whole) - 140, len(whole)), *rng.integers(0, len(whole), 60)]
    noticed = 0
    for place in places:
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ int(rng.integers(1, 256))]) + whole[place + 1 :]
        )
        try:
            for source in sources.find(path):
                blurred, sharp = source.read()
                np.testing.assert_array_equal(blurred, arrays["blurred"][source.number])
                np.testing.assert_array_equal(sharp, arrays["sharp"][source.number])
        except UserError as error:
            noticed += 1
            assert "pairs.npz" in str(error) and "\n" not in str(error)
    assert noticed > len(places) / 3
    for length in rng.integers(0, len(whole), 10):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"pairs\.npz"):
            sources.find(path)
