"""Bad input over HTTP: refused in one sentence that the client sees, and nothing is left behind."""

import io
import socket
import struct
import time
import zlib
from collections.abc import Iterator

import pytest
from serving import WAIT, Served, png, read_raw, served, until

from deblur_jax.errors import UsageError
from deblur_jax.web.serve.limits import Limits

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"
POST = "POST /api/restore HTTP/1.1\nHost: localhost\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(limits=Limits(megabytes=1, megapixels=0.01)) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames:
        until(lambda: request.getfixturevalue("server").queue["served"] == 0)


@pytest.mark.parametrize(
    "body",
    [SVG, b"\xef\xbb\xbf" + SVG, HTML, b"PK\x03\x04" + bytes(99), b"%PDF-1.7", b"B", b"x" * 5000],
)
def test_what_is_no_picture_is_not_taken(server: Served, body: bytes) -> None:
    for path in ("/api/restore", "/api/preview"):
        answer = server.ask("POST", path, body, {"Content-Type": "image/png"})
        assert answer.status == 415
        assert answer.error.startswith("this is not a PNG, JPEG, WebP")
        assert answer.headers["content-type"] == "application/json"
        assert b"script" not in answer.body


def test_no_picture_is_refused_by_its_first_bytes(server: Served) -> None:
    with server.raw(POST + "Content-Length: 900000\n\n", HTML + bytes(64)) as opened:
        assert read_raw(opened).status == 415  # the rest has not been sent


@pytest.mark.parametrize(
    "body",
    [
        b"BM" + bytes(60),
        b"\x89PNG\r\n\x1a\n" + SVG,
        b"\xff\xd8\xff" + HTML,
        b"II*\0" + bytes(99),
        png()[:70],
        b"GIF89a" + SVG,
    ],
)
def test_what_only_begins_like_a_picture_is_named(server: Served, body: bytes) -> None:
    answer = server.restore(body)
    assert answer.status == 415
    assert b"alert" not in answer.body
    assert "Traceback" not in answer.error


def test_an_empty_body(server: Served) -> None:
    for answer in (server.restore(b""), server.restore(iter([b"", b""]))):
        assert (answer.status, "empty" in answer.error) == (400, True)


