"""Contenders timed in turn, and what their times in the same round say of each other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from benchmarks.peers.processes import Lost

# Between two turns: the threads of some libraries go on waiting busily for a while after a call.
PAUSE_S = 0.2
# Below this many pixels the caches that a contender finds are a part of its time, and others have
# just emptied them: it gets a call of its own first.
_WARM_PIXELS = 2**18


class Contestant(Protocol):
    """What can be called, and timed."""

    def call(self) -> None:
        """One call that is not timed."""

    def time(self) -> float:
        """Seconds of one call."""


class Rounds(NamedTuple):
    """What was measured.

    Attributes:
      seconds: of each contender in each round, of those alone that were there to the end.
      order: the contenders of each round as they came.
      lost: those that were not, and why.
    """

    seconds: dict[str, list[float]]
    order: list[list[str]]
    lost: dict[str, str]


def untimed_calls(height: int, width: int) -> int:
    """How many calls stand in front of a timed one."""
    return 1 if height * width < _WARM_PIXELS else 0


def interleave(
    contestants: Mapping[str, Contestant],
    count: int,
    rng: np.random.Generator,
    *,
    untimed: int = 1,
    pause: Callable[[], None],
) -> Rounds:
    """Asks every contender once a round, in a new random order each time.

    Args:
      contestants: by name.
      count: of rounds, at least 1.
      rng: shuffles them.
      untimed: calls of a contender before the one that is timed.
      pause: called before each turn.
    """
    if count < 1:
        raise ValueError(f"there are {count} rounds; there must be at least 1")
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    order: list[list[str]] = []
    lost: dict[str, str] = {}
    for _ in range(count):
        names = [str(name) for name in rng.permutation(list(seconds))]
        order.append(names)
        for name in names:
            pause()
            try:
                for _ in range(untimed):
                    contestants[name].call()
                seconds[name].append(contestants[name].time())
            except Lost as error:
                lost[name] = str(error)
                del seconds[name]  # without all its rounds it cannot be paired
    return Rounds(seconds, order, lost)


def ratios(seconds: Mapping[str, Sequence[float]]) -> dict[str, dict[str, dict[str, float]]]:
    """`ratios[a][b]`: a's time by b's within a round, `median`, `p10` and `p90` over the rounds.

    Medians of ratios are not ratios of medians: what slowed a whole round down cancels.
    """
    return {
        a: {b: _quantiles(np.divide(own, seconds[b])) for b in seconds if b != a}
        for a, own in seconds.items()
    }


def _quantiles(values: Any) -> dict[str, float]:
    p10, median, p90 = np.quantile(values, (0.1, 0.5, 0.9))
    return {"median": float(median), "p10": float(p10), "p90": float(p90)}
