"""Running the server: its socket, its signals, its beginning and its end."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import uvicorn

from deblur_jax.atomic import reason
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import Picture
from deblur_jax.web.serve.app import build_app
from deblur_jax.web.serve.connections import protocol
from deblur_jax.web.serve.endpoints import Api
from deblur_jax.web.serve.guard import is_loopback
from deblur_jax.web.serve.limits import Limits
from deblur_jax.web.serve.model import Model
from deblur_jax.web.serve.work import Restores

SIGNALS = (signal.SIGINT, signal.SIGTERM)
KEEP_ALIVE_SECONDS = 30
SMALL = 64  # pixels
# A program is traced in Python for a quarter of a second. Answers that are due meanwhile
# take turns with that a dozen times each: at Python's 5 ms a turn they would take 60 ms and more.
TURN_SECONDS = 0.0005
LAST_SECONDS = 5  # for answers that are on their way when the server is told to stop


def run(
    load: Callable[[], Restores],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    max_megabytes: float = Limits.megabytes,
    max_megapixels: float = Limits.megapixels,
    max_waiting: int = Limits.waiting,
    say: Callable[[str], None] = print,
) -> None:
    """Serves the page and the API until SIGINT or SIGTERM comes.

    It listens at once; behind that the weights are loaded and tried on a small picture, for which
    requests wait.

    Args:
      load: gives the restorer, such as `lambda: deblur_jax.load("default")`.
      host: name or address to listen on; anything but the loopback is warned of.
      port: 0 takes a free one.
      max_megabytes: of one upload.
      max_megapixels: of one picture.
      max_waiting: requests that are served at once; more are sent away.
      say: told the address, once it is listened on, and a warning.

    Raises:
      UsageError: a limit or a port that is impossible.
      UserError: an address that cannot be listened on, or what `load` raises.
    """
    limits = Limits(megabytes=max_megabytes, megapixels=max_megapixels, waiting=max_waiting)
    sys.setswitchinterval(TURN_SECONDS)
    with contextlib.closing(listen(host, port)) as listening:
        address, loopback = address_of(listening)
        server = Server(lambda: _warm(load()), limits, loopback=loopback)
        if not loopback:
            say(
                f"warning: {address} can be reached from other machines, without password or "
                "encryption"
            )
        server.serve_on(listening, lambda: say(f"listening on {address} (Ctrl-C ends it)"))


def _warm(restorer: Restores) -> Restores:
    """Restores a small picture: what is imported and prepared at the first one holds up others.

    What is there by then stays, so that the garbage collector need not look through it again and
    again, which takes up to 0.1 s.
    """
    restorer.restore_picture(Picture(np.zeros((SMALL, SMALL, 3), np.uint8)))
    gc.collect()
    gc.freeze()
    return restorer


class Server(uvicorn.Server):
    """Uvicorn's server with this application; tests run it in a thread.

    Attributes:
      api: what it serves.
    """

    def __init__(
        self, load: Callable[[], Restores], limits: Limits, *, loopback: bool = True
    ) -> None:
        self._model = Model(load)
        self.api = Api(self._model, limits)
        config = uvicorn.Config(
            build_app(self.api, loopback=loopback),
            loop="asyncio",
            http=protocol(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,  # whatever goes wrong is answered, or said in one sentence
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=LAST_SECONDS,
        )
        super().__init__(config)
        self._ready: Callable[[], None] = lambda: None

    def serve_on(self, listening: socket.socket, ready: Callable[[], None]) -> None:
        """Serves on a socket until a signal comes or `should_exit` is set; then cleans up.

        A picture that is being restored is ended at its next tile, and waited for.

        Raises:
          Exception: what loading the weights raised.
        """
        self._ready = ready
        self.api.loading.outcome.add_done_callback(self._loaded)
        try:
            asyncio.run(self.serve(sockets=[listening]))
        finally:
            self.api.close()
            self.api.restoring.join()
            self.api.showing.join()
        if self._model.error is not None:
            raise self._model.error

    def _loaded(self, _outcome: Any) -> None:
        if self._model.error is not None:
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's, and then tells that the server listens."""
        await super().startup(sockets=sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Uvicorn's, after all who wait have been told."""
        self.api.close()
        await super().shutdown(sockets=sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first signal ends the server and is no error; the second one kills it, as always.

        Uvicorn's own would raise the signal once more after all has ended well.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._stop) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, _number: int, _frame: Any) -> None:
        self.should_exit = True
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound to a name or address and a port, 0 for a free one.

    Raises:
      UsageError: a port that is none.
      UserError: an unknown name, a port that is taken, or one that needs more rights.
    """
    if not 0 <= port < 2**16:
        raise UsageError(f"there is no port {port}; it can be 0 to 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        why = reason(error)
        if isinstance(error, OSError) and "in use" in why:
            why = "the port is taken; name another one with --port, or 0 for a free one"
        raise UserError(f"cannot listen on {host}:{port}: {why}") from error


def address_of(listening: socket.socket) -> tuple[str, bool]:
    """A socket's address for a browser, and whether only this machine can reach it."""
    name, port = listening.getsockname()[:2]
    loopback = is_loopback(name)
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(name, name)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}", loopback
