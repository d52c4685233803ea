"""`deblur-jax make-pairs`: what it writes, says, counts and answers with."""

import io
import sys

import av
import numpy as np
import pytest

from deblur_jax import cli, images
from deblur_jax.data.pairs import find_pairs, read_pair
from deblur_jax.data.video import scenes
from deblur_jax.data.video.scenes import make_scenes, summary
from deblur_jax.errors import UserError


def pan(count, height=64, width=96, speed=2, seed=0):
    wide = np.random.default_rng(seed).integers(0, 256, (height // 8, 80, 3))
    wide = np.kron(wide, np.ones((8, 8, 1))).astype(np.uint8)
    return [np.ascontiguousarray(wide[:, speed * i : speed * i + width]) for i in range(count)]


def save_video(path, frames, rate=240):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "bgr0"
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="bgr0")))
        container.mux(stream.encode(None))
    return path


def save_folder(path, frames):
    for number, frame in enumerate(frames):
        images.write(path / f"frame{number}.png", frame)
    return path


def make_pairs(*arguments):
    return cli.main(["make-pairs", *map(str, arguments)])


def test_pairs_of_a_video_and_a_folder_are_numpys(tmp_path, capsys):
    one, two = pan(30), pan(30, seed=1)
    save_video(tmp_path / "walk.mkv", one)
    save_folder(tmp_path / "street.day", two)
    out = tmp_path / "out"
    options = ["--output", out, "--frames", "3,5"]
    assert make_pairs(tmp_path / "walk.mkv", tmp_path / "street.day", *options) == 0
    pairs = find_pairs(out)
    gamma = find_pairs(out, blurred_folder="blur_gamma")
    assert {pair.scene for pair in pairs} == {"walk", "street.day"} and len(gamma) == len(pairs)
    ends = {"walk": 0, "street.day": 0}
    for pair, light in zip(pairs, gamma, strict=True):
        frames = np.array(one if pair.scene == "walk" else two)
        middle = int(pair.sharp.stem)
        half = middle - ends[pair.scene]  # windows follow each other
        assert half in (1, 2) and len(pair.sharp.stem) == 6
        held = frames[middle - half : middle + half + 1].astype(np.float64)
        blurred, sharp = read_pair(pair)
        np.testing.assert_array_equal(sharp, frames[middle])
        np.testing.assert_array_equal(blurred, np.floor(held.mean(0) + 0.5))
        expected = 255 * ((held / 255) ** 2.2).mean(0) ** (1 / 2.2)
        assert np.abs(read_pair(light)[0] - expected).max() < 0.501
        ends[pair.scene] = middle + half + 1
    assert min(ends.values()) > 25
    said = capsys.readouterr()
    assert said.out == f"{out}: {len(pairs)} pairs from 2 inputs\n"
    assert "[1/2] walk: " in said.err and "[2/2] street.day: " in said.err
    assert "warning" not in said.err


def test_what_exists_is_skipped_and_what_is_missing_made(tmp_path, capsys):
    video, out = save_video(tmp_path / "a.mkv", pan(30)), tmp_path / "out"
    assert make_pairs(video, "--output", out, "--frames", "5") == 0
    first = {path: path.read_bytes() for path in out.rglob("*.png")}
    assert len(first) == 6 * 3
    (out / "a/blur/000002.png").write_bytes(b"mine")
    (out / "a/blur/000007.png").unlink()
    capsys.readouterr()
    assert make_pairs(video, "--output", out, "--frames", "5") == 0
    assert "1 pair; 5 skipped, as they exist" in capsys.readouterr().out
    assert (out / "a/blur/000002.png").read_bytes() == b"mine"
    assert (out / "a/blur/000007.png").read_bytes() == first[out / "a/blur/000007.png"]
    assert make_pairs(video, "--output", out, "--frames", "5", "--overwrite") == 0
    assert {path: path.read_bytes() for path in out.rglob("*.png")} == first


def test_the_seed_decides_and_the_company_does_not(tmp_path):
    video = save_video(tmp_path / "a.mkv", pan(60))
    other = save_video(tmp_path / "b.mkv", pan(60))

    def names(out, *arguments):
        assert make_pairs(*arguments, "--output", tmp_path / out, "--frames", "3,5,7") == 0
        return sorted(path.name for path in (tmp_path / out / "a" / "sharp").iterdir())

    assert names("1", video) == names("2", other, video) != names("3", video, "--seed", "1")


def test_limit_and_one_kind(tmp_path, capsys):
    video, out = save_video(tmp_path / "a.mkv", pan(40)), tmp_path / "out"
    options = ["--output", out, "--frames", "3", "--limit", "4", "--blurred", "blur_gamma"]
    assert make_pairs(video, *options) == 0
    assert sorted(p.name for p in (out / "a").iterdir()) == ["blur_gamma", "sharp"]
    assert len(find_pairs(out, blurred_folder="blur_gamma")) == 4
    assert make_pairs(video, *options) == 0  # the limit counts what is there already
    assert "0 pairs; 4 skipped" in capsys.readouterr().out


