"""The ledger of an evaluation: what counts of it after a crash, a change, another call."""

import errno
import json
import math
import os
from pathlib import Path

import pytest

from deblur_jax.errors import UserError
from deblur_jax.evaluation.ledger import Ledger, beside, stamp_of_file

ABOUT = {"weights": {"name": "a", "sha256": "0"}, "protocol": "full", "filter": None}
STAMP = [["/x.png", 3, 5], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.json.partial"


def fill(path: Path, count: int = 3) -> None:
    with Ledger(path, ABOUT) as ledger:
        for number in range(count):
            ledger.add(f"{number}.png", STAMP, {"psnr": 20.0 + number}, 9.5)


def test_entries_come_back_with_their_stamp_and_the_first_time(path: Path) -> None:
    fill(path)
    with Ledger(path, ABOUT) as ledger:
        assert [ledger.find(f"{n}.png", STAMP) for n in range(4)] == [
            {"psnr": 20.0}, {"psnr": 21.0}, {"psnr": 22.0}, None
        ]  # fmt: skip
        assert ledger.find("1.png", [["/x.png", 3, 6], None]) is None, "the file has changed"
        assert ledger.first_seconds == 9.5


def test_infinity_survives(path: Path) -> None:
    with Ledger(path, ABOUT) as ledger:
        ledger.add("x", STAMP, {"psnr": math.inf}, 1.0)
    with Ledger(path, ABOUT) as ledger:
        assert ledger.find("x", STAMP) == {"psnr": math.inf}


def test_what_was_measured_otherwise_does_not_count(path: Path) -> None:
    fill(path)
    with Ledger(path, ABOUT | {"protocol": "half"}) as ledger:
        assert ledger.find("0.png", STAMP) is None and ledger.first_seconds is None
        ledger.add("0.png", STAMP, {"psnr": 1.0}, 2.0)
    with Ledger(path, ABOUT | {"protocol": "half"}) as ledger:
        assert ledger.find("0.png", STAMP) == {"psnr": 1.0}
        assert ledger.find("1.png", STAMP) is None


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_line_that_a_crash_cut_off_is_left_out_and_overwritten(path: Path, cut: int) -> None:
    fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with Ledger(path, ABOUT) as ledger:
        assert ledger.find("1.png", STAMP) and ledger.find("2.png", STAMP) is None
        ledger.add("2.png", STAMP, {"psnr": 22.0}, 9.5)
    assert path.read_bytes() == whole
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize("contents", [b"", b"\n", b"[1]\n", b"\xff\xfe\n", b'{"ledger": 1'])
def test_a_file_that_is_something_else_starts_afresh(path: Path, contents: bytes) -> None:
    path.write_bytes(contents)
    fill(path, 1)
    with Ledger(path, ABOUT) as ledger:
        assert ledger.find("0.png", STAMP) == {"psnr": 20.0}


def test_without_a_path_it_only_remembers() -> None:
    with Ledger(None, ABOUT) as ledger:
        ledger.add("x", STAMP, {"psnr": 1.0}, 2.0)
        assert ledger.find("x", STAMP) == {"psnr": 1.0}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.partial").mkdir()
    with pytest.raises(UserError, match="a file is where a folder should be"):
        Ledger(beside(tmp_path / "file" / "results.json"), ABOUT)
    with pytest.raises(UserError, match=r"cannot write .*folder\.partial: is a directory"):
        Ledger(beside(tmp_path / "folder"), ABOUT)


def test_a_full_disk_is_told_by_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, contents: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    sentence = r"cannot write .*results\.json\.partial: no space left on device"
    with pytest.raises(UserError, match=sentence), Ledger(path, ABOUT) as ledger:
        monkeypatch.setattr(ledger, "_stream", Full())
        ledger.add("x", STAMP, {"psnr": 1.0}, 2.0)


def test_a_file_s_stamp_changes_with_it(tmp_path: Path) -> None:
    file = tmp_path / "x"
    assert stamp_of_file(file) is None
    file.write_bytes(b"one")
    first = stamp_of_file(file)
    assert first == stamp_of_file(file) and first is not None and first[1] == 3
    os.utime(file, ns=(1, 2))
    assert stamp_of_file(file) != first
