"""A run's log: every line once, gaps said, curves of what it holds, pictures from its events."""

import csv
import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from deblur_jax import plots
from deblur_jax.errors import UserError
from deblur_jax.report import curves, events, metrics_log, runs, training
from deblur_jax.web.elements import Facts, Heading, Plots, Prose, Strips


def log(folder: Path, *lines: dict | str, end: str = "\n") -> Path:
    path = folder / "metrics.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + end, encoding="utf-8")
    return path


def test_lines_by_step(tmp_path: Path) -> None:
    path = log(
        tmp_path,
        {"step": 1, "loss/generator": 3.0, "note": "words", "flag": True},
        {"step": 10, "loss/generator": 2.0},
        "",
        {"step": 5, "loss/generator": 2.5, "psnr/restored": 20},
        {"step": 10, "loss/generator": 1.5},  # written again by a resumed run
        '{"step": 15, "loss/gen',
        end="",
    )
    lines = metrics_log.read_lines(path)
    assert list(lines.items()) == [
        (1, {"loss/generator": 3.0}),
        (5, {"loss/generator": 2.5, "psnr/restored": 20.0}),
        (10, {"loss/generator": 1.5}),
    ]


def test_what_is_not_finite_is_a_gap_and_said(tmp_path: Path) -> None:
    path = log(tmp_path, '{"step": 1, "a": NaN, "b": "-Infinity", "c": 1e999, "d": null}',
               f'{{"step": 2, "a": 1.0, "b": 2, "c": NaN, "d": 1{"0" * 400}}}')  # fmt: skip
    lines = metrics_log.read_lines(path)
    assert lines == {1: dict.fromkeys("abcd"), 2: {"a": 1.0, "b": 2.0, "c": None, "d": None}}
    assert metrics_log.gaps(lines) == [
        "1 line without a finite a, first at step 1.",
        "1 line without a finite b, first at step 1.",
        "2 lines without a finite c, first at step 1.",
        "2 lines without a finite d, first at step 1.",
    ]
    rows = list(csv.reader(io.StringIO(metrics_log.comma_separated(lines))))
    assert rows == [["step", *"abcd"], ["1", "", "", "", ""], ["2", "1.0", "2.0", "", ""]]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "not one line"),
        (['{"step": 1'], "not one line"),  # cut off, and nothing before it
        (['{"step": 1', '{"step": 2}'], "line 1: no JSON"),
        (['{"step": 1}', "3"], "line 2: no object with a whole-numbered step"),
        (['{"step": 1.5}'], "line 1: no object"),
        (['{"step": true}'], "line 1: no object"),
        (['{"loss": 1}'], "line 1: no object"),
    ],
)
def test_other_logs_are_refused(tmp_path: Path, lines: list[str], said: str) -> None:
    path = log(tmp_path, *lines, end="")
    with pytest.raises(UserError, match=said) as caught:
        training.read(path)
    assert str(path) in str(caught.value)


def drawn_by(lines: dict, monkeypatch: pytest.MonkeyPatch) -> dict:
    """name of the panel -> (series, whether its axis is logarithmic)."""
    calls = []

    def draw(title: str, series: list, **more: object) -> str:
        calls.append((series, more["log_y"]))
        return f"<svg>{len(calls) - 1}"

    monkeypatch.setattr(plots, "lines", draw)
    return {panel.name: calls[int(panel.svg[5:])] for panel in curves.panels(lines)}


