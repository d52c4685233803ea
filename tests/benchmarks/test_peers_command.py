"""The command from its arguments to its file; the real processes are this project's alone."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.peers import __main__ as entry
from benchmarks.peers import contenders, materials
from benchmarks.peers.job import Job, usable_cores
from deblur_jax.errors import UsageError

CONFIG = """
from configs import default

def get_config(norm="instance"):
    config = default.get_config()
    config.model.width = 4
    config.model.blocks = 1
    config.model.norm = norm
    return config
"""


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def job_of() -> Callable[..., Job]:
    return lambda *argv: entry.job_of(entry.parser().parse_args(argv), Path("folder"))


@pytest.mark.parametrize(
    ("argv", "part", "size"),
    [
        ([], "restore", (256, 256)),
        (["--size", "64"], "restore", (64, 64)),
        (["--height", "72", "--width", "128"], "restore", (72, 128)),
        (["--training"], "step", (128, 128)),
        (["--training", "--part", "penalty"], "penalty", (256, 256)),
        (["--training", "--part", "generator", "--size", "64"], "generator", (64, 64)),
    ],
)
def test_sizes_and_parts(
    argv: list[str], part: str, size: tuple[int, int], job_of: Callable[..., Job]
) -> None:
    job = job_of(*argv)
    assert (job.part, (job.height, job.width)) == (part, size)
    assert job.threads == usable_cores() and job.config == "configs/paper.py"


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["--height", "72"], "both --height and --width"),
        (["--height", "72", "--width", "72", "--size", "72"], "either --size or both"),
        (["--part", "step"], "--part is for --training"),
        (["--vgg-weights", "x"], "--vgg-weights is for --training"),
        (["--training", "--weights", "default"], "not from --weights"),
        (["--training", "--height", "64", "--width", "32"], "square crops"),
    ],
)
def test_arguments_that_do_not_go_together(
    argv: list[str], word: str, job_of: Callable[..., Job]
) -> None:
    with pytest.raises(UsageError, match=word):
        job_of(*argv)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--size", "0"], 2, "--size"),
        (["--config", "no/such.py"], 2, "no/such.py"),
        (["--config", ":batch", "--contenders", "torch"], 1, "norm 'instance' alone"),
        (["--contenders", "caffe"], 2, "'caffe' does not exist"),
        (["--training", "--config", ""], 2, "train.average_decay 0.999"),
        (["--json", "."], 2, "folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    arguments: list[str],
    code: int,
    word: str,
    config_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contenders.Contender, "lacking", lambda self: [])
    given = [f"{config_path}{a}" if a in ("", ":batch") else a for a in arguments]
    assert entry.main(given) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("python -m benchmarks.peers: ") and word in last


def test_the_command_writes_every_key(
    config_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # One library is enough to see it all, but for what PyTorch would say of the values.
    lacking = lambda self: [m for m in self.modules if m in ("torch", "openvino", "onnx")]  # noqa: E731
    monkeypatch.setattr(contenders.Contender, "lacking", lacking)
    monkeypatch.setattr(entry, "PAUSE_S", 0.0)
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    target = tmp_path / "peers.json"
    arguments = ["--config", str(config_path), "--height", "15", "--width", "20", "--runs", "2"]
    names = ["--contenders", "jax,openvino"]
    assert entry.main([*arguments, *names, "--json", str(target)]) == 0
    m = json.loads(target.read_text())
    documented = set(re.findall(r"`(\w+)`", (peers.__doc__ or "").split("Keys of")[1]))
    machine = {"schema", "device", "device_count", "versions", "date", "load_before"}
    assert set(m) - machine <= documented
    assert {"reference", "order", "commit", "threads", "vgg_source"} <= set(m)
    assert set(m["contenders"]["jax"]) <= documented
    assert (m["benchmark"], m["part"], m["reference"]) == ("peers", "restore", "jax-float64")
    assert (m["height"], m["padded_height"], m["width"], m["padded_width"]) == (15, 16, 20, 20)
    ours = m["contenders"]["jax"]
    assert 0 < ours["largest_error"] < 1e-4 and ours["runs"] == len(ours["seconds"]) == 2
    assert ours["load_s"] > 0 and ours["compile_s"] > 0 and ours["versions"]["jax"]
    assert ours["peak_rss_mb"] is None or ours["peak_rss_mb"] > 50
    assert m["contenders"]["openvino"]["why"] == "openvino and onnx are not installed"
    assert m["fastest_peer"] is None and m["ratios"] == {"jax": {}}
    printed = capsys.readouterr().out
    assert "openvino and onnx are not installed" in printed and "no peer was timed" in printed


@pytest.mark.parametrize(("height", "width", "shift"), [(20, 30, 0), (600, 700, 0), (64, 64, 500)])
def test_photographs_have_any_size_and_go_on_by_mirroring(
    height: int, width: int, shift: int
) -> None:
    found = materials.photograph(height, width, shift)
    assert found.shape == (height, width, 3) and found.dtype == np.float32
    assert -1 <= found.min() < found.max() <= 1
    whole = materials.photograph(1000, 1000)
    np.testing.assert_array_equal(found, whole[shift : shift + height, shift : shift + width])
    np.testing.assert_array_equal(whole[512:600, :512], whole[510:422:-1, :512])


def test_streaks_are_means_of_neighbours() -> None:
    sharp = np.zeros((4, 16, 3), np.float32)
    sharp[:, 3] = 7
    found = materials.streaked(sharp)
    np.testing.assert_allclose(found[0, :, 0], [0] * 3 + [1] * 7 + [0] * 6, atol=1e-6)
