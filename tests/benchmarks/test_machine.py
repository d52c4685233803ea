"""The commit that a measurement names is git's own; a device's short name is a file's."""

import subprocess
from pathlib import Path

import pytest

from benchmarks import machine


def git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *named, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_commit_says_whether_files_were_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        git(tmp_path, "init")
    except OSError:
        pytest.skip("git is not installed")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "one")
    git(tmp_path, "tag", "-a", "v1", "-m", "a tag is no commit's name")
    commit = git(tmp_path, "rev-parse", "HEAD")
    monkeypatch.setenv(machine.COMMIT_VARIABLE, "another")  # git knows better
    assert machine.commit(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert machine.commit(tmp_path) == f"{commit}-dirty"


def test_outside_git_there_is_no_commit_but_the_environment_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(machine.COMMIT_VARIABLE, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert machine.commit(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert machine.commit(tmp_path) is None
    monkeypatch.setenv(machine.COMMIT_VARIABLE, "0123abc-dirty")
    assert machine.commit(tmp_path) == "0123abc-dirty"


@pytest.mark.parametrize(
    ("device", "tag"),
    [
        ("cpu: AMD EPYC (2 cores)", "cpu2"),
        ("cpu: AMD EPYC, family 25, model 17 (2 cores)", "cpu2"),
        ("cpu: Arm (1 core)", "cpu1"),
        ("cpu: a 7 core wonder", "cpu"),
        ("gpu: NVIDIA H200", "h200"),
        ("gpu: NVIDIA A100-SXM4-40GB", "a100-sxm4-40gb"),
        ("tpu: TPU v4", "tpu-v4"),
        ("METAL", "metal"),
    ],
)
def test_devices_have_names_for_files(device: str, tag: str) -> None:
    assert machine.tag(device) == tag
