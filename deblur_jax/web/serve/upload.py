"""A request's body, taken in within bounds of size and time."""

import asyncio
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from deblur_jax.web.serve.kinds import ENOUGH, suffix_of
from deblur_jax.web.serve.limits import MEGA, Limits
from deblur_jax.web.serve.problem import Gone, Problem


def declared_length(headers: Headers, limits: Limits) -> int | None:
    """The body's length as the head declares it, None where it comes in chunks.

    Raises:
      Problem: 413 for one above the limit, 400 for none at all, 415 for what is no picture's bytes:
        a form, or a body that is compressed once more.
    """
    if headers.get("content-type", "").lower().startswith("multipart/"):
        raise Problem(
            415,
            "send the picture's bytes themselves as the body, not a form "
            "(curl --data-binary @photo.jpg)",
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "send the picture's bytes as they are, without a content encoding")
    if "transfer-encoding" in headers:
        return None
    length = int(headers.get("content-length", "0"))
    if length == 0:
        raise Problem(400, "the body is empty; it must be a picture")
    if length > limits.bytes:
        raise too_large(limits)
    return length


async def read_body(receive: Receive, limits: Limits, tell: Callable[[int], None]) -> list[bytes]:
    """The body in pieces; it is refused as soon as its first bytes show that it is no picture.

    Args:
      receive: of ASGI.
      limits: size and times.
      tell: told the number of bytes that have come.

    Raises:
      Problem: 408 too slow, 413 too large, 415 no picture, 400 empty.
      Gone: the client has closed the connection.
    """
    pieces: list[bytes] = []
    size, known, more = 0, False, True
    end = time.monotonic() + limits.upload_seconds
    while more:
        message = await _next(receive, limits, end)
        piece, more = message.get("body", b""), message.get("more_body", False)
        size += len(piece)
        if size > limits.bytes:
            raise too_large(limits)
        if piece:
            pieces.append(piece)
        if not known and (size >= ENOUGH or not more):
            start = b"".join(pieces)
            if not start:
                raise Problem(400, "the body is empty; it must be a picture")
            suffix_of(start)
            known = True
        tell(size)
    return pieces


async def _next(receive: Receive, limits: Limits, end: float) -> Message:
    left = end - time.monotonic()
    # One timeout, not one within another: Python 3.11 can lose the outer one's.
    try:
        async with asyncio.timeout(min(left, limits.silent_seconds)):
            message = await receive()
    except TimeoutError:
        if left < limits.silent_seconds:
            sentence = f"the upload took longer than {limits.upload_seconds:g} seconds"
        else:
            sentence = f"no byte of the upload came for {limits.silent_seconds:g} seconds"
        raise Problem(408, sentence) from None
    if message["type"] == "http.disconnect":
        raise Gone
    return message


def too_large(limits: Limits) -> Problem:
    """What is said of an upload above the limit."""
    return Problem(
        413, f"the upload is larger than {limits.bytes / MEGA:g} MB, the most that is taken"
    )
