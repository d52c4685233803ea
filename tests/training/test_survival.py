"""Runs that are killed, and disks and numbers that fail: what is printed and what is kept.

`DEBLUR_JAX_KILLS` is how often the run of `tiny` is killed, 4 if it is not given.
"""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import jax
import launched
import numpy as np
import pytest

from deblur_jax.weights.checkpoints import Checkpoints

KILLS = int(os.environ.get("DEBLUR_JAX_KILLS", "4"))
STEPS = 150 * KILLS


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    launched.write_pairs(folder, 4)
    return folder


def start(workdir: Path, pairs: Path, *arguments: str, **train: Any) -> subprocess.Popen:
    fields = {f"train.{name}": value for name, value in train.items()}
    return launched.launch(workdir, pairs, fields, *arguments)


def finish(process: subprocess.Popen) -> tuple[str, str]:
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    return out, error


def lines(workdir: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in r.items() if not k.startswith("time/")} for r in records]


def arrays(workdir: Path, step: int) -> dict[str, Any]:
    checkpoints = Checkpoints(workdir, read_only=True)
    try:
        assert checkpoints.latest() == step
        return checkpoints.restore(step, checkpoints.shapes(step))
    finally:
        checkpoints.close()


def test_killed_at_random_moments_it_ends_in_the_same_bits(pairs: Path, tmp_path: Path) -> None:
    run = {"steps": STEPS, "log_every": 5, "checkpoint_every": 15, "validate_every": 10}
    run |= {"pretrain_generator_steps": 40, "images_every": 100, "keep_checkpoints": 2}
    finish(start(tmp_path / "through", pairs, **run))
    draw, killed, launches = random.Random(7), 0, 0
    metrics = tmp_path / "killed" / "metrics.jsonl"
    while killed < KILLS:
        launches += 1
        process = start(tmp_path / "killed", pairs, **run)
        before = metrics.stat().st_mtime_ns if metrics.exists() else 0
        while process.poll() is None:  # until it steps
            if metrics.exists() and metrics.stat().st_mtime_ns > before and metrics.stat().st_size:
                break
            time.sleep(0.01)
        # Most die while stepping, saving or validating, and some when they have just begun.
        time.sleep(draw.uniform(0.0, 2.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        assert launches <= 2 * KILLS, "the run is over before it can be killed"
    finish(start(tmp_path / "killed", pairs, **run))
    one, two = (arrays(tmp_path / name, STEPS) for name in ("through", "killed"))
    jax.tree.map(np.testing.assert_array_equal, one, two)
    assert lines(tmp_path / "through") == lines(tmp_path / "killed")


def test_bfloat16_learns_along_the_same_curve(pairs: Path, tmp_path: Path) -> None:
    """The band: 2 % of the pixel loss, 0.1 dB and 25 % of the critic's loss over the whole run."""
    for precision in ("float32", "bfloat16"):
        run = {"steps": 40, "log_every": 5, "precision": precision, "validate_every": 0}
        finish(start(tmp_path / precision, pairs, **run))
    curves = [lines(tmp_path / precision) for precision in ("float32", "bfloat16")]
    for one, other in zip(*curves, strict=True):
        assert other["loss/pixel"] == pytest.approx(one["loss/pixel"], rel=0.02)
        assert other["psnr/restored"] == pytest.approx(one["psnr/restored"], abs=0.1)
        assert other["loss/critic"] == pytest.approx(one["loss/critic"], rel=0.25, abs=0.01)
    assert any(one != other for one, other in zip(*curves, strict=True))


def test_what_is_watched_and_a_trace(pairs: Path, tmp_path: Path) -> None:
    run = {"steps": 12, "pretrain_generator_steps": 0, "validate_every": 0, "log_every": 4}
    out, _ = finish(
        start(tmp_path / "run", pairs, "--profile", "--config.data.placement=host", **run)
    )
    assert "a trace of steps 4 to 6 is in" in out and "\r" not in out and "\x1b" not in out
    assert any((tmp_path / "run" / "profile").rglob("*.xplane.pb"))
    for text in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        line = json.loads(text)
        for network in ("generator", "critic"):
            assert line[f"parameter_norm/{network}"] > 0 and line[f"gradient_norm/{network}"] > 0
        assert 0 < line["time/data_share"] <= 1 and line["time/device_memory_mb"] > 50
        assert line["time/steps_per_second"] > 0
