"""Amounts of memory: what users write, what the machine has, and what is taken of it."""

from types import SimpleNamespace

import pytest

from deblur_jax.errors import UsageError
from deblur_jax.restore import memory


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("4G", 4 * 2**30),
        ("800m", 800 * 2**20),
        ("1.5 GiB", 3 * 2**29),
        ("300000K", 300_000 * 2**10),
        (2**31, 2**31),
        ("2147483648", 2**31),
    ],
)
def test_amounts(text, expected):
    assert memory.parse_memory(text) == expected


@pytest.mark.parametrize("text", ["", "much", "4X", "-4G", "G", "1e9", "100M", 0, "nan"])
def test_what_is_no_amount_is_named(text):
    with pytest.raises(UsageError, match="memory"):
        memory.parse_memory(text)


def test_free_memory_is_plausible():
    assert 2**20 < memory.free_memory() < 2**50


def test_a_control_group_limits_it(tmp_path, monkeypatch):
    before = memory.free_memory()
    limit, usage = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(memory, "_GROUPS", ((str(limit), str(usage)),))
    usage.write_text("1000\n")
    limit.write_text("max\n")
    assert memory.free_memory() > before / 4
    limit.write_text("5000\n")
    assert memory.free_memory() == 4000
    usage.write_text("9000\n")
    assert memory.free_memory() == 0


def test_what_is_taken_of_it(monkeypatch):
    cpu = SimpleNamespace(platform="cpu")
    card = SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": 60 * 2**30})
    monkeypatch.setattr(memory, "free_memory", lambda: 20 * 2**30)
    assert memory.budget(cpu, None, exact=True) == 4 * 2**30
    assert memory.budget(cpu, None, exact=False) == 10 * 2**30
    assert memory.budget(card, None, exact=False) == 30 * 2**30
    assert memory.budget(cpu, 7 * 2**30, exact=True) == 7 * 2**30
    monkeypatch.setattr(memory, "free_memory", lambda: 2**30)
    assert memory.budget(cpu, None, exact=True) == 2**29
    monkeypatch.setattr(memory, "free_memory", lambda: 0)
    assert memory.budget(cpu, None, exact=False) == memory.LEAST
