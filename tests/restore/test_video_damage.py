"""Broken videos give what can be had of them; a run that ends early leaves nothing behind."""

import resource
import threading
import weakref
from pathlib import Path

import av
import numpy as np
import pytest
from video_clips import add_sound, invert, make_clip, psnr, read_clip, scene

from deblur_jax.errors import UsageError, UserError
from deblur_jax.restore.video import restore_video
from deblur_jax.restore.video_threads import Behind, ahead


def damaged(path: Path, share: float, length: int) -> None:
    """Overwrites some bytes, from `share` of the file on."""
    data = bytearray(path.read_bytes())
    start = round(share * len(data))
    data[start : start + length] = np.random.default_rng(1).bytes(length)
    path.write_bytes(data)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_damage_in_the_middle_is_counted_and_passed_over(tmp_path, codec):
    source, target = tmp_path / "a.mp4", tmp_path / "b.mp4"
    rng = np.random.default_rng(2)
    noise = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(60)]
    make_clip(source, noise, codec, options={"g": "12", "crf": "20"})
    whole = read_clip(source)
    damaged(source, 0.5, 12000)
    seen = []

    def note(picture):
        seen.append(picture)
        return invert(picture)

    summary = restore_video(source, target, note)
    after = read_clip(target)
    assert summary.lost > 0
    assert summary.restored == len(seen) >= 30
    assert len(after.frames) == summary.restored + summary.passed == 60 - summary.lost
    # What stands far from the damage is where it was, and inverted.
    assert set(np.round(after.times, 3)) <= set(np.round(whole.times, 3))
    for number in (*range(20), *range(56, 60)):
        place = int(np.argmin(np.abs(np.array(after.times) - whole.times[number])))
        assert after.times[place] == pytest.approx(whole.times[number])
        difference = after.pictures[place].astype(int) - invert(whole.pictures[number])
        assert abs(difference).mean() < abs(after.pictures[place] - 127.5).mean() / 2
    assert "lost" in str(summary)
    assert after.duration == pytest.approx(whole.duration, abs=0.05)


def test_frames_that_cannot_be_restored_are_passed_through(tmp_path):
    make_clip(tmp_path / "a.mp4", scene(10))
    calls = []

    def sometimes(picture):
        calls.append(picture)
        if len(calls) in (4, 5, 10):
            raise UserError("this one is too hard")
        return invert(picture)

    summary = restore_video(tmp_path / "a.mp4", tmp_path / "b.mp4", sometimes)
    before, after = read_clip(tmp_path / "a.mp4"), read_clip(tmp_path / "b.mp4")
    assert (summary.restored, summary.passed, summary.lost) == (7, 3, 0)
    assert after.times == before.times
    for number, (was, now) in enumerate(zip(before.pictures, after.pictures, strict=True), 1):
        assert psnr(was if number in (4, 5, 10) else invert(was), now) > 38
    assert "7 frames restored, 3 broken ones left as they were" in str(summary)


@pytest.mark.parametrize("count", [3, 60])
def test_a_video_of_which_nothing_can_be_restored_fails(tmp_path, count):
    make_clip(tmp_path / "a.mp4", scene(count, 16, 16), sound=None)
    calls = []

    def never(picture):
        calls.append(1)
        raise UserError("not enough memory")

    with pytest.raises(UserError, match=r"cannot restore .*a\.mp4: not enough memory"):
        restore_video(tmp_path / "a.mp4", tmp_path / "b.mp4", never)
    assert len(calls) <= 30  # an hour of film is not tried in vain
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_a_file_cut_short_is_restored_as_far_as_it_goes(tmp_path, name):
    codec = "mpeg4" if name == "a.avi" else "libx264"
    front = {"movflags": "faststart"} if name == "a.mp4" else None
    make_clip(
        tmp_path / name, scene(50), codec, "libmp3lame", file_options=front, options={"g": "5"}
    )
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
    summary = restore_video(tmp_path / name, tmp_path / f"out{name}", invert)
    after = read_clip(tmp_path / f"out{name}")
    assert summary.restored + summary.passed == len(after.frames)
    assert 15 <= summary.restored < 48
    (note,) = summary.notes
    assert note.startswith("the file is cut short: the last ") and "seconds are missing" in note
    assert note in str(summary)


