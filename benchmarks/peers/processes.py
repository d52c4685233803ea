"""A contender's process as its parent sees it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import worker
from benchmarks.peers.contenders import Contender
from benchmarks.peers.job import Job

_REPOSITORY = Path(__file__).resolve().parents[2]
# Each library has its own word for how many threads it may use.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC")


class Lost(Exception):
    """A contender that is of no more use; the message is a sentence that says why."""


class Process:
    """A contender in a process of its own, started by this."""

    def __init__(self, contender: Contender, job: Job) -> None:
        self._name = contender.name
        self._log = job.folder / f"{contender.name}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.peers.worker", str(job.folder), contender.name],
                env=environment(contender, job.threads),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ready(self) -> dict[str, Any]:
        """Waits until it has loaded, compiled and warmed up: `load_s`, `compile_s`, `versions`.

        Raises:
          Lost: it could not.
        """
        answer = self._answer()
        if "failed" in answer:
            raise Lost(f"{self._name} failed ({answer['failed']})")
        return answer

    def call(self) -> None:
        """One call that is not timed. Raises as `ready`."""
        self._ask(worker.CALL)

    def time(self) -> float:
        """Seconds of one call. Raises as `ready`."""
        return self._ask(worker.TIME)["seconds"]

    def finish(self) -> float | None:
        """Ends the process; the most megabytes that it had in memory. Raises as `ready`."""
        answer = self._ask(worker.FINISH)
        self.kill()
        return answer["peak_rss_mb"]

    def kill(self) -> None:
        """Ends the process whatever it does, if it is still there."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            print(command, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._ended() from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> Lost:
        code = self._process.wait()
        lines = self._log.read_text(errors="replace").strip().splitlines()
        last = f"; its last words: {lines[-1].strip()[:200]}" if lines else ""
        return Lost(f"the process of {self._name} ended by itself (exit code {code}{last})")


def environment(contender: Contender, threads: int) -> dict[str, str]:
    """The variables of a contender's process: this one's, and the CPU alone to compute on."""
    paths = [str(_REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        **dict.fromkeys(_THREADS, str(threads)),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        **contender.environment,
    }
