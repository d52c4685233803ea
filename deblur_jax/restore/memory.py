"""How much memory restoring may take, and how much it needs."""

import re
from pathlib import Path

import jax

from deblur_jax import models
from deblur_jax.errors import UsageError

UNKNOWN_MEMORY = 16 * 2**30  # where a machine does not tell
# Share of the free memory that is taken unless the user says how much.
SHARE = 0.5
# Tiling an exact network costs only the margins, so memory is kept low for it on any machine.
EXACT_BUDGET = 4 * 2**30
LEAST = 2**28  # no network restores anything in less
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
# What a group of processes may take and takes, in the two versions of Linux's control groups.
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def parse_memory(text: str | int | None) -> int | None:
    """Bytes from a number with or without K, M, G or T (of 1024); None for None.

    Raises:
      UsageError: what is no such number, or less than 256M.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", str(text).strip(), re.IGNORECASE)
    if match is None:
        raise UsageError(f"{text!r} is no amount of memory; write 4G or 800M, for instance")
    size = int(float(match[1]) * _UNITS[match[2].upper()])
    if size < LEAST:
        raise UsageError(f"{text} of memory is too little; 256M is the least")
    return size


def free_memory() -> int:
    """Bytes of memory that this process may still take, as far as the machine tells."""
    free = UNKNOWN_MEMORY
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    for limit, usage in _GROUPS:
        try:
            left = int(Path(limit).read_text()) - int(Path(usage).read_text())
        except (OSError, ValueError):  # no such group, or 'max'
            continue
        free = min(free, max(left, 0))
    return free


def free_on(device: jax.Device) -> int:
    """Bytes that restoring may take on a device."""
    if device.platform == "cpu":
        return free_memory()
    return int((device.memory_stats() or {}).get("bytes_limit", UNKNOWN_MEMORY))


def budget(device: jax.Device, most: int | None, *, exact: bool) -> int:
    """Bytes that the work on one picture may take.

    Args:
      device: where it is restored.
      most: what the user said, or None.
      exact: whether tiles give what the whole picture gives.
    """
    if most is not None:
        return most
    share = int(SHARE * free_on(device))
    return max(min(share, EXACT_BUDGET) if exact else share, LEAST)


def bytes_per_pixel(config: models.GeneratorConfig) -> int:
    """Memory that restoring takes, a pixel of the picture: twice what was measured.

    At width 64 on a CPU (jax 0.10.2, float32) the paper's network takes 550 bytes a pixel,
    `unshuffle`, which works at a sixteenth of the pixels, 116, and `nafnet`, which works at a
    quarter of them, 390 (two cores of Zen 5, 2026-11-27); all grow with the width.
    """
    return 64 + {"resnet": 16, "unshuffle": 3, "nafnet": 12}[config.generator] * config.width
