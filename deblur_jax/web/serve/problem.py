"""What goes wrong with a request, as a status and one sentence, and how that is answered."""

import math

from starlette.requests import Request
from starlette.responses import JSONResponse

SAID = {  # what Starlette's router finds by itself
    404: "there is nothing here; /api lists what there is",
    405: "this address does not know that method",
}


class Problem(Exception):
    """A request that cannot be served.

    Attributes:
      status: of HTTP, 400 and above.
      sentence: what is wrong, for a person.
      headers: to be sent with it.
    """

    def __init__(self, status: int, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers: dict[str, str] = {}
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))


class Gone(Exception):
    """The client has closed its connection: there is nobody to answer."""


def answer(problem: Problem) -> JSONResponse:
    """`{"error": "one sentence"}`."""
    return JSONResponse({"error": problem.sentence}, problem.status, problem.headers)


async def on_problem(_request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for `Problem`."""
    assert isinstance(error, Problem)
    return answer(error)


async def on_status(_request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for what its router raises, with its headers (`Allow`)."""
    status = int(getattr(error, "status_code", 500))
    headers = getattr(error, "headers", None)
    return JSONResponse({"error": SAID.get(status, "the request failed")}, status, headers)
