"""Connections that do nothing: uvicorn's protocol with a bound on their number and patience."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from deblur_jax.web.serve.limits import Limits


def protocol(limits: Limits) -> type[H11Protocol]:
    """Uvicorn's HTTP protocol within `limits`."""

    class Bounded(H11Protocol):
        """Ends a connection that does not send a request's head, or does not take its answer."""

        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.abort()
                return
            self._wait(limits.head_seconds)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._stop()
            elif self._timer is None:
                self._wait(limits.head_seconds)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._wait(limits.silent_seconds)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._stop()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            self._unset_keepalive_if_required()
            super().connection_lost(exc)

        def _wait(self, seconds: float) -> None:
            self._stop()
            self._timer = self.loop.call_later(seconds, self.transport.abort)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Bounded
