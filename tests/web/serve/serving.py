"""A server in a thread on a free port, a restorer that is told what to do, and clients."""

import contextlib
import http.client
import io
import json
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from deblur_jax import images
from deblur_jax.images import Picture, convert_depth
from deblur_jax.restore.treatment import AS_IT_IS, Treatment
from deblur_jax.web.serve.limits import Limits
from deblur_jax.web.serve.run import Server, listen

WAIT = 60.0  # seconds within which anything that must happen has happened


class Fake:
    """Inverts pictures; `gate`, where it is given, is waited for before each of `tiles` parts."""

    def __init__(self, gate: threading.Event | None = None, tiles: int = 1) -> None:
        self.weights = SimpleNamespace(name="fake", sha256="f" * 64)
        self.gate = gate
        self.tiles = tiles
        self.begun: list[int] = []  # each picture's first value, in order
        self.held: list[weakref.ref] = []
        self.tile_done = threading.Semaphore(0)

    def restore_picture(
        self,
        picture: Picture,
        treatment: Treatment = AS_IT_IS,
        *,
        watch: Callable[[float], None] | None = None,
    ) -> Picture:
        self.begun.append(int(picture.rgb.flat[0]))
        self.held.append(weakref.ref(picture.rgb))
        for tile in range(self.tiles):
            if self.gate is not None:
                assert self.gate.wait(WAIT)
            if watch is not None:
                watch((tile + 1) / self.tiles)
            self.tile_done.release()
        unit = convert_depth(picture.rgb, "float32")
        restored = treatment.apply(unit, 1 - unit)
        return picture.with_rgb(convert_depth(restored, picture.rgb.dtype.name))


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """Its one sentence; there must be nothing else."""
        told = self.json
        assert list(told) == ["error"]
        return str(told["error"])


@dataclass
class Served:
    """A server that runs."""

    server: Server
    port: int

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request over a connection of its own."""
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, headers or {})
            return read(connection)

    def restore(self, body: bytes, query: str = "", **headers: str) -> Answer:
        return self.ask("POST", f"/api/restore{query}", body, headers)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)

    def raw(self, head: str, body: bytes = b"") -> socket.socket:
        """A connection on which a request's beginning has been sent; lines end in '\\n'."""
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT)
        opened.sendall(head.replace("\n", "\r\n").encode() + body)
        return opened

    @property
    def queue(self) -> dict[str, Any]:
        return dict(self.ask("GET", "/api/queue").json)


def read(connection: http.client.HTTPConnection) -> Answer:
    """The answer that comes on a connection."""
    answer = connection.getresponse()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, headers, answer.read())


def read_raw(opened: socket.socket) -> Answer:
    """The answer on a socket, up to the end of the connection, or of its body."""
    answer = http.client.HTTPResponse(opened)
    answer.begin()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, headers, answer.read())


@contextlib.contextmanager
def served(
    load: Callable[[], Any] = Fake, limits: Limits | None = None, *, loopback: bool = True
) -> Iterator[Served]:
    """A server with what `load` gives, in a thread; it must end well."""
    ready = threading.Event()
    server = Server(load, limits or Limits(), loopback=loopback)
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.serve_on, args=(listening, ready.set))
        thread.start()
        try:
            assert ready.wait(WAIT)
            yield Served(server, listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(WAIT)
            assert not thread.is_alive()


def until(true: Callable[[], Any]) -> None:
    """Waits until something is so."""
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def pixels(first: int = 7, height: int = 24, width: int = 33) -> np.ndarray:
    """uint8[H, W, 3] of noise, its first value `first`."""
    made = np.random.default_rng(first).integers(0, 256, (height, width, 3), np.uint8)
    made.flat[0] = first
    return made


def png(first: int = 7, height: int = 24, width: int = 33) -> bytes:
    """`pixels` as a PNG."""
    return images.to_bytes(Picture(pixels(first, height, width)), ".png")


def rgb(body: bytes) -> np.ndarray:
    """The pixels of a file, read by Pillow alone."""
    from PIL import Image

    with Image.open(io.BytesIO(body)) as image:
        return np.asarray(image.convert("RGB"))
