"""Starting again with huge pages: once, where they are to be had, and with the same call."""

import os
import subprocess
import sys

import pytest

from deblur_jax import huge_pages


@pytest.fixture
def started(monkeypatch):
    calls = []
    monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv(huge_pages.VARIABLE, raising=False)
    return calls


def test_once_and_with_the_same_call(started, tmp_path, monkeypatch):
    state = tmp_path / "enabled"
    state.write_text("always [madvise] never\n")
    monkeypatch.setattr(
        sys, "orig_argv", ["python", "-X", "utf8", "/bin/deblur-jax", "deblur", "a b"]
    )
    huge_pages.start_again_with_huge_pages(state)
    ((program, call, environment),) = started
    assert program == sys.executable
    assert call == [sys.executable, "-X", "utf8", "/bin/deblur-jax", "deblur", "a b"]
    assert environment == os.environ | {huge_pages.VARIABLE: huge_pages.SETTING}
    monkeypatch.setenv(huge_pages.VARIABLE, environment[huge_pages.VARIABLE])
    huge_pages.start_again_with_huge_pages(state)
    assert len(started) == 1


@pytest.mark.parametrize("text", ["[always] madvise never", "always madvise [never]", None])
def test_not_where_it_does_not_help(started, tmp_path, text):
    if text is not None:
        (tmp_path / "enabled").write_text(text)
    huge_pages.start_again_with_huge_pages(tmp_path / "enabled")
    assert not started


def test_other_systems_and_failures_go_on(started, tmp_path, monkeypatch):
    (tmp_path / "enabled").write_text("always [madvise] never")

    def fail(*_):
        raise OSError

    monkeypatch.setattr(os, "execve", fail)
    huge_pages.start_again_with_huge_pages(tmp_path / "enabled")
    monkeypatch.setattr(sys, "platform", "darwin")
    huge_pages.start_again_with_huge_pages(tmp_path / "enabled")


def test_the_command_still_gets_its_arguments():
    """Whether this machine starts it again or not."""
    environment = {k: v for k, v in os.environ.items() if k != huge_pages.VARIABLE}
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "deblur_jax",
            "deblur",
            "a  b.png",
            "--strength",
            "2",
            "--output",
            "o",
        ],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2 and "a strength of 2.0" in ended.stderr
