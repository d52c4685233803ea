"""Damaged files of every format: read or refused with one sentence, never anything else.

`DEBLUR_JAX_FUZZ=5000 pytest -s tests/images/test_fuzz.py` tries so many of each format, in
processes of their own whose memory and time are limited, and prints what came of them.
"""

import os

import damaged
import pytest

EACH = 60  # files of each format in the suite
MEMORY_MB, SECONDS = 1000, 10.0  # of address space for the process; for one file
SEEDS = damaged.seeds()


@pytest.mark.parametrize("name", SEEDS)
def test_good_files_are_read(name):
    """Otherwise the damage below would show nothing."""
    for data in SEEDS[name]:
        outcome = damaged.try_reading(data)
        assert outcome.kind == "read", outcome


@pytest.mark.parametrize("name", SEEDS)
def test_a_damaged_file_is_read_or_refused(name):
    outcomes = [damaged.try_reading(data) for data in damaged.damaged(SEEDS[name], EACH, seed=0)]
    faults = [o for o in outcomes if o.kind not in ("read", "refused")]
    assert not faults, faults
    assert max(outcome.seconds for outcome in outcomes) < 5
    assert {"read", "refused"} == {outcome.kind for outcome in outcomes}


def test_the_process_of_its_own_tells_what_happened():
    """The reader that finds crashes and hangs does find them."""
    good = SEEDS["PNG"][0]
    reader = damaged.Reader(MEMORY_MB, SECONDS)
    try:
        assert reader(good).kind == "read"
        assert reader(b"no picture").kind == "refused"
        assert reader(damaged.CRASH).kind == "crashed"
        reader.seconds = 0.3
        assert reader(damaged.HANG).kind == "hung"
        reader.seconds = SECONDS
        assert reader(damaged.MEMORY).kind == "refused"  # it cannot have more than its limit
        assert reader(good).kind == "read"
    finally:
        reader.close()


@pytest.mark.skipif("DEBLUR_JAX_FUZZ" not in os.environ, reason="DEBLUR_JAX_FUZZ is not set")
@pytest.mark.parametrize("name", SEEDS)
def test_many_damaged_files(name):
    reader = damaged.Reader(MEMORY_MB, SECONDS)
    try:
        count = int(os.environ["DEBLUR_JAX_FUZZ"])
        run = [reader(data) for data in damaged.damaged(SEEDS[name], count, seed=1)]
    finally:
        reader.close()
    print(f"\n{damaged.report(name, run)}")
    faults = [outcome for outcome in run if outcome.kind not in ("read", "refused")]
    assert not faults, faults[:20]
