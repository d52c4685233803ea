"""A contender's process: loads, compiles, warms up, then makes one call for each line it reads.

    python -m benchmarks.peers.worker FOLDER NAME

Started by `processes`. Answers are JSON, a line each, on what was standard output; whatever a
library prints goes to standard error.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.peers import contenders
from benchmarks.peers.contenders import Contender
from benchmarks.peers.engines import engine
from benchmarks.peers.job import Job

WARMUPS = 2  # calls after the first one
# What the parent can ask for: a call without and with its time, and the end.
CALL, TIME, FINISH = "call", "time", "finish"
_STATUS = Path("/proc/self/status")


def serve(
    job: Job,
    contender: Contender,
    commands: TextIO,
    answer: Callable[[dict[str, Any]], None],
    *,
    start: Callable[[Contender, Job], engine.Engine] = engine.start,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Runs a contender until it is told to finish, or its parent is gone.

    Args:
      job: what to do.
      contender: with which library.
      commands: one a line.
      answer: takes each answer: first `load_s`, `compile_s` and `versions`, or `failed` with a
        reason; then `seconds` of each call to be timed, and {} of each other; last `peak_rss_mb`.
      start: loads the network.
      clock: gives seconds.
    """
    try:
        began = clock()
        loaded = start(contender, job)
        ready = clock()
        loaded.compile()
        result = loaded.call()
        compiled = clock()
        np.savez(job.outputs(contender.name), **loaded.outputs(result))  # type: ignore[arg-type]
        for _ in range(WARMUPS):
            loaded.call()
        versions = engine.versions(loaded)
    except Exception as error:  # any library's own
        answer({"failed": " ".join(f"{type(error).__name__}: {error}".split())[:300]})
        return
    answer({"load_s": ready - began, "compile_s": compiled - ready, "versions": versions})
    for line in commands:
        if line.strip() == FINISH:
            answer({"peak_rss_mb": peak_rss_mb()})
            return
        before = clock()
        loaded.call()
        seconds = clock() - before
        answer({"seconds": seconds} if line.strip() == TIME else {})


def peak_rss_mb(status: Path = _STATUS) -> float | None:
    """The most megabytes (10^6 bytes) this process has had in memory; None where nobody tells."""
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return None
    kilobytes = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    found = next(kilobytes, None)
    return None if found is None else int(found) * 1024 / 1e6


def main() -> None:
    """The process."""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(
        Job.load(folder),
        contenders.named(name),
        sys.stdin,
        lambda words: print(json.dumps(words), file=channel, flush=True),
    )


if __name__ == "__main__":
    main()
