"""Traces of what a device does during a call, by `jax.profiler`.

`--profile DIR` writes one below DIR/plugins/profile/. To open it:

- in TensorBoard: `pip install tensorboard xprof`, `tensorboard --logdir DIR`, its Profile page;
- in Perfetto: load the `*.trace.json.gz` at https://ui.perfetto.dev.

Each call is a step of that number. Calls under the profiler are slower: they come after the timed
ones and are not among them.

`wait_share` reads of a trace in how much of the time the accelerator had nothing to do.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from deblur_jax import atomic
from deblur_jax.errors import UserError

CALLS = 3  # more show nothing new and make the trace large
# The lines of a device in a trace on which its work lies: a GPU's streams, a TPU's operations.
# Others repeat it by module, step or line of the source.
_WORK = ("Stream", "XLA Ops")


def refuse_unwritable(folder: Path) -> None:
    """Makes the folder of a trace; UserError, before the measuring, where none can be written."""
    atomic.refuse_unwritable(folder / "plugins")


def record(call: Callable[[], Any], folder: Path, *, apart: bool = True) -> None:
    """Writes a trace of `CALLS` calls, all to the end of the device's work.

    Args:
      call: gives any tree of arrays; compiled and warmed up.
      folder: that `refuse_unwritable` has passed. Earlier traces in it stay.
      apart: waits for each call before the next; else they are started one behind the other, as
        training starts its steps.

    Raises:
      UserError: the trace cannot be written.
    """
    try:
        with jax.profiler.trace(folder):
            for number in range(CALLS):
                with jax.profiler.StepTraceAnnotation("call", step_num=number):
                    result = call()
                    if apart or number == CALLS - 1:
                        jax.block_until_ready(result)
    except (OSError, RuntimeError) as error:  # JAX's errors are of both kinds
        raise UserError(f"no trace was written to {folder}: {atomic.reason(error)}") from error


def wait_share(folder: Path) -> float | None:
    """In how much of the time an accelerator waited, by the newest trace in a folder.

    Returns:
      The share, 0 to 1, of the time from the beginning of a device's first work in the trace to
      the end of its last in which none of its streams had any; the mean of the devices. None where
      the trace has no accelerator's work, as on a CPU, or there is no trace.
    """
    traces = sorted(folder.glob("plugins/profile/*/*.trace.json.gz"))
    if not traces:
        return None
    events = json.loads(gzip.decompress(traces[-1].read_bytes()))["traceEvents"]
    named = {
        (event["name"], event["pid"], event.get("tid")): event["args"]["name"]
        for event in events
        if event.get("ph") == "M" and event["name"] in ("process_name", "thread_name")
    }
    devices = {
        pid
        for (kind, pid, _), name in named.items()
        if kind == "process_name" and name.startswith("/device:") and "CPU" not in name
    }
    lines = {
        (pid, tid)
        for (kind, pid, tid), name in named.items()
        if kind == "thread_name" and pid in devices and name.startswith(_WORK)
    }
    work: dict[int, list[tuple[float, float]]] = {}
    for event in events:
        if event.get("ph") == "X" and (event["pid"], event["tid"]) in lines:
            end = event["ts"] + event.get("dur", 0.0)
            work.setdefault(event["pid"], []).append((event["ts"], end))
    shares = [share for spans in work.values() if (share := _idle(spans)) is not None]
    return sum(shares) / len(shares) if shares else None


def _idle(spans: list[tuple[float, float]]) -> float | None:
    """The share of the time from the first begin to the last end that no span covers."""
    spans = sorted(spans)
    reached = first = spans[0][0]
    idle = 0.0
    for begin, end in spans:
        idle += max(0.0, begin - reached)
        reached = max(reached, end)
    return idle / (reached - first) if reached > first else None