def test_a_form_is_told_what_to_do(server: Served) -> None:
    answer = server.restore(png(), **{"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status == 415
    assert "--data-binary" in answer.error


def test_a_body_that_is_compressed_again(server: Served) -> None:
    assert server.restore(png(), **{"Content-Encoding": "gzip"}).status == 415


def test_two_gigabytes_are_refused_before_they_are_read(server: Served) -> None:
    with server.raw(POST + f"Content-Length: {2 * 10**9}\n\n") as opened:
        answer = read_raw(opened)
    assert answer.status == 413
    assert "larger than 1 MB" in answer.error
    assert answer.headers["connection"] == "close"


def test_a_client_that_asks_first_is_not_told_to_send(server: Served) -> None:
    with server.raw(POST + f"Expect: 100-continue\nContent-Length: {2 * 10**9}\n\n") as opened:
        began = time.monotonic()
        assert read_raw(opened).status == 413
        assert opened.recv(1) == b""  # closed at once, nothing was waited for
        assert time.monotonic() - began < 1


def test_a_client_that_asks_first_is_told_to_send_a_picture(server: Served) -> None:
    head = POST + f"Expect: 100-continue\nContent-Length: {len(png())}\n\n"
    with server.raw(head) as opened:
        assert opened.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"[:25]
        opened.sendall(png())
        assert read_raw(opened).status == 200


def test_chunks_are_cut_at_the_limit(server: Served) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield png()
        while sent < 50 * 10**6:
            sent += 10**5
            yield bytes(10**5)

    answer = server.restore(endless())  # which sees the answer although it goes on sending
    assert answer.status == 413
    assert "larger than 1 MB" in answer.error


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/healthz", 405)])
def test_any_early_answer_is_seen_by_who_still_sends(
    server: Served, path: str, status: int
) -> None:
    answer = server.ask("POST", path, bytes(20 * 10**6))
    assert answer.status == status
    assert answer.headers["connection"] == "close"


def test_too_many_pixels(server: Served) -> None:
    answer = server.restore(png(1, 101, 100))
    assert answer.status == 413
    assert server.restore(png(1, 100, 100)).status == 200


def test_a_small_file_of_a_huge_picture_is_not_unpacked(server: Served) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    bomb += chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    answer = server.restore(bomb)
    assert answer.status == 413


def test_a_silent_upload_is_ended() -> None:
    with served(limits=Limits(silent_seconds=0.2)) as server:
        with server.raw(POST + "Content-Length: 5000\n\n", png()[:40]) as opened:
            answer = read_raw(opened)
            assert (answer.status, answer.error) == (
                408,
                "no byte of the upload came for 0.2 seconds",
            )
            assert opened.recv(1) == b""
        assert server.queue["served"] == 0


def test_a_slow_upload_is_ended() -> None:
    with served(limits=Limits(silent_seconds=5, upload_seconds=0.4)) as server:
        with server.raw(POST + "Content-Length: 5000\n\n", png()[:80]) as opened:
            for _ in range(12):
                time.sleep(0.05)
                opened.sendall(b"x")
            answer = read_raw(opened)
        assert answer.status == 408
        assert "longer than 0.4 seconds" in answer.error


def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    with served(limits=Limits(head_seconds=0.2)) as server:
        for sent in ("", "GET / HT", POST):
            with server.raw(sent) as opened:
                opened.settimeout(WAIT)
                assert opened.recv(1) == b""
        assert server.ask("GET", "/healthz").status == 200


def test_a_second_head_that_does_not_come_is_not_waited_for() -> None:
    first = "GET /healthz HTTP/1.1\nHost: localhost\n\n"
    with served(limits=Limits(head_seconds=0.2)) as server, server.raw(first) as opened:
        assert read_raw(opened).status == 200
        opened.sendall(b"GET ")
        assert opened.recv(1) == b""


def test_connections_are_bounded() -> None:
    with served(limits=Limits(connections=5)) as server:
        idle = [server.raw("") for _ in range(5)]
        until(lambda: len(server.server.server_state.connections) == 5)
        with server.raw("") as one_more, pytest.raises(ConnectionResetError):
            if one_more.recv(1) == b"":
                raise ConnectionResetError
        for opened in idle:
            opened.close()
        until(lambda: not server.server.server_state.connections)
        assert server.ask("GET", "/healthz").status == 200


def test_who_does_not_take_the_answer_is_let_go() -> None:
    with served(limits=Limits(silent_seconds=0.3)) as server:
        body = png(3, 2000, 2000)  # of noise: 12 MB, more than the system's buffers take
        with server.raw(POST + f"Content-Length: {len(body)}\n\n", body) as opened:
            until(lambda: server.queue["served"] == 1)
            until(lambda: server.queue["served"] == 0)
            with pytest.raises((ConnectionError, socket.timeout)):
                while opened.recv(2**16):
                    pass
                raise ConnectionError  # it ended before the declared length
        assert server.restore(png()).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2f..%2fpage.py",
        "/static/%2e%2e/%2e%2e/__init__.py",
        "/static/serve.html",
        "/static/base.html",
        "/static/",
        "/api/queue/../../etc/passwd",
        "//evil.example/",
        "/%00",
    ],
)
def test_no_path_leads_elsewhere(server: Served, path: str) -> None:
    answer = server.ask("GET", path)
    assert answer.status == 404
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/api/restore", 405, "POST"),
        ("PUT", "/api/restore", 405, "POST"),
        ("OPTIONS", "/api/restore", 405, "POST"),
        ("DELETE", "/", 405, None),
        ("GET", "/favicon.ico", 404, None),
        ("GET", "/api/", 404, None),
    ],
)
def test_wrong_methods_and_paths(
    server: Served, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = server.ask(method, path)
    assert answer.status == status
    assert answer.error
    if allow:
        assert answer.headers["allow"] == allow


@pytest.mark.parametrize("path", ["/", "/api", "/healthz", "/static/serve.js", "/api/openapi.json"])
def test_head_is_get_without_the_body(server: Served, path: str) -> None:
    head, get = server.ask("HEAD", path), server.ask("GET", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("192.168.1.5", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_on_the_loopback_only_its_names_are_answered_to(
    server: Served, host: str, status: int
) -> None:
    answer = server.ask("GET", "/healthz", headers={"Host": host})
    assert answer.status == status
    if status == 421:
        assert "localhost" in answer.error


def test_elsewhere_any_name_is_answered_to() -> None:
    with served(loopback=False) as server:
        assert server.ask("GET", "/healthz", headers={"Host": "photos.example"}).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_pages_from_elsewhere_may_not_send(server: Served, headers: dict, status: int) -> None:
    answer = server.ask("POST", "/api/restore", png(), {"Host": "localhost", **headers})
    assert answer.status == status


def test_every_answer_is_guarded(server: Served) -> None:
    answers = [
        server.ask("GET", "/"),
        server.ask("GET", "/nothing"),
        server.ask("GET", "/static/serve.svg"),
        server.restore(png()),
        server.restore(SVG),
        server.ask("GET", "/healthz", headers={"Host": "evil.example"}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers


def test_a_ticket_must_be_one(server: Served) -> None:
    for ticket in ("short", "a" * 65, "../../../etc", "<script>aaaa"):
        assert server.restore(png(), **{"X-Ticket": ticket}).status == 422


def test_limits_that_leave_nothing_are_refused() -> None:
    for wrong in ({"megabytes": 0}, {"megapixels": -1.0}, {"waiting": 0}):
        with pytest.raises(UsageError):
            Limits(**wrong)
    with pytest.raises(UsageError):
        Limits(megabytes=float("nan"))


def test_nothing_is_written_anywhere(server: Served, tmp_path, monkeypatch) -> None:
    opened: list[tuple] = []
    real = io.open

    def spy(path, mode="r", *rest, **options):
        if not isinstance(path, int) and set(mode) & set("wax+"):
            opened.append((path, mode))
        return real(path, mode, *rest, **options)

    monkeypatch.setattr("builtins.open", spy)
    monkeypatch.setattr("io.open", spy)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert server.restore(png(1, 90, 90), "?format=tiff").status == 200
    assert opened == []
    assert list(tmp_path.iterdir()) == []
