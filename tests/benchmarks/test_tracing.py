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


def write_trace(folder: Path, stamp: str, events: list[dict]) -> None:
    place = folder / "plugins" / "profile" / stamp
    place.mkdir(parents=True)
    text = json.dumps({"traceEvents": events}).encode()
    (place / "host.trace.json.gz").write_bytes(gzip.compress(text))


def names(pid: int, process: str, **lines: str) -> list[dict]:
    found = [{"ph": "M", "name": "process_name", "pid": pid, "args": {"name": process}}]
    for tid, name in lines.items():
        about = {"ph": "M", "name": "thread_name", "pid": pid, "tid": int(tid[1:])}
        found.append(about | {"args": {"name": name}})
    return found


def work(pid: int, tid: int, *spans: tuple[float, float]) -> list[dict]:
    return [
        {"ph": "X", "pid": pid, "tid": tid, "ts": begin, "dur": end - begin, "name": "kernel"}
        for begin, end in spans
    ]


def test_calls_that_follow_each_other_are_waited_for_at_the_end(tmp_path: Path) -> None:
    events: list[str] = []

    def call() -> Pending:
        events.append("call")
        return Pending(events)

    tracing.record(call, tmp_path, apart=False)
    assert events == ["call"] * tracing.CALLS + ["ready"]


def test_a_device_waits_where_none_of_its_streams_works(tmp_path: Path) -> None:
    device = names(1, "/device:GPU:0", t3="Stream #13(Compute)", t4="Stream #14", t5="XLA Modules")
    other = names(2, "/device:GPU:1", t3="Stream #13(Compute)")
    host = names(7, "/host:CPU", t3="Stream of thoughts")
    events = [
        *device, *other, *host,
        # From 10 to 110: 20 to 30 and 60 to 70 belong to nobody. Streams overlap, a line of
        # modules spans all of it, and the host works before and after.
        *work(1, 3, (30, 50), (10, 20), (40, 60)), *work(1, 4, (35, 38), (70, 110)),
        *work(1, 5, (10, 110)), *work(2, 3, (0, 30), (40, 100)), *work(7, 3, (0, 500)),
        {"ph": "i", "pid": 1, "tid": 3, "ts": 25, "name": "mark"},
    ]  # fmt: skip
    write_trace(tmp_path, "2026_01_01", work(1, 3, (0, 1), (9, 10)))
    write_trace(tmp_path, "2026_01_02", events)
    assert tracing.wait_share(tmp_path) == pytest.approx((0.2 + 0.1) / 2)


def test_no_accelerator_no_share(tmp_path: Path) -> None:
    assert tracing.wait_share(tmp_path) is None
    cpu = names(1, "/host:CPU", t3="Stream") + names(2, "/device:CPU:0", t3="XLA Ops")
    write_trace(tmp_path, "a", [*cpu, *work(1, 3, (0, 5)), *work(2, 3, (0, 5), (6, 7))])
    assert tracing.wait_share(tmp_path) is None
    alone = [*names(1, "/device:TPU:0", t3="XLA Ops"), *work(1, 3, (5, 5))]
    write_trace(tmp_path, "b", alone)
    assert tracing.wait_share(tmp_path) is None
