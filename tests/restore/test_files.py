"""Working through files: what is found, where it goes, and that failures stay with their file."""

import errno
import os
import tempfile
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deblur_jax import images
from deblur_jax.errors import UsageError, UserError
from deblur_jax.restore.files import GAP, Made, process_files
from deblur_jax.restore.inputs import plan


def invert(picture, _name):
    return Made(picture.with_rgb(np.iinfo(picture.rgb.dtype).max - picture.rgb))


def put(path, value=10, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (4, 3), (value,) * len(mode) if len(mode) > 1 else value).save(path)
    return path


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def tree(tmp_path):
    """A folder with pictures of every kind, text, something hidden and a broken picture."""
    root = tmp_path / "photos"
    put(root / "a.png", 1)
    put(root / "B.JPG", 2)
    put(root / "deep" / "er" / "c.tif", 3)
    put(root / "deep" / "d.webp", 4)
    put(root / ".hidden" / "e.png", 5)
    put(root / "._a.png", 6)
    (root / "notes.txt").write_text("text")
    (root / "deep" / "clip.mp4.txt").write_text("text")
    return root


TREE = ["B.JPG", "a.png", "deep/d.webp", "deep/er/c.tif"]


def test_a_folder_keeps_its_tree_names_and_formats(tree, tmp_path):
    summary = process_files([str(tree)], str(tmp_path / "out"), invert)
    assert names(tmp_path / "out") == TREE
    assert len(summary.done) == 4 and not summary.failed and not summary.skipped
    assert images.read_rgb(tmp_path / "out" / "deep" / "er" / "c.tif")[0, 0, 0] == 252
    with Image.open(tmp_path / "out" / "deep" / "d.webp") as written:
        assert written.format == "WEBP"


def test_the_function_gets_each_pictures_name(tree, tmp_path):
    seen = []

    def function(picture, name):
        seen.append(name)
        return Made(picture)

    process_files([str(tree)], str(tmp_path / "out"), function)
    assert seen == TREE


def test_one_input_and_a_pictures_path(tmp_path):
    source = put(tmp_path / "a.png", 10)
    summary = process_files([str(source)], str(tmp_path / "new" / "b.tiff"), invert)
    assert summary.done == [tmp_path / "new" / "b.tiff"]
    assert images.read_rgb(tmp_path / "new" / "b.tiff")[0, 0, 0] == 245
    assert names(tmp_path) == ["a.png", "new/b.tiff"]


def test_a_folder_of_a_pictures_name_is_a_folder(tmp_path):
    source = put(tmp_path / "a.png")
    (tmp_path / "odd.png").mkdir()
    process_files([str(source)], str(tmp_path / "odd.png"), invert)
    assert names(tmp_path / "odd.png") == ["a.png"]
    other = put(tmp_path / "b.png")
    process_files([str(source), str(other)], str(tmp_path / "two.png"), invert)
    assert names(tmp_path / "two.png") == ["a.png", "b.png"]


def test_one_file_cannot_take_a_folder(tree, tmp_path):
    with pytest.raises(UsageError, match=r"out\.png is one file, but .*photos names a folder"):
        process_files([str(tree)], str(tmp_path / "out.png"), invert)
    with pytest.raises(UsageError, match=r"out\.png is one file"):
        process_files([str(tree / "**" / "*.*")], str(tmp_path / "out.png"), invert)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png"]),
        ("**/*.*", TREE),
        ("**", TREE),
        ("deep/*", ["d.webp", "er/c.tif"]),
        ("*/d.webp", ["deep/d.webp"]),
        ("[aB].*", ["B.JPG", "a.png"]),
    ],
)
def test_globs_keep_the_tree_from_their_first_wildcard(tree, tmp_path, pattern, expected):
    process_files([str(tree / pattern)], str(tmp_path / "out"), invert)
    assert names(tmp_path / "out") == expected


def test_globs_are_relative_to_the_working_folder(tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tree)
    process_files(["*/*.webp", "*.png"], "../out", invert)
    assert names(tmp_path / "out") == ["a.png", "deep/d.webp"]


def test_a_file_with_wildcards_in_its_name_is_that_file(tmp_path):
    put(tmp_path / "a[1].png", 1)
    put(tmp_path / "a1.png", 2)
    process_files([str(tmp_path / "a[1].png")], str(tmp_path / "out"), invert)
    assert names(tmp_path / "out") == ["a[1].png"]


