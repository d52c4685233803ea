"""Runs of `main.py` in processes of their own, small enough to be killed and started again."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def write_pairs(folder: Path, count: int) -> None:
    """Writes pairs of random pixels, 48x40."""
    rng = np.random.default_rng(0)
    for side in ("blur", "sharp"):
        (folder / side).mkdir()
        for number in range(count):
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / side / f"{number}.png")


def launch(
    workdir: Path, pairs: Path, fields: Mapping[str, Any], *arguments: str, devices: int = 1
) -> subprocess.Popen:
    """Starts `tiny` on a folder of pairs with further fields of its configuration."""
    common = {"data.pairs": pairs, "data.validation": pairs, "data.crop": 32}
    common |= {"model.width": 4, "model.critic_width": 4, "model.blocks": 1}
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    flags += f" --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [
            sys.executable,
            "main.py",
            "--config=configs/tiny.py",
            f"--workdir={workdir}",
            *(f"--config.{name}={value}" for name, value in {**common, **fields}.items()),
            *arguments,
        ],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
