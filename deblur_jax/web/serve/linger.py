"""Answers that come before the whole body has: the client must see them all the same.

A connection that is closed with unread bytes is reset, and a client that is still sending may then
never read the answer. So after such an answer the rest of the body is read and thrown away for a
while, and only then is the connection closed.
"""

import asyncio
import contextlib
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = 5.0  # for the whole rest
SILENT_SECONDS = 1.0  # without a byte
BYTES = 256 * 10**6


class Linger:
    """ASGI middleware around `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(dict(scope["headers"]), receive)

        async def answer(message: Message) -> None:
            if body.unread and message["type"] == "http.response.start":
                close = (b"connection", b"close")
                message = {**message, "headers": [*message.get("headers", []), close]}
            elif body.unread and not message.get("more_body"):
                await send({**message, "more_body": True})
                await body.throw_away()
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self._app(scope, body.receive, answer)


class _Body:
    """A request's body, and whether some of it is still to come.

    Attributes:
      unread: whether it is.
    """

    def __init__(self, headers: dict[bytes, Any], receive: Receive) -> None:
        self._receive = receive
        # The client sends nothing until it is told to, which happens when the app first receives.
        self._held_back = headers.get(b"expect", b"").lower() == b"100-continue"
        self.unread = (
            b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        )

    async def receive(self) -> Message:
        self._held_back = False
        message = await self._receive()
        self.unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def throw_away(self) -> None:
        if self._held_back:
            return
        left, end = BYTES, time.monotonic() + SECONDS
        with contextlib.suppress(TimeoutError):
            while self.unread and left > 0:
                async with asyncio.timeout(min(SILENT_SECONDS, end - time.monotonic())):
                    message = await self.receive()
                left -= len(message.get("body", b""))
