"""A trace is of so many finished calls, and where it cannot be written one sentence says so."""

import gzip
import json
from pathlib import Path

import jax
import pytest

from benchmarks import tracing
from deblur_jax.errors import UserError


class Pending:
    """A result that notes when it has been waited for."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def block_until_ready(self) -> "Pending":
        self._events.append("ready")
        return self


def test_each_call_is_a_finished_step_of_the_trace(tmp_path: Path) -> None:
    events: list[str] = []

    def call() -> Pending:
        events.append("call")
        return Pending(events)

    tracing.refuse_unwritable(tmp_path / "deep" / "trace")
    tracing.record(call, tmp_path / "deep" / "trace")
    assert events == ["call", "ready"] * tracing.CALLS
    (path,) = (tmp_path / "deep" / "trace").glob("plugins/profile/*/*.trace.json.gz")
    marks = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    numbers = [mark["args"]["step_num"] for mark in marks if mark.get("name") == "call"]
    assert sorted(map(int, numbers)) == list(range(tracing.CALLS))


def test_a_folder_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="a file is where a folder should be"):
            tracing.refuse_unwritable(folder)

    def full(*_: object) -> None:
        raise jax.errors.JaxRuntimeError("no space left\n on the device")

    monkeypatch.setattr(jax.profiler, "trace", full)
    with pytest.raises(UserError, match=r"no trace was written to .*: no space left on the device"):
        tracing.record(lambda: 1, tmp_path)
