"""What a time depends on besides the program: device, versions, date, load, memory."""

import datetime
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jax

from deblur_jax.evaluation.device import device_name
from deblur_jax.training.writers import versions

MEGABYTE = 1e6  # bytes
COMMIT_VARIABLE = "DEBLUR_JAX_COMMIT"  # of a copy that left .git behind
_REPOSITORY = Path(__file__).resolve().parents[1]


def describe() -> dict[str, Any]:
    """`device`, `device_count`, `versions`, `commit`, `date` (UTC) and `load_before`.

    `load_before` is the number of processes that ran or waited during the last minute, None where
    the system does not tell: a time taken on a busy machine should say so.
    """
    try:
        load: float | None = os.getloadavg()[0]
    except (AttributeError, OSError):
        load = None
    return {
        "device": device_name(),
        "device_count": jax.device_count(),
        "versions": versions(),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_before": load,
    }


def tag(device: str) -> str:
    """The device in a file's name: `cpu2` for two cores of any processor, `h200`, `tpu-v4`."""
    platform, _, kind = device.partition(": ")
    if platform == "cpu":
        cores = re.search(r"\((\d+) cores?\)", kind)
        return f"cpu{cores[1]}" if cores else "cpu"
    words = [word for word in re.findall(r"[a-z0-9.]+", kind.lower()) if word != "nvidia"]
    return "-".join(words) or platform.lower()


def commit(folder: Path = _REPOSITORY) -> str | None:
    """The checkout's commit, ending in `-dirty` where tracked files differ from it.

    Outside git it is what the environment's DEBLUR_JAX_COMMIT says, None without it.
    """
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(describe, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get(COMMIT_VARIABLE) or None
    return found.stdout.strip()


def program_memory_mb(program: Any) -> float | None:
    """Megabytes (10^6 bytes) that a compiled program needs at once by XLA's own plan.

    Arguments (parameters among them), result and temporaries; what a library takes beside the plan
    while it computes is not in it. None where the backend does not tell.
    """
    plan = program.memory_analysis()
    if plan is None:
        return None
    planned = plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes
    return (planned - plan.alias_size_in_bytes) / MEGABYTE


def allocator_peak_mb() -> float | None:
    """The most megabytes that JAX held on one device since the process began; None on CPUs.

    Compiling is in it, as an accelerator tries algorithms out then.
    """
    peaks = [(device.memory_stats() or {}).get("peak_bytes_in_use") for device in jax.devices()]
    known = [peak for peak in peaks if peak is not None]
    return max(known) / MEGABYTE if known else None
