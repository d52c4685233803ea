"""The research entry as a user calls it: exit codes, sentences, no traceback."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SMALLER = ["--config.train.steps=4", "--config.data.synthetic=8", "--config.model.blocks=1"]


def start(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "main.py", *arguments]
    environment = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def call(*arguments: str) -> tuple[int, str, str]:
    process = start(*arguments)
    out, error = process.communicate(timeout=300)
    return process.returncode, out, error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config=configs/tiny.py", "--config.train.stepz=3"], ["stepz", "'steps'"]),
        (["--config=configs/tiny.py", "--config.trian.steps=3"], ["trian"]),
        (["--config=configs/nowhere.py"], ["nowhere.py"]),
        (["--config=configs/seed_report.py:vgg11"], ["no variant 'vgg11'", "as_trained"]),
        (["--config=configs/tiny.py", "--mode=calibrate"], ["loss.perceptual_weight is 0"]),
        (["--config=configs/tiny.py", "--config.train.steps=many"], ["train.steps", "many"]),
        (["--config=configs/tiny.py", "--mode=dream"], ["dream"]),
        (["--config=configs/tiny.py", "--config.data.augment=spin"], ["data.augment", "flip"]),
        (["--config=configs/tiny.py", "--config.data.crop=30"], ["data.crop", "multiple of 4"]),
        ([], ["--config"]),
        (["--config=configs/tiny.py", "--config.data.pairs=/nowhere"], ["/nowhere"]),
    ],
)
def test_a_wrong_call_is_one_sentence_and_exit_code_2(
    arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    code, _, error = call(*arguments, f"--workdir={tmp_path}/run")
    assert code == 2, error
    own = [line for line in error.splitlines() if line.startswith("main.py: ")]
    assert len(own) == 1 and "Traceback" not in error
    assert all(word in own[0] for word in words), own[0]


def test_trains_evaluates_and_has_nothing_to_do_twice(tmp_path: Path) -> None:
    arguments = ["--config=configs/tiny.py", f"--workdir={tmp_path}/run", *SMALLER]
    code, out, error = call(*arguments, "--mode=train_and_evaluate")
    assert code == 0, error
    told = error.splitlines()  # no library has anything to say
    assert [line[:5] for line in told] == [f"[{n}/4]" for n in range(1, 5)], error
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["dataset"] == "synthetic" and results["count"] == 4
    assert results["weights"]["name"] == "run@4"
    code, out, _ = call(*arguments)
    assert code == 0 and "nothing to do" in out


def test_sigterm_saves_and_exits_with_143(tmp_path: Path) -> None:
    arguments = ["--config=configs/tiny.py", f"--workdir={tmp_path}/run", *SMALLER]
    process = start(*arguments, "--config.train.steps=100000", "--config.train.log_every=1")
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and metrics.read_text().count("\n") >= 2:
            break
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 143, error
    assert "SIGTERM: saved at step" in out
    assert any((tmp_path / "run" / "checkpoints").iterdir())
