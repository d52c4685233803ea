"""The API's addresses: each reads a request, lets a line do the work, and answers."""

import asyncio
import re
from functools import partial
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from deblur_jax.version import __version__
from deblur_jax.web.serve import work
from deblur_jax.web.serve.limits import Limits
from deblur_jax.web.serve.line import Job, Line, Work
from deblur_jax.web.serve.model import Model
from deblur_jax.web.serve.options import options_of, refuse_unknown
from deblur_jax.web.serve.places import Place, Places
from deblur_jax.web.serve.problem import Gone, Problem
from deblur_jax.web.serve.upload import declared_length, read_body

TICKET = "X-Ticket"
PIECE = 256 * 1024  # bytes of an answer that are handed on at once
SENDING_SECONDS = 600


class Api:
    """The API over one model: what every address needs.

    Attributes:
      limits: of what is taken.
      places: who is being served.
      restoring: the line before the device.
      showing: the line of pictures that are only turned into another format.
    """

    def __init__(self, model: Model, limits: Limits) -> None:
        self.limits = limits
        self.places = Places(limits)
        self.restoring = Line("restoring", limits.held)
        self.showing = Line("showing", limits.held)
        self._model = model
        self.loading = Job(model.load)
        self.restoring.put(self.loading)

    async def restore(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /api/restore`, an ASGI application."""
        options = options_of(Request(scope).query_params)

        def work_on(pieces: list[bytes]) -> Work:
            return partial(work.restore, pieces, options, self._model.restorer, self.limits)

        made = await self._serve(scope, receive, send, self.restoring, work_on)
        if made is not None:
            self.places.learn(made.width * made.height, made.seconds)

    async def preview(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST /api/preview`, an ASGI application."""
        refuse_unknown(Request(scope).query_params, ())
        await self._serve(
            scope,
            receive,
            send,
            self.showing,
            lambda pieces: partial(work.show, pieces, self.limits),
        )

    async def queue(self, _request: Request) -> JSONResponse:
        """`GET /api/queue`."""
        now = self.restoring.now
        return JSONResponse(
            {
                "restoring": int(now is not None and now is not self.loading),
                "waiting": self.restoring.waiting,
                "uploading": self.places.uploading,
                "served": self.places.count,
                "most_served": self.limits.waiting,
                "most_megabytes": self.limits.megabytes,
                "most_megapixels": self.limits.megapixels,
            }
        )

    async def ticket(self, request: Request) -> JSONResponse:
        """`GET /api/queue/{ticket}`."""
        return JSONResponse(self.places.told(request.path_params["ticket"]))

    async def health(self, _request: Request) -> JSONResponse:
        """`GET /healthz`: 503 where the weights could not be loaded."""
        told = self._model.told()
        failed = told["state"] == "failed"
        return JSONResponse(
            {
                "status": "failed" if failed else "ok",
                "version": __version__,
                "weights": told,
                "waiting": self.restoring.waiting,
                "served": self.places.count,
            },
            503 if failed else 200,
        )

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, line: Line, work_on: Any
    ) -> work.Made | None:
        """Takes the body in, waits for its turn, and sends what was made; None if nobody waits."""
        headers = Headers(scope=scope)
        length = declared_length(headers, self.limits)
        with self.places.take(line, length, _ticket(headers)) as place:
            try:
                job = await self._upload(receive, place, work_on)
                made = await _outcome(line, job, receive)
            except Gone:
                return None
            place.sending = True
            line.hold(len(made.body))
            try:
                async with asyncio.timeout(SENDING_SECONDS):
                    await _send(send, made)
            finally:
                line.hold(-len(made.body))
            return made

    async def _upload(self, receive: Receive, place: Place, work_on: Any) -> Job:
        def tell(size: int) -> None:
            place.received = size

        pieces = await read_body(receive, self.limits, tell)
        place.held = place.received
        place.job = Job(work_on(pieces))
        place.line.put(place.job)
        return place.job

    def close(self) -> None:
        """Answers all who wait that the server stops."""
        self.restoring.close()
        self.showing.close()


async def _outcome(line: Line, job: Job, receive: Receive) -> work.Made:
    """What the job gives; Gone as soon as the client is, and then the job is dropped."""
    outcome = asyncio.wrap_future(job.outcome)
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({outcome, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not outcome.done():
            raise Gone
        made: work.Made = outcome.result()
        return made
    finally:
        if not outcome.done():
            line.leave(job)
            outcome.cancel()
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, made: work.Made) -> None:
    headers = {
        "content-type": made.media_type,
        "content-length": str(len(made.body)),
        "x-width": str(made.width),
        "x-height": str(made.height),
        "x-seconds": f"{made.seconds:.3f}",
    }
    if made.sharpness is not None:
        headers["x-sharpness-before"] = f"{made.sharpness[0]:.3f}"
        headers["x-sharpness-after"] = f"{made.sharpness[1]:.3f}"
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})
    whole = memoryview(made.body)
    for start in range(0, len(whole), PIECE):
        piece = bytes(whole[start : start + PIECE])
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _ticket(headers: Headers) -> str | None:
    ticket = headers.get(TICKET)
    if ticket is not None and not re.fullmatch(r"[A-Za-z0-9-]{8,64}", ticket):
        raise Problem(422, f"{TICKET} must be 8 to 64 letters, digits and hyphens")
    return ticket
