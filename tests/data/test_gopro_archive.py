"""Unpacking a zip of GoPro's shape, whole, in two goes, damaged and malicious."""

import os
import shutil
import stat
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from gopro_tree import TRAIN, make_tree, make_zip, pictures

from deblur_jax.data.gopro.archive import unpack
from deblur_jax.errors import UserError

COUNT = 4 * 3 * 2  # scenes, parts, frames
FIRST = f"train/{TRAIN[0]}/blur/000001.png"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "tree")


@pytest.fixture
def packed(tree: Path, tmp_path: Path) -> Path:
    return make_zip(tree, tmp_path / "GOPRO_Large.zip")


@pytest.mark.parametrize("prefix", ["GOPRO_Large/", "", "./", "anything\\"])
def test_the_pictures_wherever_the_root_is(tree: Path, tmp_path: Path, prefix: str) -> None:
    packed, folder = make_zip(tree, tmp_path / "x.zip", prefix), tmp_path / "out"
    assert unpack(packed, folder) == COUNT
    assert pictures(folder) == pictures(tree)


def test_what_is_there_is_kept_and_what_is_wrong_is_not(
    tree: Path, packed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    unpack(packed, folder)
    kept, wrong, short, missing = sorted(p for p in folder.rglob("*.png"))[:4]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    same_length = bytearray(wrong.read_bytes())
    same_length[-5] ^= 1
    wrong.write_bytes(bytes(same_length))
    short.write_bytes(short.read_bytes()[:-1])
    missing.unlink()
    for path in (kept, wrong, short):
        os.utime(path, ns=(before[path], before[path]))
    assert unpack(packed, folder) == COUNT
    assert pictures(folder) == pictures(tree)
    changed = {p for p in folder.rglob("*.png") if p.stat().st_mtime_ns != before[p]}
    assert changed == {wrong, short, missing}


def test_an_interruption_leaves_whole_files_alone(
    tree: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, written = tmp_path / "out", []
    original = zipfile.ZipFile.open

    def stop_at_the_fifth(self: zipfile.ZipFile, member: zipfile.ZipInfo) -> object:
        written.append(member.filename)
        if len(written) == 5:
            raise KeyboardInterrupt
        return original(self, member)

    monkeypatch.setattr(zipfile.ZipFile, "open", stop_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        unpack(packed, folder)
    done = pictures(folder)
    assert len(done) == 4 and done.items() <= pictures(tree).items()
    assert unpack(packed, folder) == COUNT
    assert len(written) == 5 + COUNT - 4 and pictures(folder) == pictures(tree)


@pytest.mark.parametrize(
    "name",
    [
        "../x.png",
        "GOPRO_Large/train/../../x.png",
        "/x.png",
        "C:/x.png",
        "C:x.png",
        "..\\x.png",
        "\\\\host\\share\\x.png",
        "train/a/blur/x\0.png",
    ],
)
def test_an_entry_that_leads_out_is_refused_before_anything_is_written(
    packed: Path, tmp_path: Path, name: str
) -> None:
    with zipfile.ZipFile(packed, "a") as opened:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        opened.writestr(info, "x")
    with pytest.raises(UserError) as raised:
        unpack(packed, tmp_path / "out")
    assert repr(name) in str(raised.value) and str(packed) in str(raised.value)
    assert "nothing was unpacked" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_link_is_refused(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed, "a") as opened:
        info = zipfile.ZipInfo("GOPRO_Large/train/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(info, "/etc")
    with pytest.raises(UserError, match=r"'GOPRO_Large/train/link' is a symbolic link"):
        unpack(packed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_half_a_zip_is_one_sentence(packed: Path, tmp_path: Path, keep: float) -> None:
    packed.write_bytes(packed.read_bytes()[: int(packed.stat().st_size * keep)])
    with pytest.raises(UserError, match="not a zip, or not all of one") as raised:
        unpack(packed, tmp_path / "out")
    assert str(packed) in str(raised.value) and not (tmp_path / "out").exists()


def test_a_zip_with_a_hole_in_it(packed: Path, tmp_path: Path) -> None:
    """A zip whose beginning is lost still ends well, but its entries are elsewhere."""
    packed.write_bytes(packed.read_bytes()[3000:])
    with pytest.raises(UserError, match=str(packed)):
        unpack(packed, tmp_path / "out")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_entry_is_named_and_not_written(
    tree: Path, tmp_path: Path, compression: int
) -> None:
    packed = tmp_path / "x.zip"
    with zipfile.ZipFile(packed, "w", compression) as opened:
        opened.write(tree / FIRST, FIRST)
        start = opened.getinfo(FIRST).header_offset + 30 + len(FIRST)
    damaged = bytearray(packed.read_bytes())
    damaged[start + 100] ^= 0xFF
    packed.write_bytes(bytes(damaged))
    with pytest.raises(UserError, match="is damaged") as raised:
        unpack(packed, tmp_path / "out")
    assert FIRST in str(raised.value) and str(packed) in str(raised.value)
    assert not [p for p in (tmp_path / "out").rglob("*") if p.is_file()]


def test_random_damage_never_ends_in_anything_but_a_sentence(
    tree: Path, packed: Path, tmp_path: Path, rng
) -> None:
    whole = packed.read_bytes()
    expected = pictures(tree)
    for number in range(60):
        damaged = bytearray(whole)
        # Half of the time within the directory of entries, at the end.
        first = len(whole) // 2 if number % 2 else 0
        for position in rng.integers(first, len(whole), 3):
            damaged[position] ^= int(rng.integers(1, 256))
        packed.write_bytes(bytes(damaged))
        folder = tmp_path / f"out{number}"
        try:
            unpack(packed, folder)
        except UserError as error:
            assert str(packed) in str(error) or str(folder) in str(error)
            assert "\n" not in str(error)
        for name, content in pictures(folder).items() if folder.exists() else ():
            assert expected.get(name, content) == content


def test_an_encrypted_entry_is_refused(packed: Path, tmp_path: Path) -> None:
    """The flag of encryption is set in all headers; who sees it must not ask for a password."""
    content = packed.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        parts = content.split(signature)
        flag = bytes([parts[1][offset - 4] | 1])
        content = signature.join(
            [parts[0]] + [p[: offset - 4] + flag + p[offset - 3 :] for p in parts[1:]]
        )
    packed.write_bytes(content)
    with pytest.raises(UserError, match="is encrypted"):
        unpack(packed, tmp_path / "out")


def test_two_entries_of_one_place_are_refused(packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed, "a") as opened:
        opened.writestr(FIRST, "another root, the same picture")
    with pytest.raises(UserError, match="are the same picture"):
        unpack(packed, tmp_path / "out")


def test_a_zip_of_something_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as opened:
        opened.writestr("holiday/beach.png", "x")
        opened.writestr("train/readme.txt", "x")
    with pytest.raises(UserError, match=r"x\.zip: no GoPro pictures"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


def test_no_zip_and_a_folder_of_its_name(tmp_path: Path) -> None:
    for path in (tmp_path / "none.zip", tmp_path):
        with pytest.raises(UserError, match=str(path)):
            unpack(path, tmp_path / "out")


def test_a_full_disk_and_a_file_in_the_way(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UserError, match="a file is where a folder should be"):
        unpack(packed, tmp_path / "out")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, 10))
    with pytest.raises(UserError, match="unpacking needs"):
        unpack(packed, tmp_path / "other")
    assert not pictures(tmp_path / "other")