def test_keys_share_the_plots_that_they_belong_to(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = (
        "guard/blue", "guard/green", "guard/red", "guard/grid", "guard/clipped", "learning_rate",
        "loss/adversarial", "loss/critic", "loss/critic_wasserstein", "loss/generator",
        "loss/gradient_penalty", "loss/perceptual", "psnr/blurred", "psnr/restored",
        "validation/psnr", "validation/psnr_blurred", "validation/worst_gain", "weight/perceptual",
        "gradient_norm/critic", "time/steps_per_second",
    )  # fmt: skip
    found = drawn_by({1: dict.fromkeys(keys, 1.0)}, monkeypatch)
    names = {name: [line.name for line in series] for name, (series, _) in found.items()}
    assert list(names)[:2] == ["generator", "adversarial"]
    assert names["generator"] == ["generator, weighted sum", "perceptual"]
    assert names["adversarial"][0] == "critic"
    assert len(names["adversarial"]) == 4
    assert names["psnr"] == [
        "crops, blurred", "crops, restored", "validation, blurred", "validation, restored",
    ]  # fmt: skip
    assert names["validation"] == ["worst gain"]
    assert names["colour"] == ["red", "green", "blue"]
    assert names["speed"] == ["steps per second"]
    assert sum(map(len, names.values())) == len(keys)  # each once
    dashed = [line.dashed for line in found["psnr"][0]]
    assert dashed == [True, False, True, False]
    # The theme's vermilion, green and blue, so that a channel has its own colour.
    assert [line.tone for line in found["colour"][0]] == [1, 2, 0]


def test_curves_keep_gaps_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {
        1: {"gradient_norm/critic": 0.0, "loss/generator": -1.0, "weight/a": None},
        5: {"gradient_norm/critic": 2.0, "loss/generator": None},
        9: {"gradient_norm/critic": 9.0},
    }
    found = drawn_by(lines, monkeypatch)
    (line,), logarithmic = found["generator"]
    assert (line.x, line.y) == ([1, 5], [-1.0, None])
    assert not logarithmic  # it is negative somewhere
    assert found["gradients"][1]
    assert "balance" not in found  # nothing but a gap


def test_facts(tmp_path: Path) -> None:
    path = log(
        tmp_path,
        {"step": 1000, "validation/psnr": 25.125},
        {"step": 2000, "validation/psnr": 26.504},
        {"step": 3000, "validation/psnr": 26.504},
        {"step": 4000, "validation/psnr": None},
    )
    assert training.read(path).facts == [
        ("steps", "4,000"), ("best validation PSNR", "26.50 dB at step 2,000"),
    ]  # fmt: skip
    config = {"model": {"generator": "resnet"}, "train": {"batch_size": 8}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "versions.json").write_text('{"device": "H100", "device_count": 4, "jax": "1"}')
    facts = dict(training.read(path).facts)
    assert (facts["generator"], facts["batch size"]) == ("resnet", "8")
    assert (facts["device"], facts["jax"]) == ("4 × H100", "1")
    (tmp_path / "config.json").write_text('{"model": 3, "train": [')
    (tmp_path / "versions.json").write_text("[]")
    assert len(training.read(path).facts) == 2  # damaged, they only take words away


def picture(level: int) -> np.ndarray:
    """float32[2, 4, 6, 3] in [0, 1]: two pictures, the first of this grey level."""
    return np.stack([np.full((4, 6, 3), level / 255), np.ones((4, 6, 3))]).astype(np.float32)


def write_events(folder: Path, *steps: int, brighter: int = 0) -> Path:
    """Events as training writes them, by clu and TensorFlow; returns their file."""
    metric_writers = pytest.importorskip("clu.metric_writers")
    before = set(folder.glob(events.FILES))
    writer = metric_writers.SummaryWriter(str(folder))
    for step in steps:
        writer.write_scalars(step, {"loss": 1.0})
        writer.write_images(step, {"others": picture(0)})
        writer.write_images(step, {events.IMAGES: picture(step + brighter)})
    writer.close()
    (path,) = set(folder.glob(events.FILES)) - before
    return path


def grey(frame: events.Frame) -> int:
    (value,) = np.unique(frame.picture)
    return int(value)


def test_pictures_over_time(tmp_path: Path) -> None:
    assert events.frames(tmp_path) == ([], [])
    write_events(tmp_path, *range(10, 121, 10))
    found, trouble = events.frames(tmp_path)
    assert trouble == []
    assert [frame.step for frame in found] == [10, 30, 50, 80, 100, 120]
    assert [grey(frame) for frame in found] == [10, 30, 50, 80, 100, 120]
    assert found[0].picture.shape == (4, 6, 3)
    assert found[0].tag == "blurred, restored, sharp"


def test_a_resumed_run_counts_where_it_wrote_again(tmp_path: Path) -> None:
    write_events(tmp_path, 1, 2).rename(tmp_path / "events.out.tfevents.1.first")
    later = write_events(tmp_path, 2, 3, brighter=100)
    contents = later.read_bytes()
    later.rename(tmp_path / "events.out.tfevents.2.second")
    found, trouble = events.frames(tmp_path)
    assert [(frame.step, grey(frame)) for frame in found] == [(1, 1), (2, 102), (3, 103)]
    assert trouble == []
    # A crash in the middle of the last picture takes that picture only.
    (tmp_path / "events.out.tfevents.2.second").write_bytes(contents[:-20])
    found, trouble = events.frames(tmp_path)
    assert ([frame.step for frame in found], trouble) == ([1, 2], [])


def test_damaged_events_are_said(tmp_path: Path) -> None:
    path = write_events(tmp_path, 1, 2)
    contents = path.read_bytes()
    places, place = [], 0
    while place < len(contents):  # where each record begins
        places.append(place)
        place += 16 + struct.unpack("<Q", contents[place : place + 8])[0]
    broken = bytearray(contents)
    broken[places[-1]] ^= 0xFF  # the last record's length
    path.write_bytes(broken)
    found, (said,) = events.frames(tmp_path)
    assert [frame.step for frame in found] == [1]
    assert path.name in said
    path.write_bytes(b"no events at all, but long enough")
    found, (said,) = events.frames(tmp_path)
    assert found == []


def test_a_damaged_picture_is_said_and_the_others_shown(tmp_path: Path) -> None:
    path = write_events(tmp_path, 1, 2)
    contents = path.read_bytes()
    first = contents.index(b"\x89PNG", contents.index(events.IMAGES.encode()))
    path.write_bytes(contents[:first] + b"XXXX" + contents[first + 4 :])
    found, (said,) = events.frames(tmp_path)
    assert [frame.step for frame in found] == [2]
    assert "step 1 are damaged" in said


def test_a_section_of_a_run(tmp_path: Path) -> None:
    path = log(tmp_path, {"step": 1, "loss/generator": 1.0, "psnr/restored": None},
               {"step": 2, "loss/generator": 0.5})  # fmt: skip
    section = runs.section(training.read(path), 1)
    assert (section.anchor, section.title) == ("training-1", f"Training: {tmp_path.name}")
    facts, warning, drawn, none = section.elements
    assert isinstance(facts, Facts)
    assert isinstance(warning, Prose)
    assert warning.warning
    assert warning.text == "1 line without a finite psnr/restored, first at step 1."
    assert isinstance(drawn, Plots)
    assert [plot.name for plot in drawn.plots] == ["training-1-generator"]
    assert isinstance(none, Prose)
    assert "No pictures" in none.text

    write_events(tmp_path, 1, 2)
    *_, heading, strips = runs.section(training.read(path), 0).elements
    assert isinstance(heading, Heading)
    assert isinstance(strips, Strips)
    assert [strip.caption for strip in strips.strips] == [
        "step 1: blurred, restored, sharp", "step 2: blurred, restored, sharp",
    ]  # fmt: skip
    assert (strips.strips[0].width, strips.strips[0].height) == (6, 4)
