"""Work on many files at once, in order."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tqdm import tqdm


def in_threads(
    work: Callable[[int], Any],
    count: int,
    workers: int | None = None,
    title: str = "",
    unit: str = "pair",
) -> list[Any]:
    """`work` of the numbers 0 to count - 1, in order.

    Args:
      work: called by several threads; what it raises ends the rest.
      count: how many numbers.
      workers: threads; None takes what Python thinks right.
      title: with one, a bar shows on a terminal how far it is, in `unit`s.
    """
    with ThreadPoolExecutor(workers) as pool:
        try:
            done: Iterator[Any] = pool.map(work, range(count))
            if title:
                done = tqdm(done, total=count, desc=title, unit=unit, disable=None)
            return list(done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
