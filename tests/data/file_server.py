"""A server of one file on this machine, that can do what real ones do."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Server:
    """What is served, how, and what was asked for.

    content, etag: the file. ranges: whether parts of it are given. heeds_if_range: whether another
    ETag there gets the whole file. stop_after: bytes after which the connection is cut, once for
    each of the list. statuses: answers before any good one. announce: whether a length is said.
    content_range: what a part is said to be. redirect: whether the file is elsewhere.
    requests: the headers of every request for the file. sent: bytes of it.
    """

    content: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    heeds_if_range: bool = True
    stop_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    announce: bool = True
    content_range: str = "bytes {first}-{last}/{size}"
    redirect: bool = False
    requests: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    def ranges_asked(self) -> list[str | None]:
        return [headers.get("Range") for headers in self.requests]


@contextlib.contextmanager
def serve(server: Server) -> Iterator[Server]:
    """Serves while the block runs, at `server.url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, server)

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}/GOPRO_Large.zip"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def answer(handler: BaseHTTPRequestHandler, server: Server) -> None:
    if server.redirect and handler.path != "/elsewhere":
        handler.send_response(302)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    headers = dict(handler.headers.items())
    server.requests.append(headers)
    if server.statuses:
        handler.send_error(server.statuses.pop(0))
        return
    first, asked = 0, headers.get("Range")
    changed = server.heeds_if_range and headers.get("If-Range") not in (None, server.etag)
    if asked and server.ranges and not changed:
        first = int(asked.removeprefix("bytes=").rstrip("-"))
        if first >= len(server.content):
            handler.send_error(416)
            return
        handler.send_response(206)
        last, size = len(server.content) - 1, len(server.content)
        said = server.content_range.format(first=first, last=last, size=size)
        handler.send_header("Content-Range", said)
    else:
        handler.send_response(200)
    body = server.content[first:]
    if server.announce:
        handler.send_header("Content-Length", str(len(body)))
    if server.etag:
        handler.send_header("ETag", server.etag)
    # Before anything goes out: a client that has gone by then may set these for its next call.
    body = body[: server.stop_after.pop(0)] if server.stop_after else body
    server.sent += len(body)
    handler.end_headers()
    handler.wfile.write(body)
