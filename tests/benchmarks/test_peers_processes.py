"""Processes as their parent sees them: variables, and what is left of one that ended."""

import os
from pathlib import Path

import pytest

from benchmarks.peers import processes
from benchmarks.peers.contenders import CONTENDERS, PLAIN_VARIABLE, Contender
from benchmarks.peers.job import RESTORE, Job
from benchmarks.peers.processes import Lost, Process
from deblur_jax.fast import choice


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job(tmp_path, RESTORE, "no/such.py", None, 16, 16, 2)
    job.save()
    return job


def test_a_job_survives_its_file(job: Job) -> None:
    assert Job.load(job.folder) == job


def test_all_get_the_same_threads_and_the_cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv(PLAIN_VARIABLE, "1")
    for contender in CONTENDERS.values():
        found = processes.environment(contender, 3)
        assert {found[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")} == {"3"}
        assert found["JAX_PLATFORMS"] == "cpu" and found["CUDA_VISIBLE_DEVICES"] == ""
        assert found["PYTHONPATH"].split(os.pathsep)[1:] == ["/elsewhere"]
        assert found["PATH"] == os.environ["PATH"]
    assert processes.environment(CONTENDERS["torch"], 1)["OMP_WAIT_POLICY"] == "PASSIVE"
    plain = {
        n: processes.environment(CONTENDERS[n], 1)[PLAIN_VARIABLE] for n in ("jax", "jax-plain")
    }
    assert plain == {"jax": "0", "jax-plain": "1"} and PLAIN_VARIABLE == choice.PLAIN_VARIABLE


def test_a_library_that_fails_says_so(job: Job) -> None:
    process = Process(CONTENDERS["jax"], job)
    with pytest.raises(Lost, match=r"jax failed \(UsageError: .*no/such.py"):
        process.ready()
    process.kill()


def test_a_process_that_dies_leaves_its_last_words(job: Job) -> None:
    process = Process(Contender("nobody", {RESTORE: "nothing"}), job)
    with pytest.raises(Lost, match=r"process of nobody ended by itself \(exit code 1.*KeyError"):
        process.ready()
    with pytest.raises(Lost, match="ended by itself"):
        process.time()
    process.kill()


def test_a_killed_process_is_gone_and_may_be_killed_again(job: Job) -> None:
    process = Process(CONTENDERS["jax"], job)
    process.kill()
    process.kill()
    assert process._process.returncode
