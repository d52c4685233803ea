"""Fetching a file from a server on this machine that breaks off, changes its mind, and lies."""

import hashlib
import json
import shutil
import socket
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from file_server import Server, serve

from deblur_jax.data.gopro.download import download
from deblur_jax.data.gopro.request import BLOCK
from deblur_jax.errors import UserError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
OTHER = np.random.default_rng(1).bytes(3_000_000)
HASH = hashlib.sha256(CONTENT).hexdigest()
CUT = 20 * BLOCK


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(Server(CONTENT)) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "GOPRO_Large.zip"


def fetch(server: Server, target: Path, sha256: str | None = HASH, tries: int = 1) -> Path:
    return download(
        server.url, target, sha256=sha256, tries=tries, timeout_s=(5.0, 0.5), pause_s=0.001
    )


def interrupted(server: Server, target: Path, at: int = CUT) -> Path:
    """The part that a download leaves whose connection broke after `at` bytes."""
    server.stop_after = [at]
    with pytest.raises(UserError, match="the same call goes on from there"):
        fetch(server, target)
    part = target.with_name(f"{target.name}.part")
    assert part.read_bytes() == server.content[:at] and not target.exists()
    server.requests.clear()
    server.sent = 0
    return part


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_whole_file(server: Server, target: Path) -> None:
    assert fetch(server, target) == target
    assert target.read_bytes() == CONTENT and left(target) == [target.name]
    assert server.ranges_asked() == [None]


def test_only_the_rest_is_asked_for(server: Server, target: Path) -> None:
    interrupted(server, target)
    fetch(server, target)
    assert target.read_bytes() == CONTENT and left(target) == [target.name]
    assert server.ranges_asked() == [f"bytes={CUT}-"]
    assert server.requests[0]["If-Range"] == server.etag
    assert server.sent == len(CONTENT) - CUT


def test_a_line_that_breaks_amid_a_block(server: Server, target: Path) -> None:
    server.stop_after = [CUT + 100, 77]
    fetch(server, target, tries=3)
    assert target.read_bytes() == CONTENT
    assert server.ranges_asked() == [None, f"bytes={CUT}-", f"bytes={CUT}-"]


def test_a_redirected_request_asks_for_the_rest_too(server: Server, target: Path) -> None:
    server.redirect = True
    interrupted(server, target)
    fetch(server, target)
    assert target.read_bytes() == CONTENT and server.ranges_asked() == [f"bytes={CUT}-"]


def test_one_call_goes_on_by_itself(server: Server, target: Path) -> None:
    server.stop_after = [10 * BLOCK, 5 * BLOCK]
    fetch(server, target, tries=2)  # each try brought something, so none counts as in vain
    assert target.read_bytes() == CONTENT and server.sent == len(CONTENT)
    assert server.ranges_asked() == [None, f"bytes={10 * BLOCK}-", f"bytes={15 * BLOCK}-"]


def test_tries_in_vain_are_counted(server: Server, target: Path) -> None:
    server.statuses = [503, 429, 503]
    with pytest.raises(UserError, match="answered 503"):
        fetch(server, target, tries=3)
    assert len(server.requests) == 3
    server.statuses = [503, 500]
    fetch(server, target, tries=3)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("etag", ['"one"', None])
def test_a_server_that_gives_no_parts(server: Server, target: Path, etag: str | None) -> None:
    server.ranges, server.etag = False, etag
    interrupted(server, target)
    fetch(server, target)
    assert target.read_bytes() == CONTENT and server.sent == len(CONTENT)
    assert server.ranges_asked() == [None if etag is None else f"bytes={CUT}-"]


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changed_between_two_calls(
    server: Server, target: Path, heeds_if_range: bool
) -> None:
    """Also on a server that gives the rest of the new file regardless of the ETag asked for."""
    interrupted(server, target)
    server.content, server.etag, server.heeds_if_range = OTHER, '"two"', heeds_if_range
    fetch(server, target, hashlib.sha256(OTHER).hexdigest(), tries=2)
    assert target.read_bytes() == OTHER and left(target) == [target.name]


