"""Work that threads do ahead of the one who asks for it, its results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    workers: ThreadPoolExecutor,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    count: int,
) -> Iterator[Result]:
    """Yields `work` of each item, in the items' order, while the next `count` are worked on.

    Unlike `Executor.map` it takes items as room comes free, so that no more than `count` of them
    and of their results are in memory. What `work` raises comes out where its result would.
    """
    running: deque[Future[Result]] = deque()
    for item in items:
        running.append(workers.submit(work, item))
        if len(running) > count:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()
