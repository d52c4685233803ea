"""What the program runs on, in words: a time without its device says nothing."""

import os
from pathlib import Path

import jax

CPUINFO = Path("/proc/cpuinfo")


def device_name() -> str:
    """JAX's default device, such as `gpu: NVIDIA H200` or `cpu: AMD EPYC 7763 (2 cores)`."""
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
    """The processor's model where the system tells it, else an empty string."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line[:10] == "model name"), "")
