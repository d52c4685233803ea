"""Progress: plain lines where nobody watches, a bar on a terminal, failures always in words."""

import io
import sys
from pathlib import Path

import pytest

from deblur_jax import progress
from deblur_jax.progress import Reporter
from deblur_jax.restore.files import Finished
from deblur_jax.restore.inputs import Job


class Terminal(io.StringIO):
    def isatty(self):
        return True


JOB = Job("scene/a.png", Path("in/scene/a.png"), Path("out/scene/a.png"))


def report(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream)
    with Reporter() as reporter:
        reporter.job(Finished(1, 3, JOB, "done", 1.25, "sharper"))
        reporter.job(Finished(2, 3, JOB, "skipped", 0.0))
        reporter.job(Finished(3, 3, JOB, "cannot read in/scene/a.png: broken", 0.0))
    return stream.getvalue()


def test_lines(monkeypatch):
    assert report(io.StringIO(), monkeypatch).splitlines() == [
        "[1/3] scene/a.png: done in 1.2 s: sharper",
        "[2/3] scene/a.png: skipped, out/scene/a.png exists",
        "[3/3] failed: cannot read in/scene/a.png: broken",
    ]


def test_bar(monkeypatch):
    said = report(Terminal(), monkeypatch)
    assert "3/3" in said and "failed: cannot read in/scene/a.png: broken" in said
    assert "[1/3]" not in said and "scene/a.png: sharper" in said


def test_time_left_is_told_once_it_is_a_minute(monkeypatch):
    """Two seconds each; 500 of 1000 items were finished before."""
    clock = iter([0.0, 2.0, 4.0, 6.0, 900.0, 998.0])
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Reporter("pair") as reporter:
        for number in (501, 502, 503, 950, 999):
            reporter.item(number, 1000, "x")
        reporter.say("a word")
    left = [line.partition("done")[2] for line in sys.stderr.getvalue().splitlines()[:5]]
    assert left == [", 17 min left", ", 17 min left", ", 17 min left", ", 2 min left", ""]
    assert sys.stderr.getvalue().endswith("\na word\n")


def test_a_resumed_bar_starts_where_it_stood(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Reporter("pair") as reporter:
        reporter.item(501, 1000, "x")
        reporter.say("a word")
        assert reporter._bar.initial == 500 and reporter._bar.n == 501
    assert "a word" in sys.stderr.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_nothing_is_said_of_nothing(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    with Reporter():
        pass
    assert sys.stderr.getvalue() == ""
