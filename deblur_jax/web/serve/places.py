"""Who is being served: a bounded number of requests, with what they hold, by their tickets."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from deblur_jax.web.serve.limits import Limits
from deblur_jax.web.serve.line import Job, Line
from deblur_jax.web.serve.problem import Problem

ALMOST = 0.95  # of an estimated share: only the end itself is the end
SMOOTHING = 0.3  # weight of the newest picture in the pace
FIRST_SECONDS = 1.0  # a picture, where none has told it yet
LONGEST_RETRY = 60.0  # seconds


class Place:
    """A request that is being served; only the event loop touches it.

    Attributes:
      line: in which it waits.
      held: bytes that are kept free for its upload.
      received: bytes of its upload that have come.
      length: of its upload, where it was declared.
      job: its work, once all has come.
      sending: whether the result is on its way.
    """

    def __init__(self, line: Line, held: int, length: int | None) -> None:
        self.line = line
        self.held = held
        self.received = 0
        self.length = length
        self.job: Job | None = None
        self.sending = False


class Places:
    """All requests that are being served, and the pace at which pictures are restored."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: set[Place] = set()
        self._tickets: dict[str, Place] = {}
        self._pace: float | None = None  # seconds a pixel
        self._seconds = FIRST_SECONDS  # a picture

    @contextlib.contextmanager
    def take(self, line: Line, length: int | None, ticket: str | None) -> Iterator[Place]:
        """A place while the block lasts.

        Args:
          line: in which the request will wait.
          length: of the upload as declared; None keeps the most that it can be.
          ticket: a name that the client chose, by which it can ask how far its request is.

        Raises:
          Problem: 503 where there is no place, or too much is held already; 409 for a ticket that
            is in use.
        """
        held = self._limits.bytes if length is None else length
        if ticket is not None and ticket in self._tickets:
            raise Problem(409, "another request has this ticket; choose a new one for each")
        if len(self._taken) >= self._limits.waiting:
            raise self._busy(f"{len(self._taken)} requests are being served already")
        # One upload of the largest size always has a place, so that none is refused for ever.
        if self._taken and held + sum(each.held for each in self._taken) > self._limits.held:
            raise self._busy("the uploads that wait fill the memory meant for them")
        place = Place(line, held, length)
        self._taken.add(place)
        if ticket is not None:
            self._tickets[ticket] = place
        try:
            yield place
        finally:
            self._taken.discard(place)
            if ticket is not None:
                del self._tickets[ticket]

    def told(self, ticket: str) -> dict[str, Any]:
        """Where the request with a ticket is, as `GET /api/queue/TICKET` answers.

        A ticket that nobody has is 'unknown': the request has not come yet, or is over.
        """
        place = self._tickets.get(ticket)
        if place is None:
            return {"state": "unknown", "ahead": 0, "share": 0.0, "estimated": False}
        share, estimated = self._share(place)
        return {
            "state": _state(place),
            "ahead": 0 if place.job is None else place.line.ahead(place.job),
            "share": round(share, 3),
            "estimated": estimated,
        }

    def learn(self, pixels: int, seconds: float) -> None:
        """A picture of so many pixels took so long."""
        pace = seconds / max(1, pixels)
        old = self._pace
        self._pace = pace if old is None else old + SMOOTHING * (pace - old)
        self._seconds += SMOOTHING * (seconds - self._seconds)

    @property
    def count(self) -> int:
        """How many requests are being served."""
        return len(self._taken)

    @property
    def uploading(self) -> int:
        """How many of them have not come whole."""
        return sum(place.job is None for place in self._taken)

    def _busy(self, sentence: str) -> Problem:
        # By then half of those that are here now should be through.
        seconds = min(LONGEST_RETRY, len(self._taken) * self._seconds / 2)
        return Problem(503, f"the server is busy: {sentence}", retry_after=seconds)

    def _share(self, place: Place) -> tuple[float, bool]:
        """The share of what its state is about, and whether it is a guess by the pace."""
        job = place.job
        if job is None:
            return (place.received / place.length if place.length else 0.0), False
        if place.sending:
            return 1.0, False
        if job.began is None:
            return 0.0, False
        if job.share > 0 or not self._pace or not job.pixels:
            return job.share, False
        expected = max(1e-3, self._pace * job.pixels)
        return min(ALMOST, (time.monotonic() - job.began) / expected), True


def _state(place: Place) -> str:
    if place.job is None:
        return "uploading"
    if place.sending:
        return "sending"
    return "waiting" if place.job.began is None else "restoring"
