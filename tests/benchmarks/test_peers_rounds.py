"""Contenders take turns, are called as often as is said, and are compared within rounds."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.peers import rounds
from benchmarks.peers.processes import Lost


class Machine:
    """A machine on which everything takes longer from call to call, with a clock of its own."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.slowness = 1.0

    def pause(self) -> None:
        self.events.append("pause")


class Fake:
    """A contender that takes `cost` seconds at first, and is lost after `calls` timed calls."""

    def __init__(self, machine: Machine, name: str, cost: float, calls: float = np.inf) -> None:
        self._machine, self._name, self._cost, self._left = machine, name, cost, calls

    def call(self) -> None:
        self._machine.events.append(f"{self._name} called")

    def time(self) -> float:
        if self._left <= 0:
            raise Lost(f"{self._name} is gone")
        self._left -= 1
        self._machine.events.append(f"{self._name} timed")
        return self._cost * self._machine.slowness


@pytest.mark.parametrize("untimed", [0, 2])
def test_every_contender_has_one_turn_a_round(untimed: int, rng: np.random.Generator) -> None:
    machine = Machine()
    fakes = {name: Fake(machine, name, 1.0) for name in "abc"}
    found = rounds.interleave(fakes, 5, rng, untimed=untimed, pause=machine.pause)
    assert all(sorted(order) == ["a", "b", "c"] for order in found.order) and len(found.order) == 5
    turn = lambda name: ["pause", *[f"{name} called"] * untimed, f"{name} timed"]  # noqa: E731
    expected = [event for order in found.order for name in order for event in turn(name)]
    assert machine.events == expected
    assert {name: len(seconds) for name, seconds in found.seconds.items()} == dict.fromkeys(
        "abc", 5
    )
    assert found.lost == {}


def test_orders_are_random_and_each_contender_comes_first_about_as_often() -> None:
    machine = Machine()

    def orders(seed: int) -> list[list[str]]:
        fakes = {name: Fake(machine, name, 1.0) for name in "abcd"}
        rng = np.random.default_rng(seed)
        return rounds.interleave(fakes, 400, rng, untimed=0, pause=machine.pause).order

    found = orders(0)
    assert found == orders(0) != orders(1)
    first = [order[0] for order in found]
    assert all(70 < first.count(name) < 130 for name in "abcd")
    after_a = [order[order.index("a") + 1] for order in found if order[-1] != "a"]
    assert all(70 < after_a.count(name) < 130 for name in "bcd")


def test_what_slows_whole_rounds_down_cancels_in_ratios(rng: np.random.Generator) -> None:
    machine = Machine()

    class Drifting(Fake):
        """Each fifth turn on the machine finds it three times as slow as before."""

        def time(self) -> float:
            turns = sum(event.endswith("timed") for event in machine.events)
            machine.slowness = 3.0 ** (turns // 2)
            return super().time()

    fakes = {"quick": Drifting(machine, "quick", 1.0), "slow": Drifting(machine, "slow", 4.0)}
    found = rounds.interleave(fakes, 6, rng, untimed=0, pause=machine.pause)
    assert max(found.seconds["quick"]) > min(found.seconds["slow"])
    ratios = rounds.ratios(found.seconds)
    assert ratios["quick"]["slow"] == pytest.approx({"median": 0.25, "p10": 0.25, "p90": 0.25})
    assert ratios["slow"]["quick"] == pytest.approx({"median": 4, "p10": 4, "p90": 4})


def test_ratios_are_quantiles_of_the_rounds(rng: np.random.Generator) -> None:
    seconds = {name: list(rng.uniform(1, 2, 11)) for name in "abc"}
    found = rounds.ratios(seconds)
    assert {a: set(others) for a, others in found.items()} == {
        "a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"},
    }  # fmt: skip
    by_round = sorted(x / y for x, y in zip(seconds["a"], seconds["c"], strict=True))
    expected = {"median": by_round[5], "p10": by_round[1], "p90": by_round[9]}
    assert found["a"]["c"] == pytest.approx(expected)


@pytest.mark.parametrize("failing", ["time", "call"])
def test_a_lost_contender_leaves_the_others_in_place(
    failing: str, rng: np.random.Generator
) -> None:
    machine = Machine()
    gone = Fake(machine, "gone", 1.0, calls=2)
    if failing == "call":
        done: list[Callable[[], None]] = []

        def call() -> None:
            done.append(call)
            if len(done) > 2:
                raise Lost("gone is gone")

        gone.call = call  # type: ignore[method-assign]
    fakes = {"gone": gone, "a": Fake(machine, "a", 1.0), "b": Fake(machine, "b", 2.0)}
    found = rounds.interleave(fakes, 5, rng, untimed=1, pause=machine.pause)
    assert found.lost == {"gone": "gone is gone"}
    assert found.seconds == {"a": [1.0] * 5, "b": [2.0] * 5}
    assert [len(order) for order in found.order] == [3, 3, 3, 2, 2]


def test_no_rounds_are_an_error(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="0 rounds"):
        rounds.interleave({}, 0, rng, pause=lambda: None)


def test_only_small_pictures_get_a_call_ahead() -> None:
    assert rounds.untimed_calls(256, 256) == 1
    assert rounds.untimed_calls(720, 1280) == 0