def test_what_matches_nothing_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("")
    for text in ("empty", "*.png", "empty/**/*.png"):
        with pytest.raises(UsageError, match="no picture found: ") as error:
            process_files([str(tmp_path / text)], str(tmp_path / "out"), invert)
        assert str(tmp_path / text) in str(error.value)
    with pytest.raises(UsageError, match="no glob"):
        process_files([str(tmp_path / "a**b")], str(tmp_path / "out"), invert)
    assert names(tmp_path) == ["empty/a.txt"]


def test_a_broken_picture_does_not_stop_the_rest(tree, tmp_path):
    whole = (tree / "a.png").read_bytes()
    (tree / "broken.png").write_bytes(whole[: len(whole) // 2])
    (tree / "clip.MP4").write_bytes(b"video")
    summary = process_files(
        [str(tree), str(tmp_path / "absent.png"), str(tree / "notes.txt")],
        str(tmp_path / "out"),
        invert,
    )
    assert names(tmp_path / "out") == TREE
    reasons = {path.name: reason for path, reason in summary.failed}
    assert sorted(reasons) == ["absent.png", "broken.png", "clip.MP4", "notes.txt"]
    assert all(str(path) in reason for path, reason in summary.failed)
    assert "only pictures can be blurred" in reasons["clip.MP4"]
    assert "no such file" in reasons["absent.png"]
    assert "no picture's extension" in reasons["notes.txt"]
    assert str(summary) == "4 done, 4 failed"


def test_a_folder_that_cannot_be_listed_does_not_stop_the_rest(tree, tmp_path, monkeypatch):
    real = Path.iterdir

    def iterdir(path):
        if path.name == "er":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    summary = process_files([str(tree)], str(tmp_path / "out"), invert)
    assert [s for s in dict(summary.failed).values() if "list" in s] == [
        f"cannot list the folder {tree / 'deep' / 'er'}"
    ]
    assert {"a.png", "deep/d.webp"} <= set(names(tmp_path / "out"))
    with pytest.raises(UserError, match=r"cannot list .*er: Permission denied"):
        process_files([str(tree / "deep" / "er")], str(tmp_path / "out"), invert)


def test_errors_of_the_function_are_named(tree, tmp_path):
    def function(picture, name):
        if name == "a.png":
            raise UserError("not enough memory for it")
        if name == "B.JPG":
            raise MemoryError
        return Made(picture)

    summary = process_files([str(tree)], str(tmp_path / "out"), function)
    assert [reason for _, reason in summary.failed] == [
        f"{tree / 'B.JPG'}: not enough memory",
        f"{tree / 'a.png'}: not enough memory for it",
    ]

    def wrong_call(_picture, _name):
        raise UsageError("size 4")

    with pytest.raises(UsageError, match="size 4"):
        process_files([str(tree)], str(tmp_path / "out2"), wrong_call)


def test_existing_results_are_skipped_unless_overwritten(tree, tmp_path):
    out = tmp_path / "out"
    process_files([str(tree / "a.png")], str(out), invert)
    (out / "a.png").write_bytes(b"kept")
    told = []
    summary = process_files(
        [str(tree)], str(out), invert, progress=lambda finished: told.append(finished.outcome)
    )
    assert (out / "a.png").read_bytes() == b"kept"
    assert [path.name for path in summary.skipped] == ["a.png"] and len(summary.done) == 3
    assert sorted(told) == ["done", "done", "done", "skipped"]
    summary = process_files([str(tree)], str(out), invert, overwrite=True)
    assert len(summary.done) == 4 and not summary.skipped
    assert images.read_rgb(out / "a.png")[0, 0, 0] == 254


def test_two_inputs_for_one_place_fail_and_the_others_are_done(tmp_path):
    first, second = put(tmp_path / "x" / "a.png"), put(tmp_path / "y" / "a.png")
    other = put(tmp_path / "y" / "b.png")
    out = tmp_path / "out"
    summary = process_files([str(first), str(second), str(other)], str(out), invert)
    assert names(out) == ["b.png"]  # neither wins by chance
    assert summary.failed == [
        (first, f"{first} and {second} would both be written to {out / 'a.png'}"),
        (second, f"{second} and {first} would both be written to {out / 'a.png'}"),
    ]
    put(tmp_path / "x" / "a.jpg")
    assert not process_files([str(tmp_path / "x")], str(tmp_path / "fine"), invert).failed
    summary = process_files([str(tmp_path / "x")], str(tmp_path / "no"), invert, compare=True)
    assert len(summary.failed) == 2 and "a_compare.png" in summary.failed[0][1]
    summary = process_files([str(tmp_path / "x")], str(tmp_path / "no"), invert, suffix=".png")
    assert len(summary.failed) == 2


def test_results_of_another_format(tree, tmp_path):
    put(tree / "x.gif", 3, "L")
    put(tree / "y.jpeg", 3)
    process_files([str(tree)], str(tmp_path / "own"), invert)
    assert "x.png" in names(tmp_path / "own")  # a GIF has too few colours for a result
    process_files([str(tree)], str(tmp_path / "jpg"), invert, suffix=".jpg")
    assert names(tmp_path / "jpg") == [
        "B.JPG", "a.jpg", "deep/d.jpg", "deep/er/c.jpg", "x.jpg", "y.jpeg",
    ]  # fmt: skip
    with Image.open(tmp_path / "jpg" / "a.jpg") as written:
        assert written.format == "JPEG"
    process_files([str(tree / "a.png")], str(tmp_path / "tail"), invert, tail="_preview")
    assert names(tmp_path / "tail") == ["a_preview.png"]


def test_a_quality_is_for_the_formats_that_have_one(tree, tmp_path):
    put(tree / "noise.jpg").write_bytes(b"")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tree / "noise.jpg", quality=95)
    sizes = {}
    for quality in (20, 95):
        out = tmp_path / str(quality)
        assert not process_files([str(tree)], str(out), invert, quality=quality).failed
        sizes[quality] = (out / "noise.jpg").stat().st_size
    assert sizes[20] < sizes[95] / 2


def test_dates_are_kept(tree, tmp_path):
    os.utime(tree / "a.png", (1_000_000_000, 1_100_000_000))
    process_files([str(tree / "a.png")], str(tmp_path / "out"), invert)
    assert (tmp_path / "out" / "a.png").stat().st_mtime == 1_100_000_000


def test_reading_and_writing_go_on_meanwhile(tree, tmp_path, monkeypatch):
    """While the second picture is worked on the third is read and the first one written."""
    events = {name: threading.Event() for name in ("read c", "written B")}
    read, write = images.read, images.write

    def told_read(path):
        picture = read(path)
        if path.name == "d.webp":
            events["read c"].set()
        return picture

    def told_write(path, *args, **kwargs):
        write(path, *args, **kwargs)
        if path.name == "B.JPG":
            events["written B"].set()

    def function(picture, name):
        if name == "a.png":
            assert all(event.wait(20) for event in events.values())
        return Made(picture)

    monkeypatch.setattr(images, "read", told_read)
    monkeypatch.setattr(images, "write", told_write)
    told = []
    process_files([str(tree)], str(tmp_path / "out"), function, progress=told.append)
    assert [each.job.name for each in told] == TREE
    assert [each.number for each in told] == [1, 2, 3, 4]
    assert all(each.outcome == "done" and each.seconds > 0 for each in told)


def test_few_pictures_are_in_memory(tmp_path, monkeypatch):
    for number in range(12):
        put(tmp_path / "in" / f"{number:02}.png")
    alive, most = [], 0
    read = images.read

    def told_read(path):
        picture = read(path)
        alive.append(weakref.ref(picture))
        return picture

    def function(picture, _name):
        nonlocal most
        most = max(most, sum(each() is not None for each in alive))
        return Made(picture.with_rgb(picture.rgb))

    monkeypatch.setattr(images, "read", told_read)
    process_files([str(tmp_path / "in")], str(tmp_path / "out"), function)
    assert most <= 3


def test_notes_are_passed_on(tree, tmp_path):
    told = []
    process_files(
        [str(tree / "a.png")],
        str(tmp_path / "out"),
        lambda picture, name: Made(picture, f"{name} is sharp"),
        progress=told.append,
    )
    assert told[0].note == "a.png is sharp"


def test_videos_go_to_who_can_restore_them(tree, tmp_path):
    (tree / "clip.mp4").write_bytes(b"video")
    (tree / "broken.mkv").write_bytes(b"video")
    seen = []

    def video(job):
        seen.append((job.name, job.target.name, job.comparison.name))
        if job.name == "broken.mkv":
            raise UserError(f"cannot read {job.source}: it is damaged")
        return "3 frames restored"

    told = []
    summary = process_files(
        [str(tree)], str(tmp_path / "out"), invert, video=video, compare=True, progress=told.append
    )
    assert seen == [
        ("broken.mkv", "broken.mkv", "broken_compare.mkv"),
        ("clip.mp4", "clip.mp4", "clip_compare.mp4"),
    ]
    assert len(summary.done) == 5 and len(summary.failed) == 1
    assert "3 frames restored" in [each.note for each in told]


def test_one_video_and_a_videos_path(tree, tmp_path):
    (tree / "clip.mp4").write_bytes(b"video")
    seen = []
    process_files(
        [str(tree / "clip.mp4")],
        str(tmp_path / "new.mkv"),
        invert,
        video=lambda job: seen.append(job.target) or "",
    )
    assert seen == [tmp_path / "new.mkv"]


def test_the_same_file_twice_is_done_once(tmp_path):
    source = put(tmp_path / "a.png")
    jobs = plan([str(source), str(tmp_path / "*.png"), str(source)], str(tmp_path / "out"))
    assert [job.source for job in jobs] == [source]


def test_an_output_within_the_input_is_no_input(tree):
    out = tree / "restored"
    for _ in range(2):
        process_files([str(tree)], str(out), invert, overwrite=True)
        process_files([str(tree / "**" / "*.*")], str(out), invert, overwrite=True)
    assert names(out) == TREE


def test_in_place_with_overwrite(tree):
    assert len(process_files([str(tree)], str(tree), invert).skipped) == 4
    assert len(process_files([str(tree)], str(tree), invert, overwrite=True).done) == 4
    assert images.read_rgb(tree / "a.png")[0, 0, 0] == 254


def test_loops_of_links_end(tree, tmp_path):
    (tree / "deep" / "up").symlink_to(tree, target_is_directory=True)
    (tree / "deep" / "self").symlink_to(tree / "deep" / "self")
    (tree / "other").symlink_to(tree / "deep", target_is_directory=True)
    process_files([str(tree)], str(tmp_path / "out"), invert)
    assert names(tmp_path / "out") == TREE
    process_files([str(tree / "**" / "*.png")], str(tmp_path / "out2"), invert)
    assert "a.png" in names(tmp_path / "out2")


def test_links_to_pictures_and_dangling_ones(tree, tmp_path):
    (tree / "link.png").symlink_to(tree / "a.png")
    (tree / "gone.png").symlink_to(tree / "nowhere.png")
    summary = process_files([str(tree)], str(tmp_path / "out"), invert)
    assert names(tmp_path / "out") == sorted([*TREE, "link.png"])
    assert [path.name for path, _ in summary.failed] == ["gone.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    summary = process_files([str(tmp_path)], str(tmp_path / "out"), invert)
    assert "not an ordinary file" in summary.failed[0][1]


def test_comparison_shows_both(tmp_path):
    rgb = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    images.write(tmp_path / "a.bmp", rgb)
    process_files([str(tmp_path / "a.bmp")], str(tmp_path / "out"), invert, compare=True)
    assert names(tmp_path / "out") == ["a.bmp", "a_compare.png"]
    both = images.read_rgb(tmp_path / "out" / "a_compare.png")
    np.testing.assert_array_equal(both[:, :5], rgb)
    np.testing.assert_array_equal(both[:, 5 : 5 + GAP], np.full((4, GAP, 3), 255))
    np.testing.assert_array_equal(both[:, 5 + GAP :], 255 - rgb)


def test_a_file_where_the_output_should_be(tree, tmp_path):
    (tmp_path / "file").write_text("")
    called = []
    for output in ("file/out", "file/deep/er/out", "file/b.png"):
        with pytest.raises(UserError, match="file is a file, not a folder"):
            process_files(
                [str(tree / "a.png")], str(tmp_path / output), lambda *a: called.append(a)
            )
    assert not called


def test_an_output_folder_that_is_a_file(tree, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="out is a file, not a folder"):
        process_files([str(tree)], str(tmp_path / "out"), invert)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_full_disk_fails_by_name_and_leaves_nothing(tree, tmp_path, monkeypatch):
    real = tempfile.mkstemp

    def full(*args, **kwargs):
        if "a.png" in kwargs["prefix"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **kwargs)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    summary = process_files([str(tree)], str(tmp_path / "out"), invert)
    assert names(tmp_path / "out") == [name for name in TREE if name != "a.png"]
    (source, reason), *others = summary.failed
    assert source == tree / "a.png" and not others
    assert reason == f"cannot write {tmp_path / 'out' / 'a.png'}: no space left on device"


def test_an_interrupt_passes_through_and_leaves_nothing(tree, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process_files([str(tree)], str(tmp_path / "out"), interrupted)
    from deblur_jax.images import writing

    monkeypatch.setattr(writing, "_encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process_files([str(tree)], str(tmp_path / "out"), invert)
    assert names(tmp_path) == names(Path(tmp_path)) and not (tmp_path / "out" / "a.png").exists()
    assert not list(tmp_path.rglob("*.part"))
