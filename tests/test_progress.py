"""Progress: plain lines where nobody watches, a bar on a terminal, failures always in words."""

import io
import sys
from pathlib import Path

import pytest

from deblur_jax.progress import Reporter
from deblur_jax.restore.inputs import Job


class Terminal(io.StringIO):
    def isatty(self):
        return True


JOB = Job("scene/a.png", Path("in/scene/a.png"), Path("out/scene/a.png"))


def report(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream)
    with Reporter() as reporter:
        reporter.job(1, 3, JOB, "done", 1.25)
        reporter.job(2, 3, JOB, "skipped", 0.0)
        reporter.job(3, 3, JOB, "cannot read in/scene/a.png: broken", 0.0)
    return stream.getvalue()


def test_lines(monkeypatch):
    assert report(io.StringIO(), monkeypatch).splitlines() == [
        "[1/3] scene/a.png: done in 1.2 s",
        "[2/3] scene/a.png: skipped, out/scene/a.png exists",
        "[3/3] failed: cannot read in/scene/a.png: broken",
    ]


def test_bar(monkeypatch):
    said = report(Terminal(), monkeypatch)
    assert "3/3" in said and "failed: cannot read in/scene/a.png: broken" in said
    assert "[1/3]" not in said


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_nothing_is_said_of_nothing(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    with Reporter():
        pass
    assert sys.stderr.getvalue() == ""
