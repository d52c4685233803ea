"""Two processes of two devices against one of four and of one; and moving to other devices."""

import json
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import launched
import numpy as np
import pytest

from deblur_jax.errors import UsageError
from deblur_jax.training import hosts

# Gloo's threads write each of these by itself, so that lines can run into each other.
GLOO = re.compile(
    r"\[Gloo\] Rank | is connected to | peer ranks\. "
    r"|Expected number of connected peer ranks is : |\d"
)
LOSSES = ("loss/generator", "loss/critic", "loss/gradient_penalty", "psnr/blurred")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    launched.write_pairs(folder, 6)
    return folder


def start(workdir: Path, pairs: Path, devices: int, *arguments: str) -> subprocess.Popen:
    train = {"steps": 20, "batch_size": 4, "log_every": 1, "checkpoint_every": 5}
    train |= {"pretrain_generator_steps": 2, "validate_every": 5, "images_every": 0}
    fields = {f"train.{name}": value for name, value in train.items()} | {"model.norm": "batch"}
    return launched.launch(workdir, pairs, fields, *arguments, devices=devices)


def both(workdir: Path, pairs: Path, *arguments: str) -> list[subprocess.Popen]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    meet = (f"--coordinator=127.0.0.1:{port}", "--processes=2")
    return [start(workdir, pairs, 2, *meet, f"--process-id={n}", *arguments) for n in range(2)]


def finish(*processes: subprocess.Popen) -> list[str]:
    outputs = []
    for process in processes:
        out, error = process.communicate(timeout=600)
        assert process.returncode == 0, error
        outputs.append(out)
    return outputs


def lines(workdir: Path) -> dict[int, dict[str, Any]]:
    records = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records] == list(range(1, len(records) + 1))
    return {r["step"]: r for r in records}


def assert_close(one: dict[int, dict], two: dict[int, dict], step: int, rel: float) -> None:
    for name in LOSSES:
        assert two[step][name] == pytest.approx(one[step][name], rel=rel, abs=1e-7), (step, name)


@pytest.fixture(scope="module")
def alone(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict]:
    workdir = tmp_path_factory.mktemp("alone") / "run"
    finish(start(workdir, pairs, 1))
    return lines(workdir)


@pytest.mark.parametrize("placement", ["device", "host"])
def test_two_processes_train_as_one(
    alone: dict[int, dict], pairs: Path, tmp_path: Path, placement: str
) -> None:
    first, second = finish(*both(tmp_path / "two", pairs, f"--config.data.placement={placement}"))
    assert "done: 20 steps" in first and not GLOO.sub("", second).strip()  # one of them speaks
    found = [lines(tmp_path / "two")]
    if placement == "device":
        finish(start(tmp_path / "four", pairs, 4))
        found.append(lines(tmp_path / "four"))
    for other in found:
        assert_close(alone, other, 1, 1e-5)
        assert_close(alone, other, 20, 1e-3)
        blurred = [alone[s]["psnr/blurred"] for s in alone]  # the data alone decide it
        np.testing.assert_allclose([other[s]["psnr/blurred"] for s in other], blurred, rtol=1e-6)
        assert other[20]["validation/psnr"] == pytest.approx(alone[20]["validation/psnr"], abs=0.01)


def test_killed_and_resumed_as_one_process_the_data_go_on(
    alone: dict[int, dict], pairs: Path, tmp_path: Path
) -> None:
    workdir = tmp_path / "run"
    running = both(workdir, pairs)
    folder = workdir / "checkpoints"
    while not (folder / "5").is_dir() and running[0].poll() is None:
        time.sleep(0.02)
    for process in running:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    (out,) = finish(start(workdir, pairs, 2))
    assert "resuming" in out
    found = lines(workdir)
    blurred = [alone[s]["psnr/blurred"] for s in alone]
    np.testing.assert_allclose([found[s]["psnr/blurred"] for s in found], blurred, rtol=1e-6)
    assert_close(alone, found, 20, 1e-3)


def test_sigterm_to_one_process_saves_in_all(pairs: Path, tmp_path: Path) -> None:
    workdir = tmp_path / "run"
    running = both(workdir, pairs, "--config.train.steps=100000")
    metrics = workdir / "metrics.jsonl"
    while running[0].poll() is None and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.02)
    running[1].send_signal(signal.SIGTERM)
    for process in running:
        error = process.communicate(timeout=300)[1]
        assert process.returncode == 143, error
    assert any(path.name.isdigit() for path in (workdir / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("127.0.0.1:1", 0, -1), "are given together"),
        (("", 2, 1), "are given together"),
        (("127.0.0.1:1", 2, 2), "of 2 it can be 0 to 1"),
    ],
)
def test_flags_that_do_not_fit_are_said(given: tuple[str, int, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        hosts.join(*given)