def test_static_and_cut_windows_are_counted(tmp_path, capsys):
    one, two = pan(10), pan(20, seed=5)
    still = [two[19]] * 6
    video = save_video(tmp_path / "a.mkv", [*one, *two, *still])
    assert make_pairs(video, "--output", tmp_path / "out", "--frames", "3") == 0
    said = capsys.readouterr().out
    assert said.endswith("out: 9 pairs; 2 static and 1 cut windows left out\n")


def test_one_that_fails_is_named_and_the_rest_done(tmp_path, capsys):
    whole = save_video(tmp_path / "whole.mkv", pan(12))
    cut = save_video(tmp_path / "cut.mkv", pan(60))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    still = save_folder(tmp_path / "still", pan(1) * 9)
    short = save_folder(tmp_path / "short", pan(2))
    missing = tmp_path / "missing.mp4"
    inputs = [cut, missing, still, short, whole]
    assert make_pairs(*inputs, "--output", tmp_path / "out", "--frames", "3") == 1
    said = capsys.readouterr()
    assert "failed: cannot read " in said.err and "missing.mp4: no such file" in said.err
    assert f"failed: {still}: no pairs: nothing moves in 3 windows" in said.err
    assert f"failed: {short}: no pairs: 2 frames are too few to fill a window" in said.err
    assert "cut.mkv after " in said.err and "Traceback" not in said.err
    assert said.out.endswith("from 5 inputs; 3 static windows left out; 4 inputs failed\n")
    scenes = {pair.scene for pair in find_pairs(tmp_path / "out")}
    assert scenes == {"cut", "whole"}  # what was whole before the break is there


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frames", "7,8"], "8 frames have no middle one to be the sharp picture"),
        (["--frames", "1"], "3 is the least"),
        (["--frames", "seven"], "--frames seven"),
        (["--frames", "7,"], "--frames 7,"),
        (["--limit", "0"], "the limit is 0"),
        (["--seed", "-1"], "the seed is -1"),
    ],
)
def test_wrong_values_exit_with_two(tmp_path, capsys, arguments, words):
    video = save_video(tmp_path / "a.mkv", pan(12))
    assert make_pairs(video, "--output", tmp_path / "out", *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("deblur-jax: ") and words in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_two_inputs_of_one_name_exit_with_two(tmp_path, capsys):
    video = save_video(tmp_path / "Walk.mkv", pan(12))
    folder = save_folder(tmp_path / "walk", pan(12))
    assert make_pairs(video, folder, "--output", tmp_path / "out") == 2
    assert "would both become the scene walk" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way_is_one_sentence(tmp_path, capsys):
    video = save_video(tmp_path / "a.mkv", pan(12))
    (tmp_path / "out").write_text("mine")
    assert make_pairs(video, "--output", tmp_path / "out") == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "out").read_text() == "mine"


def test_copies_instead_of_blur_are_warned_of_once(tmp_path, capsys):
    video = save_video(tmp_path / "a.mkv", pan(24, 128, 256, speed=12), rate=30)
    assert make_pairs(video, "--output", tmp_path / "out", "--frames", "3") == 0
    said = capsys.readouterr().err
    assert said.count("warning: ") == 1
    assert f"{video}: neighbouring frames lie about 12 pixels apart at 30 frames a second" in said


def test_no_picture_is_left_without_a_twin(tmp_path, monkeypatch):
    video = save_video(tmp_path / "a.mkv", pan(12))
    real = images.write

    def failing(path, picture):
        if path.parts[-2:] == ("sharp", "000004.png"):
            raise UserError(f"cannot write {path}: no space left on device")
        real(path, picture)

    monkeypatch.setattr(scenes.images, "write", failing)
    (scene,) = make_scenes([str(video)], str(tmp_path / "out"), lengths=[3])
    assert "no space left" in scene.failure and scene.pairs == 1
    assert [pair.name for pair in find_pairs(tmp_path / "out")] == ["a/000001.png"]
    assert summary([scene]) == "1 pair; 1 input failed"


def test_a_terminal_gets_a_bar_with_or_without_an_end(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    folder = save_folder(tmp_path / "a", pan(12))
    assert make_pairs(folder, "--output", tmp_path / "out", "--frames", "3") == 0
    assert "a: " in sys.stderr.getvalue() and "[1/1] a: 4 pairs" in sys.stderr.getvalue()
    from deblur_jax.progress import FrameReporter

    with FrameReporter() as reporter:
        for done in range(1, 5):
            reporter.frame("b", done, None)
            reporter.frame("b", done + 1, 2)  # a header that says too little