def test_what_is_no_video_is_one_sentence(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video at all\n" * 40)
    (tmp_path / "noise.mkv").write_bytes(np.random.default_rng(0).bytes(5000))
    make_clip(tmp_path / "gone.mp4", scene(8), sound=None, options={"g": "1"})
    data = (tmp_path / "gone.mp4").read_bytes()
    place = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    (tmp_path / "gone.mp4").write_bytes(data[:place] + bytes(end - place) + data[end:])
    with av.open(str(tmp_path / "sound.mkv"), "w") as file:
        add_sound(file, file.add_stream("aac", rate=48000), 0.2)
    make_clip(tmp_path / "fine.mp4", scene(2))
    for name, target, words in [
        ("missing.mp4", "b.mp4", "no such file"),
        ("folder.mp4", "b.mp4", "not an ordinary file"),
        ("empty.mp4", "b.mp4", "damaged|empty"),
        ("text.mp4", "b.mp4", "damaged"),
        ("noise.mkv", "b.mkv", "damaged"),
        ("gone.mp4", "b.mp4", "none of its frames can be decoded"),
        ("sound.mkv", "b.mkv", "holds no video"),
        ("fine.mp4", "b.xyz", "videos end in"),
        ("fine.mp4", "fine.mp4/b.mp4", "a file is where a folder should be"),
    ]:
        with pytest.raises(UserError, match=words) as caught:
            restore_video(tmp_path / name, tmp_path / target, invert)
        assert "\n" not in str(caught.value) and "Errno" not in str(caught.value)
        assert not list(tmp_path.glob("*b.*"))


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (96, 128, 3), dtype=np.uint8) for _ in range(30)]
    make_clip(tmp_path / "a.mp4", noise, sound=None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(UserError, match=r"cannot write .*b\.mp4: file too large"):
            restore_video(tmp_path / "a.mp4", tmp_path / "b.mp4", invert)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, UsageError, RuntimeError])
def test_an_end_on_the_way_leaves_the_old_file_and_no_thread(tmp_path, error):
    make_clip(tmp_path / "a.mp4", scene(40))
    (tmp_path / "b.mp4").write_bytes(b"as it was")
    threads = threading.active_count()
    calls = []

    def until_seven(picture):
        calls.append(1)
        if len(calls) == 7:
            raise error
        return picture

    with pytest.raises(error):
        restore_video(tmp_path / "a.mp4", tmp_path / "b.mp4", until_seven, compare=True)
    assert len(calls) == 7 and threading.active_count() == threads
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
    assert (tmp_path / "b.mp4").read_bytes() == b"as it was"


def test_a_video_may_be_written_over_itself(tmp_path):
    make_clip(tmp_path / "a.mp4", scene(5))
    before = read_clip(tmp_path / "a.mp4")
    restore_video(tmp_path / "a.mp4", tmp_path / "a.mp4", invert)
    after = read_clip(tmp_path / "a.mp4")
    assert psnr(invert(before.pictures[2]), after.pictures[2]) > 40


@pytest.mark.parametrize("fails", [None, 3])
def test_the_comparison_shows_both_side_by_side(tmp_path, fails):
    make_clip(tmp_path / "a.mp4", scene(6))
    calls = []

    def restore(picture):
        calls.append(1)
        if len(calls) == fails:
            raise UserError("no")
        return invert(picture)

    restore_video(tmp_path / "a.mp4", tmp_path / "b.mp4", restore, compare=True)
    before, after = read_clip(tmp_path / "a.mp4"), read_clip(tmp_path / "b_compare.mp4")
    assert after.times == before.times and after.packets == {}
    for number, (was, now) in enumerate(zip(before.pictures, after.pictures, strict=True), 1):
        assert now.shape == (48, 64 + 8 + 64, 3)
        assert psnr(was, now[:, :64]) > 36  # the border to the gap is hard
        assert psnr(was if number == fails else invert(was), now[:, 72:]) > 36
        assert now[:, 66:70].min() > 230


def test_few_frames_are_in_memory(tmp_path):
    make_clip(tmp_path / "a.mp4", scene(80, 32, 32), sound=None)
    alive: list[weakref.ref] = []
    most = 0

    def note(picture):
        nonlocal most
        result = invert(picture)
        alive.extend([weakref.ref(picture), weakref.ref(result)])
        most = max(most, sum(each() is not None for each in alive))
        return result

    restore_video(tmp_path / "a.mp4", tmp_path / "b.mp4", note)
    assert 2 <= most <= 10  # of 160


def test_items_are_taken_ahead_and_errors_come_in_their_turn():
    taken = []

    def take():
        taken.append(threading.get_ident())
        if len(taken) == 5:
            raise ValueError("the fifth")
        return len(taken)

    got = []
    with pytest.raises(ValueError, match="the fifth"), ahead(take, 2) as items:
        for item in items:
            got.append((item, len(taken)))
    assert [item for item, _ in got] == [1, 2, 3, 4]
    assert all(by_then <= item + 2 for item, by_then in got)
    assert threading.get_ident() not in taken and len(set(taken)) == 1


def test_calls_are_done_behind_in_order_and_their_errors_told():
    gate, done = threading.Event(), []

    def call(number):
        assert gate.wait(10)
        if number == 3:
            raise ValueError("the third")
        done.append(number)

    with pytest.raises(ValueError, match="the third"), Behind(2) as calls:
        calls.submit(call, 1)
        calls.submit(call, 2)
        assert done == []  # not waited for
        gate.set()
        for number in range(3, 20):
            calls.submit(call, number)
    assert done[:2] == [1, 2] and len(done) < 10
    with Behind(2) as calls:
        for number in (20, 21, 22):
            calls.submit(call, number)
    assert done[-3:] == [20, 21, 22]
