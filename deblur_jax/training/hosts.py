"""Several processes that train together: how they meet, which one writes, what they agree on.

JAX's distributed runtime does the work. Each process feeds and drives its own devices; whatever
depends on one host's clock or on a signal that one host got is agreed on before it is acted upon,
as processes that do not run the same programs in the same order wait for each other for ever.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deblur_jax.errors import UsageError, UserError

# Variables by which a launcher says how many processes it started; JAX reads the rest itself.
_LAUNCHERS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")


def join(coordinator: str = "", processes: int = 0, process_id: int = -1) -> None:
    """Joins the other processes, before JAX looks for devices; alone it does nothing.

    Args:
      coordinator: `host:port` of the first process, the same for all; empty lets JAX find SLURM,
        Open MPI and TPU slices by itself.
      processes: how many there are.
      process_id: this one's number, from 0 on.

    Raises:
      UsageError: the three are not given together.
      UserError: the others do not answer.
    """
    given = (bool(coordinator), processes > 0, process_id >= 0)
    if any(given) and not all(given):
        raise UsageError("--coordinator, --processes and --process-id are given together")
    if any(given) and not process_id < processes:
        raise UsageError(
            f"--process-id is {process_id}; of {processes} it can be 0 to {processes - 1}"
        )
    if not any(given) and not _launched():
        return
    named: dict[str, Any] = {}
    if all(given):
        named = {
            "coordinator_address": coordinator,
            "num_processes": processes,
            "process_id": process_id,
        }
    try:
        jax.distributed.initialize(**named)
    except (RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(
            f"cannot join the other processes{f' at {coordinator}' if coordinator else ''}: {text}"
        ) from error


def _launched() -> bool:
    """Whether a launcher started several processes, or this is a host of a TPU slice."""
    if any(os.environ.get(name, "1") not in ("", "1") for name in _LAUNCHERS):
        return True
    if "," in os.environ.get("TPU_WORKER_HOSTNAMES", ""):
        return True
    # A TPU virtual machine: the slice's other hosts are in its metadata, which JAX asks for.
    return Path("/dev/accel0").exists() and "TPU_SKIP_MDS_QUERY" not in os.environ


def check_mode(mode: str) -> None:
    """Raises a UsageError where several processes are to do what is one process' work."""
    if jax.distributed.is_initialized() and jax.process_count() > 1 and mode != "train":
        raise UsageError(
            f"several processes train together; --mode={mode} is for one, without the others"
        )


def first() -> bool:
    """Whether this process is the one that writes logs and pictures."""
    return jax.process_index() == 0


def largest(values: Sequence[float]) -> list[float]:
    """The largest of each value over all processes; each calls this at the same step."""
    if jax.process_count() == 1:
        return list(values)
    from jax.experimental import multihost_utils

    gathered = multihost_utils.process_allgather(np.array(values, np.float32))
    return [float(value) for value in np.asarray(gathered).reshape(-1, len(values)).max(0)]


def together(values: np.ndarray) -> np.ndarray:
    """The sum of an array over all processes, float64; each calls this at the same step."""
    if jax.process_count() == 1:
        return values
    from jax.experimental import multihost_utils

    # As pairs of float32, for JAX has no float64 unless it is told to.
    high = values.astype(np.float32)
    both = np.stack([high, (values - high).astype(np.float32)])
    gathered = multihost_utils.process_allgather(both)
    return np.asarray(gathered, np.float64).reshape(-1, *both.shape).sum((0, 1))
