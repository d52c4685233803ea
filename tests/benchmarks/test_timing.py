"""Calls are counted, waited for and timed one by one; quantiles are numpy's."""

import jax
import numpy as np
import pytest

from benchmarks import timing


class Pending:
    """A result that is not there before one has waited for it."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def block_until_ready(self) -> "Pending":
        self._events.append("ready")
        return self


class Clock:
    """Time that passes only while a call is waited for: 1, 2, 3, … seconds."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def __call__(self) -> float:
        self.events.append("clock")
        done = self.events.count("ready")
        return done * (done + 1) / 2


@pytest.mark.parametrize(("runs", "warmups"), [(1, 0), (3, 2), (9, 1)])
def test_repeat_makes_exactly_the_calls_it_says_and_waits_for_each(runs: int, warmups: int) -> None:
    events: list[str] = []

    def call() -> dict:
        events.append("call")
        return {"result": [Pending(events)]}

    seconds = timing.repeat(call, runs, warmups=warmups, clock=Clock(events))
    assert events == ["call", "ready"] * warmups + ["clock", "call", "ready", "clock"] * runs
    assert seconds == [float(warmups + i + 1) for i in range(runs)]


def test_the_default_number_of_warmups_is_made() -> None:
    events: list[str] = []
    timing.repeat(lambda: events.append("call"), 3)
    assert len(events) == 3 + timing.WARMUPS


def test_once_gives_the_result_and_its_seconds() -> None:
    events: list[str] = []
    seconds, result = timing.once(lambda: Pending(events), clock=Clock(events))
    assert isinstance(result, Pending) and seconds == 1.0
    assert events == ["clock", "ready", "clock"]


def test_no_runs_is_an_error() -> None:
    with pytest.raises(ValueError, match="runs is 0"):
        timing.repeat(lambda: None, 0)


def test_quantiles_of_eleven_are_the_second_sixth_and_tenth(rng: np.random.Generator) -> None:
    seconds = [float(value) for value in rng.permutation(np.arange(1, 12))]
    summary = timing.summary(seconds)
    assert (summary["p10_s"], summary["median_s"], summary["p90_s"]) == (2.0, 6.0, 10.0)
    assert summary["runs"] == 11 and summary["seconds"] == seconds


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_quantiles_are_those_of_numpy(count: int, rng: np.random.Generator) -> None:
    seconds = list(rng.exponential(size=count))
    summary = timing.summary(seconds)
    expected = np.percentile(seconds, [10, 50, 90], method="linear")
    np.testing.assert_allclose([summary[k] for k in ("p10_s", "median_s", "p90_s")], expected)
    assert summary["median_s"] == pytest.approx(np.median(seconds))


def test_the_cache_is_off_inside_and_as_before_outside() -> None:
    before = jax.config.jax_enable_compilation_cache
    with pytest.raises(KeyError), timing.fresh_compilation():
        assert not jax.config.jax_enable_compilation_cache
        raise KeyError
    assert jax.config.jax_enable_compilation_cache == before
