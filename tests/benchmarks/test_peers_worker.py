"""What a contender's process does with each line, with a fake library and a fake clock."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.peers import worker
from benchmarks.peers.contenders import CONTENDERS, Contender
from benchmarks.peers.engines.engine import Engine
from benchmarks.peers.job import RESTORE, Job

REPOSITORY = Path(worker.__file__).parents[2]
CONTENDER = Contender("fake", {RESTORE: "fake"})


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path, RESTORE, "configs/paper.py", None, 16, 24, 2)


class Library:
    """Loading takes 5 s, compiling 3 s, the n-th call n s."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, 0

    def clock(self) -> float:
        return self.now

    def start(self, contender: Contender, job: Job) -> Engine:
        assert (contender, job.part) == (CONTENDER, RESTORE)
        self.now += 5
        return Engine(("numpy",), self._compile, self._call, lambda n: {"picture": np.array(n)})

    def _compile(self) -> None:
        assert not self.calls
        self.now += 3

    def _call(self) -> int:
        self.calls += 1
        self.now += self.calls
        return self.calls


def answers_of(job: Job, lines: list[str], start: Callable[..., Any], clock: Any) -> list[dict]:
    answers: list[dict] = []
    commands = io.StringIO("".join(f"{line}\n" for line in lines))
    worker.serve(job, CONTENDER, commands, answers.append, start=start, clock=clock)
    return answers


def test_each_line_is_one_call(job: Job) -> None:
    library = Library()
    lines = [worker.CALL, worker.TIME, worker.TIME, worker.FINISH, worker.TIME]
    answers = answers_of(job, lines, library.start, library.clock)
    before = 1 + worker.WARMUPS
    assert library.calls == before + 3  # none after the end
    assert answers[0] == {"load_s": 5, "compile_s": 3 + 1, "versions": {"numpy": np.__version__}}
    assert answers[1:4] == [{}, {"seconds": before + 2}, {"seconds": before + 3}]
    assert answers[4] == {"peak_rss_mb": worker.peak_rss_mb()} and len(answers) == 5
    with np.load(job.outputs("fake")) as outputs:
        assert outputs["picture"] == 1  # the first call's


def test_a_parent_that_is_gone_ends_it(job: Job) -> None:
    library = Library()
    assert len(answers_of(job, [], library.start, library.clock)) == 1


@pytest.mark.parametrize("error", [ImportError("no such library"), RuntimeError("a\n  b")])
def test_what_a_library_raises_is_one_sentence(job: Job, error: Exception) -> None:
    def start(*_: Any) -> Engine:
        raise error

    (answer,) = answers_of(job, [worker.TIME], start, lambda: 0.0)
    words = " ".join(str(error).split())
    assert answer == {"failed": f"{type(error).__name__}: {words}"}


def test_the_peak_is_the_system_s_high_water_mark(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\n")
    assert worker.peak_rss_mb(status) == pytest.approx(2.048)
    status.write_text("Name:\tpython\n")
    assert worker.peak_rss_mb(status) is None
    assert worker.peak_rss_mb(tmp_path / "none") is None


def test_a_peer_s_process_holds_no_library_but_its_own() -> None:
    others = "('jax', 'flax', 'torch', 'onnx', 'onnxruntime', 'openvino', 'tensorflow')"
    script = (
        "import sys, benchmarks.peers.worker, benchmarks.peers.materials\n"
        f"print([name for name in {others} if name in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_every_contender_has_its_modules() -> None:
    folder = REPOSITORY / "benchmarks" / "peers" / "engines"
    for contender in CONTENDERS.values():
        for module in contender.engines.values():
            assert (folder / f"{module}.py").is_file()
