"""Who is compared, refused or left out, with fake contenders that write and say what they shall."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.peers import compare as module
from benchmarks.peers import contenders, table
from benchmarks.peers.compare import compare
from benchmarks.peers.contenders import Contender
from benchmarks.peers.job import RESTORE, Job
from benchmarks.peers.processes import Lost
from deblur_jax.errors import UsageError, UserError

RIGHT = np.zeros((1, 16, 16, 3))
REFERENCE = Contender("right", {RESTORE: "right"})


def contender(name: str, *modules: str) -> Contender:
    return Contender(name, {RESTORE: name}, modules=modules)


class Stage:
    """Starts fakes and writes down what happens to them."""

    def __init__(
        self,
        seconds: dict[str, float],
        *,
        off: dict[str, float] | None = None,
        failing: tuple[str, ...] = (),
        dying: tuple[str, ...] = (),
        unfinished: tuple[str, ...] = (),
    ) -> None:
        self.seconds, self.off, self.failing = seconds, {"right": 0.0} | (off or {}), failing
        self.dying, self.unfinished = dying, unfinished
        self.events: list[str] = []

    def launch(self, contender: Contender, job: Job) -> "Fake":
        self.events.append(f"launch {contender.name}")
        return Fake(self, contender.name, job)

    def of(self, kind: str) -> list[str]:
        return [event.split()[1] for event in self.events if event.startswith(kind)]


class Fake:
    def __init__(self, stage: Stage, name: str, job: Job) -> None:
        self._stage, self._name, self._job = stage, name, job

    def ready(self) -> dict[str, Any]:
        self._stage.events.append(f"ready {self._name}")
        if self._name in self._stage.failing:
            raise Lost(f"{self._name} failed")
        off = self._stage.off.get(self._name, 1e-6)
        np.savez(self._job.outputs(self._name), picture=RIGHT + off)
        return {"load_s": 1.0, "compile_s": 2.0, "versions": {self._name: "1"}}

    def call(self) -> None:
        self._stage.events.append(f"call {self._name}")

    def time(self) -> float:
        self._stage.events.append(f"time {self._name}")
        if self._name in self._stage.dying:
            raise Lost(f"{self._name} died")
        return self._stage.seconds[self._name]

    def finish(self) -> float:
        self._stage.events.append(f"finish {self._name}")
        if self._name in self._stage.unfinished:
            raise Lost(f"{self._name} never finished")
        return 100.0

    def kill(self) -> None:
        self._stage.events.append(f"kill {self._name}")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path, RESTORE, "configs/paper.py", None, 16, 16, 2)


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "reference", lambda part: REFERENCE)


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(job: Job, rng: np.random.Generator) -> Run:
    def run(stage: Stage, *names: Contender, count: int = 3) -> dict[str, Any]:
        return compare(job, names, count, rng, launch=stage.launch, pause=lambda: None)

    return run


def test_all_are_checked_before_anything_is_timed(run: Run) -> None:
    stage = Stage({"jax": 1.0, "torch": 2.0, "openvino": 0.5})
    found = run(stage, *map(contender, ("jax", "torch", "openvino")), count=4)
    # One after the other; the reference is gone when the others start.
    start = ["launch right", "ready right", "kill right"]
    for name in ("jax", "torch", "openvino"):
        start += [f"launch {name}", f"ready {name}"]
    assert stage.events[: len(start)] == start
    for name in ("jax", "torch", "openvino"):
        assert stage.of("time").count(name) == stage.of("call").count(name) == 4
        assert stage.of("finish").count(name) == 1 and name in stage.of("kill")
    assert found["reference"] == "right" and found["untimed_calls"] == 1
    assert found["rounds"] == len(found["order"]) == 4
    entry = found["contenders"]["torch"]
    assert entry["status"] == "timed" and entry["why"] is None
    assert entry["errors"] == {"picture": pytest.approx(1e-6)}
    assert entry["largest_error"] == entry["errors"]["picture"]
    assert (entry["load_s"], entry["compile_s"], entry["versions"]) == (1.0, 2.0, {"torch": "1"})
    assert (entry["median_s"], entry["p10_s"], entry["p90_s"], entry["runs"]) == (2, 2, 2, 4)
    assert entry["seconds"] == [2.0] * 4 and entry["peak_rss_mb"] == 100.0
    assert found["fastest_peer"] == "openvino"
    assert found["ratio_to_fastest_peer"] == {"median": 2, "p10": 2, "p90": 2}
    assert found["ratios"]["openvino"]["torch"]["median"] == 0.25


def test_this_project_is_nobody_s_peer(run: Run) -> None:
    stage = Stage({"jax": 1.0, "jax-plain": 0.25, "torch": 2.0})
    found = run(stage, *map(contender, ("jax", "jax-plain", "torch")))
    assert found["fastest_peer"] == "torch" and found["ratio_to_fastest_peer"]["median"] == 0.5
    alone = run(Stage({"jax": 1.0}), contender("jax"))
    assert alone["fastest_peer"] is alone["ratio_to_fastest_peer"] is None
    assert alone["ratios"] == {"jax": {}}
    without = run(Stage({"torch": 1.0}), contender("torch"))
    assert without["fastest_peer"] == "torch" and without["ratio_to_fastest_peer"] is None


def test_what_is_not_installed_is_named_and_never_started(run: Run) -> None:
    stage = Stage({"jax": 1.0})
    lacking = contender("openvino", "json", "no_such_library", "nor_this")
    found = run(stage, lacking, contender("jax"), contender("one", "nor_this"))
    why = "no_such_library and nor_this are not installed"
    assert found["contenders"]["openvino"] == {"status": "missing", "why": why}
    assert found["contenders"]["one"]["why"] == "nor_this is not installed"
    assert list(found["contenders"]) == ["openvino", "jax", "one"]
    assert "openvino" not in stage.of("launch")


@pytest.mark.parametrize("off", [0.02, np.nan])
def test_other_values_are_refused_and_not_timed(off: float, run: Run) -> None:
    stage = Stage({"jax": 1.0, "torch": 0.1}, off={"torch": off})
    found = run(stage, contender("torch"), contender("jax"))
    entry = found["contenders"]["torch"]
    assert entry["status"] == "refused" and "computes something else" in entry["why"]
    known = None if np.isnan(off) else off
    assert entry["errors"] == {"picture": known} and entry["largest_error"] == known
    assert "torch" not in stage.of("time") and "torch" in stage.of("kill")
    assert "median_s" not in entry and found["fastest_peer"] is None
    assert all(order == ["jax"] for order in found["order"])


@pytest.mark.parametrize("how", ["failing", "dying", "unfinished"])
def test_a_contender_that_fails_at_any_time_spoils_nobody_else_s(how: str, run: Run) -> None:
    stage = Stage({"jax": 1.0, "torch": 2.0, "openvino": 3.0}, **{how: ("torch",)})
    found = run(stage, *map(contender, ("torch", "jax", "openvino")))
    entry = found["contenders"]["torch"]
    assert entry["status"] == "failed" and entry["why"].startswith("torch ")
    assert "median_s" not in entry and "torch" in stage.of("kill")
    assert set(found["ratios"]) == {"jax", "openvino"} and found["fastest_peer"] == "openvino"


@pytest.mark.parametrize(
    ("stage", "word"),
    [
        (Stage({}, failing=("right",)), "nothing to compare with: right failed"),
        (Stage({}, failing=("jax",)), "no contender could be timed: jax failed"),
        (Stage({"jax": 1.0}, off={"jax": 1.0}), "no contender could be timed: jax computes"),
        (Stage({"jax": 1.0}, dying=("jax",)), "no contender could be timed: jax died"),
    ],
)
def test_nothing_to_time_is_an_error(stage: Stage, word: str, run: Run) -> None:
    with pytest.raises(UserError, match=word):
        run(stage, contender("jax"))
    assert set(stage.of("launch")) <= set(stage.of("kill"))


def test_without_a_reference_errors_are_not_known(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contenders, "reference", lambda part: None)
    found = run(Stage({"jax": 1.0}), contender("jax"))
    assert found["reference"] is None and "errors" not in found["contenders"]["jax"]
    assert found["contenders"]["jax"]["status"] == "timed"


def test_whatever_happens_all_processes_end(job: Job, rng: np.random.Generator) -> None:
    stage = Stage({"jax": 1.0})

    def pause() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(job, [contender("jax")], 3, rng, launch=stage.launch, pause=pause)
    assert stage.of("kill") == ["right", "jax"]


def test_a_training_step_is_called_once_a_turn(job: Job, rng: np.random.Generator) -> None:
    step = Job(**vars(job) | {"part": "step"})
    stage = Stage({"jax": 1.0})
    found = module.compare(
        step, [contender("jax")], 2, rng, launch=stage.launch, pause=lambda: None
    )
    assert found["untimed_calls"] == 0 and stage.of("call") == []


def test_the_table_tells_everything_that_happened(run: Run) -> None:
    stage = Stage({"jax": 1.0, "torch": 2.0}, off={"onnxruntime": 1.0}, failing=("x",))
    names = [*map(contender, ("jax", "torch", "onnxruntime", "x")), contender("y", "no_such")]
    found = run(stage, *names) | {
        "config": "small.py", "parameters": 1_230_000, "part": "restore", "device": "a machine",
        "height": 16, "width": 24, "threads": 2,
    }  # fmt: skip
    printed = table.sentences(found)
    rows = [line.split() for line in printed.splitlines()[3:8]]
    assert [row[0] for row in rows] == ["jax", "torch", "onnxruntime", "x", "y"]
    assert rows[0][1:4] == ["1000", "1000–1000", "1.0e-06"]  # no ratio to itself
    assert rows[1][1:] == ["2000", "2000–2000", "0.50", "1.0e-06", "100", "1.0", "2.0"]
    assert [row[1:] for row in rows[2:]] == [["refused"], ["failed"], ["missing"]]
    for words in (
        "small.py, 1.23 M parameters, one pass at 24x16, on a machine, 2 threads; 3 rounds",
        "errors are against right", "x failed", "no_such is not installed",
        "onnxruntime computes something else",
        "jax takes 0.50 of the time of torch, the fastest peer",
    ):  # fmt: skip
        assert words in printed
    alone = found | {"ratio_to_fastest_peer": None}
    assert table.sentences(alone).endswith("the fastest peer is torch")
    assert table.sentences(alone | {"fastest_peer": None}).endswith("no peer was timed")
    unknown = table.sentences(found | {"reference": None})
    assert "values were not compared" in unknown


def test_contenders_are_chosen_by_name_and_part() -> None:
    every = [each.name for each in contenders.chosen(None, RESTORE)]
    assert every == ["jax", "jax-plain", "torch", "torch-compile", "onnxruntime", "openvino"]
    assert [c.name for c in contenders.chosen(None, "step")] == ["jax", "jax-plain", "torch"]
    assert [c.name for c in contenders.chosen("torch, jax", RESTORE)] == ["torch", "jax"]
    for names, part, word in (
        ("caffe", RESTORE, "'caffe' does not exist; there are jax, jax-plain"),
        ("openvino", "penalty", "'openvino' cannot train"),
        ("jax,jax", RESTORE, "twice"),
        ("", RESTORE, "'' does not exist"),
    ):
        with pytest.raises(UsageError, match=word):
            contenders.chosen(names, part)


def test_the_reference_is_float64_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for installed, restore, step in (
        (True, "torch-float64", "torch-float64"),
        (False, "jax-float64", None),
    ):
        lacking = lambda self, installed=installed: [] if installed else list(self.modules)  # noqa: E731
        monkeypatch.setattr(Contender, "lacking", lacking)
        found = [contenders.reference(part) for part in (RESTORE, "step")]
        assert [each and each.name for each in found] == [restore, step]
