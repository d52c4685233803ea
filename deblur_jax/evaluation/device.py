"""What the program runs on, in words: a time without its device says nothing."""

import os
import re
from pathlib import Path

import jax

CPUINFO = Path("/proc/cpuinfo")


def device_name() -> str:
    """JAX's default device, as `gpu: NVIDIA H200` or `cpu: AMD EPYC 7763 (2 cores)`."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        return f"{device.platform}: {device.device_kind}"
    cores = _usable_cores()
    plural = "" if cores == 1 else "s"
    return f"cpu: {_processor() or device.device_kind} ({cores} core{plural})"


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    """The processor's model where the system tells it, else an empty string.

    A name without a number but its clock's, as virtual machines have it, may be of generations half
    as fast as each other: the family's and the model's numbers stand behind it then.
    """
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in reversed(lines))  # of all cores' lines the first wins
    told = {key.strip(): value.strip() for key, _, value in pairs}
    name = told.get("model name", "")
    family, model = told.get("cpu family"), told.get("model")
    if not name or re.search(r"\d", name.partition("@")[0]) or not (family and model):
        return name
    return f"{name}, family {family}, model {model}"
