"""Reading ahead and writing behind, each in a thread of its own, a few items at most."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")


@contextmanager
def ahead(take: Callable[[], Item | None], count: int) -> Iterator[Iterator[Item]]:
    """What `take` gives until it gives None, `count` items of it taken in advance by a thread.

    `take` is called by one thread at a time. What it raises comes out where its item would. When
    the block ends, however it does, no more are taken and the thread has ended.
    """
    with _thread() as thread:

        def items() -> Iterator[Item]:
            waiting = deque(thread.submit(take) for _ in range(count))
            while (item := waiting.popleft().result()) is not None:
                waiting.append(thread.submit(take))
                yield item

        yield items()


class Behind:
    """Calls done by a thread in order, `count` of them at most waiting; a context manager.

    If the block ends well the rest is done first; else what has not begun is dropped.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: deque[Future[Any]] = deque()
        self._context = _thread()

    def __enter__(self) -> "Behind":
        self._thread = self._context.__enter__()
        return self

    def submit(self, call: Callable[..., Any], *args: Any) -> None:
        """Has `call` done later; raises what an earlier one raised."""
        self._waiting.append(self._thread.submit(call, *args))
        while len(self._waiting) > self._count:
            self._waiting.popleft().result()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            self._context.__exit__(kind, error, trace)


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """An executor of one thread; what has not begun when the block ends is dropped."""
    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