def test_a_file_that_became_shorter(server: Server, target: Path) -> None:
    interrupted(server, target)
    server.content, server.heeds_if_range = CONTENT[:1000], False
    fetch(server, target, None, tries=2)
    assert target.read_bytes() == CONTENT[:1000]
    assert server.ranges_asked() == [f"bytes={CUT}-", None]


@pytest.mark.parametrize(
    "said",
    [
        "bytes 100-{last}/{size}",
        "bytes {first}-{last}/*",
        "bytes {first}-{last}/7",
        "blocks {first}-{last}/{size}",
        "",
    ],
)
def test_a_part_that_is_not_the_one_asked_for(server: Server, target: Path, said: str) -> None:
    interrupted(server, target)
    server.content_range = said
    fetch(server, target, None, tries=2)
    assert target.read_bytes() == CONTENT and server.ranges_asked() == [f"bytes={CUT}-", None]


def test_the_part_of_another_address_is_not_gone_on_with(server: Server, target: Path) -> None:
    part = interrupted(server, target)
    note = part.with_name(f"{part.name}.json")
    facts = json.loads(note.read_text())
    note.write_text(json.dumps(facts | {"url": "http://elsewhere/"}))
    fetch(server, target)
    assert target.read_bytes() == CONTENT and server.ranges_asked() == [None]


@pytest.mark.parametrize("text", ["", "{}", "[1]", "{"])
def test_a_damaged_note_costs_a_fresh_start(server: Server, target: Path, text: str) -> None:
    part = interrupted(server, target)
    part.with_name(f"{part.name}.json").write_text(text)
    fetch(server, target)
    assert target.read_bytes() == CONTENT and server.ranges_asked() == [None]


def test_a_length_that_was_not_announced(server: Server, target: Path) -> None:
    server.announce = False
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_another_hash_keeps_the_file_aside(server: Server, target: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(UserError) as raised:
        fetch(server, target, wrong)
    for words in (HASH, wrong, "one repository's claim", server.url, f"--sha256 {HASH}"):
        assert words in str(raised.value)
    assert not target.exists()
    # It is not fetched again, neither in vain nor once its true hash is given.
    for _ in range(2):
        with pytest.raises(UserError, match=HASH):
            fetch(server, target, wrong)
    fetch(server, target, HASH.upper())
    assert target.read_bytes() == CONTENT and len(server.requests) == 1


def test_what_the_server_refuses_is_said_at_once(server: Server, target: Path) -> None:
    server.statuses = [404]
    with pytest.raises(UserError, match="answered 404 Not Found"):
        fetch(server, target, tries=5)
    assert len(server.requests) == 1 and left(target) == []


def test_no_server(target: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x.zip"
        with pytest.raises(UserError, match=r"no connection.*onnection refused") as raised:
            download(url, target, sha256=None, tries=2, pause_s=0.001)
    assert url in str(raised.value) and "0x" not in str(raised.value)


def test_a_silent_server(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.zip"
        with pytest.raises(UserError, match="timed out"):
            download(url, target, sha256=None, tries=1, timeout_s=(1.0, 0.05))


@pytest.mark.parametrize("url", ["", "GOPRO_Large.zip", "ftp://host/x.zip", "http://", "http://[/"])
def test_what_is_no_address(url: str, target: Path) -> None:
    with pytest.raises(UserError, match="not an address") as raised:
        download(url, target, sha256=None, pause_s=0.001)
    assert url in str(raised.value)


def test_a_full_disk(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, 2_000_000))
    with pytest.raises(UserError, match=r"needs 0\.00 GB, but only 0\.00 GB are free") as raised:
        fetch(server, target)
    assert str(target.parent) in str(raised.value) and left(target) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, 10**9))
    interrupted(server, target)
    # What is there already needs no room.
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, len(CONTENT) - CUT))
    fetch(server, target)
    assert target.read_bytes() == CONTENT


def test_a_file_in_the_way(server: Server, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("")
    with pytest.raises(UserError, match="a file is where a folder should be"):
        fetch(server, tmp_path / "new" / "x.zip")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(UserError, match=r"folder\.zip"):
        fetch(server, tmp_path / "folder.zip")
