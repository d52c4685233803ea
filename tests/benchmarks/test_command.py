"""What the benchmarks' command lines share."""

import argparse

import pytest

from benchmarks import command


@pytest.mark.parametrize(("argv", "times"), [(None, 1), ([], 0)])
def test_only_a_process_of_its_own_starts_again_with_huge_pages(
    argv: list[str] | None, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[None] = []
    monkeypatch.setattr(command, "start_again_with_huge_pages", lambda: started.append(None))
    monkeypatch.setattr("sys.argv", ["benchmark"])
    assert command.guarded(argparse.ArgumentParser(), argv, lambda _: 0) == 0
    assert len(started) == times
