"""Which pictures stand for a set."""

import numpy as np
import pytest

from deblur_jax.evaluation.examples import chosen, examples, gain_of


def entry(name: str, gain: float | None) -> dict:
    restored = None if gain is None else 20 + gain
    return {"name": name, "blurred": {"psnr": 20.0}, "restored": {"psnr": restored}}


def test_gain_is_none_without_both() -> None:
    assert gain_of(entry("a", 0.5)) == pytest.approx(0.5)
    assert gain_of(entry("a", None)) is None


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 20])
def test_best_median_and_worst(count: int, rng: np.random.Generator) -> None:
    gains = rng.permutation(count).astype(float)
    entries = [entry(f"{n:02}", gain) for n, gain in enumerate(gains)]
    found = {each.rank: gain_of(each.entry) for each in examples([*entries, entry("x", None)])}
    assert found["best"] == count - 1
    if count > 1:
        assert found["worst"] == 0
    if count > 2:
        assert found["median"] == np.sort(gains)[count // 2]
    assert len(found) == min(count, 3)


def test_chosen_are_the_examples_and_others_evenly_in_the_sets_order() -> None:
    entries = [entry(f"{n:02}", float(n == 5) - float(n == 6)) for n in range(20)]
    names = [each["name"] for each in chosen(entries, 6)]
    assert names == sorted(names) and len(names) == len(set(names)) == 6
    assert {"05", "06"} <= set(names), "the best and the worst"
    others = [int(name) for name in names if name not in ("05", "06")]
    assert min(others) <= 1 and max(others) == 19
    assert [each["name"] for each in chosen(entries, 2)] == ["00", "05"] or len(
        chosen(entries, 2)
    ) == 2
    assert chosen(entries, 0) == []
    assert chosen(entries, 99) == entries
    assert chosen([entry("x", None)], 3) == [entry("x", None)]
