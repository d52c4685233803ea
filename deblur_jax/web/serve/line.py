"""Work in the order it came, one piece at a time, in a thread of its own."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any

from deblur_jax.web.serve.problem import Problem

Work = Callable[["Job"], Any]


class Ended(Exception):
    """Raised within work whose client is gone."""


class Job:
    """One piece of work: put into a line by the event loop, done by the line's thread.

    Attributes:
      outcome: what the work gave, or the Problem that it met.
      pixels: of the picture, 0 until its head has been read.
      share: of the work that is done as it says itself, 0 to 1.
      began: when the thread took it up, by time.monotonic(); None before.
    """

    def __init__(self, work: Work) -> None:
        self.outcome: Future[Any] = Future()
        self.pixels = 0
        self.share = 0.0
        self.began: float | None = None
        self._work: Work | None = work
        self._ended = threading.Event()

    def watch(self, share: float) -> None:
        """Told between two parts of the work how much is done; raises Ended if nobody waits."""
        if self._ended.is_set():
            raise Ended
        self.share = share

    def end(self, problem: Problem | None = None) -> None:
        """Lets the work go: at once where it waits, at its next `watch` where it is being done."""
        self._ended.set()
        self._work = None
        self._settle(None, problem or Problem(499, "the client has gone"))

    def do(self) -> None:
        """Does the work; whatever goes wrong becomes the outcome."""
        # Nothing may keep the picture alive once the work is done: neither this object, nor the
        # frames of an error's traceback.
        work, self._work = self._work, None
        self.began = time.monotonic()
        try:
            if work is not None:
                self._settle(work(self), None)
        except Problem as problem:
            self._settle(None, Problem(problem.status, problem.sentence))
        except Ended:
            pass
        except MemoryError:
            self._settle(None, Problem(503, "there is not enough memory for this", retry_after=10))
        except BaseException as error:
            text = " ".join(str(error).split())[:300]
            sentence = f"internal error, {type(error).__name__}: {text}"
            self._settle(None, Problem(500, sentence))

    def _settle(self, result: Any, problem: Problem | None) -> None:
        """Sets the outcome, once: it may have been ended while it was being done."""
        with contextlib.suppress(InvalidStateError):
            if problem is None:
                self.outcome.set_result(result)
            else:
                self.outcome.set_exception(problem)


class Line:
    """Jobs that wait for one thread.

    The thread also waits while the results that clients have not fetched yet are too large
    together, so that slow readers cannot fill the memory.
    """

    def __init__(self, name: str, most_unfetched: int) -> None:
        self._waiting: deque[Job] = deque()
        self._now: Job | None = None
        self._unfetched = 0
        self._most_unfetched = most_unfetched
        self._open = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """The job is done after all that are in the line."""
        with self._changed:
            if not self._open:
                job.end(stopping())
                return
            self._waiting.append(job)
            self._changed.notify()

    def leave(self, job: Job) -> None:
        """Its client is gone: the job is dropped, or ended where it next tells how far it is."""
        job.end()
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def hold(self, size: int) -> None:
        """Counts `size` bytes more of results, or fewer, that are not fetched."""
        with self._changed:
            self._unfetched += size
            self._changed.notify()

    def ahead(self, job: Job) -> int:
        """How many jobs come before this one, the one that is being done included."""
        with self._changed:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._now is not None)

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def now(self) -> Job | None:
        """The job that is being done."""
        return self._now

    def close(self) -> None:
        """Takes no more; those that wait, and the one being done, are told that it is over."""
        with self._changed:
            self._open = False
            jobs = [*self._waiting, *([self._now] if self._now else [])]
            self._waiting.clear()
            self._changed.notify()
        for job in jobs:
            job.end(stopping())

    def join(self, timeout: float | None = None) -> bool:
        """Waits for the thread of a closed line; False if it still works after `timeout` s."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._now = None
                self._changed.wait_for(self._may_go_on)
                if not self._open:
                    return
                self._now = job = self._waiting.popleft()
            job.do()
            del job  # it must not outlive its request while this thread waits for the next one

    def _may_go_on(self) -> bool:
        return not self._open or bool(
            self._waiting and self._unfetched < max(1, self._most_unfetched)
        )


def stopping() -> Problem:
    """What is said to whom the server cannot serve any more."""
    return Problem(503, "the server is stopping")
