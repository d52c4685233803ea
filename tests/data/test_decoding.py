"""Stores are made once, whole, of exactly what the files hold, or not at all."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deblur_jax import images
from deblur_jax.data import decoding, keeping, sources
from deblur_jax.data.decoding import Part, make_store
from deblur_jax.data.sources import Adapted, FilePair
from deblur_jax.data.store import Store, open_store
from deblur_jax.errors import UsageError, UserError

SIZES = [(24, 40), (40, 24), (16, 16), (33, 47)]
ROOT = Path(decoding.__file__).parents[2]


def save(path: Path, pixels: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Four pairs of PNGs of four sizes."""
    for number, size in enumerate(SIZES):
        for twin in ("blur", "sharp"):
            pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            save(tmp_path / "pairs" / twin / f"{number}.png", pixels)
    return tmp_path / "pairs"


def part(folder: Path, protocol: str = "full", match_means: bool = False) -> Part:
    found = [Adapted(s, protocol, "bicubic", match_means) for s in sources.find(folder)]
    return Part("some", found)


def make(folder: Path, cache: Path | None = None, **options: Any) -> Store:
    return make_store([part(folder)], cache=cache, **({"memory_bytes": 0} | options))


def assert_holds(store: Store, folder: Path, names: list[str]) -> None:
    """The store's pairs are those files as Pillow reads them."""
    assert list(store.names) == names
    for number, name in enumerate(names):
        for got, twin in zip(store.pair(number), ("blur", "sharp"), strict=True):
            with Image.open(folder / twin / name) as picture:
                np.testing.assert_array_equal(got, np.asarray(picture))


@dataclass(frozen=True)
class Gray:
    """A pool of flat pictures."""

    count: int = 2
    size: int = 8
    stamp: Any = 0
    label: str = "made"

    @property
    def labels(self) -> list[str]:
        return [self.label] * self.count

    def sound(self) -> tuple["Gray", list[str]]:
        return self, []

    def make(self, blurred: Any, sharp: Any) -> None:
        assert blurred.shape == sharp.shape == (self.count, self.size, self.size, 3)
        for number in reversed(range(self.count)):
            blurred[number] = np.full((self.size, self.size, 3), 100 + number, np.uint8)
            sharp[number] = np.full((self.size, self.size, 3), 200 + number, np.uint8)


NAMES = ["0.png", "1.png", "2.png", "3.png"]


def test_memory_and_disk_hold_the_files_pixels(folder: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    disk = make(folder, tmp_path / "cache", report=lines.append)
    memory = make(folder, None)
    small = make(folder, tmp_path / "cache2", memory_bytes=10**6)
    for store in (disk, memory, small):
        assert_holds(store, folder, NAMES)
        assert store.parts == ("some",) * 4 and store.left_out == ()
    assert disk.folder is not None and disk.folder.parent == tmp_path / "cache"
    assert memory.folder is small.folder is None and not (tmp_path / "cache2").exists()
    assert disk.fingerprint == memory.fingerprint == small.fingerprint
    assert len(lines) == 1 and "decoding 4 pairs once" in lines[0]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [disk.folder.name]


def test_made_pairs_stand_behind_those_that_are_read(folder: Path, tmp_path: Path) -> None:
    for cache in (None, tmp_path / "cache"):
        store = make_store([part(folder)], Gray(), cache=cache, memory_bytes=0)
        assert list(store.names) == [*NAMES, "000000", "000001"]
        assert store.parts == ("some",) * 4 + ("made",) * 2
        for number in range(2):
            blurred, sharp = store.pair(4 + number)
            assert blurred.shape == sharp.shape == (8, 8, 3)
            assert (blurred == 100 + number).all() and (sharp == 200 + number).all()


def test_a_second_call_decodes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    whole = FilePair.read
    monkeypatch.setattr(FilePair, "read", lambda self: reads.append(self.name) or whole(self))
    make(folder, tmp_path / "cache")
    assert sorted(reads) == NAMES
    lines: list[str] = []
    assert_holds(make(folder, tmp_path / "cache", report=lines.append), folder, NAMES)
    assert len(reads) == 4 and "4 pairs, decoded before" in lines[0]
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / "pairs", copy_function=shutil.copy2)
    make(moved, tmp_path / "cache")
    assert len(reads) == 4  # the same files at another place


def test_whatever_changes_the_pixels_makes_another_store(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    def fingerprint(*parts: Part, pool: Any = None, **options: Any) -> str:
        return make_store(list(parts), pool, cache=cache, memory_bytes=0, **options).fingerprint

    seen = {
        "plain": fingerprint(part(folder)),
        "half": fingerprint(part(folder, "half")),
        "means": fingerprint(part(folder, match_means=True)),
        "nearest": fingerprint(
            Part("some", [Adapted(s, "half", "nearest", False) for s in sources.find(folder)])
        ),
        "skip": fingerprint(part(folder), skip_broken=True),
        "pool": fingerprint(part(folder), pool=Gray()),
        "count": fingerprint(part(folder), pool=Gray(count=3)),
        "size": fingerprint(part(folder), pool=Gray(size=9)),
        "seed": fingerprint(part(folder), pool=Gray(stamp=1)),
        "label": fingerprint(Part("other", part(folder).sources)),
        "fewer": fingerprint(Part("some", part(folder).sources[:3])),
    }
    os.utime(folder / "sharp" / "1.png", ns=(1, 1))
    seen["time"] = fingerprint(part(folder))
    with (folder / "sharp" / "1.png").open("ab") as stream:
        stream.write(b" ")
    os.utime(folder / "sharp" / "1.png", ns=(1, 1))
    seen["length"] = fingerprint(part(folder))
    (folder / "sharp").rename(folder / "target")
    (folder / "blur").rename(folder / "input")
    assert len(set(seen.values())) == len(seen)
    assert len(list(cache.iterdir())) == len(seen)


def test_twins_of_one_size_and_time_in_other_folders_are_told_apart(tmp_path: Path) -> None:
    for value, twin in ((1, "blur"), (2, "blur_gamma"), (3, "sharp")):
        path = tmp_path / twin / "0.bmp"
        save(path, np.full((8, 8, 3), value, np.uint8))
        os.utime(path, ns=(5, 5))
    stores = [
        make_store([Part("", sources.find(tmp_path, subset=s))], cache=None)
        for s in ("linear", "gamma")
    ]
    assert [store.pair(0)[0].max() for store in stores] == [1, 2]
    assert stores[0].fingerprint != stores[1].fingerprint


@pytest.mark.parametrize("differ", [slice(None), slice(40, 80)], ids=["whole", "letterbox"])
def test_data_sets_of_the_same_names_sizes_and_times_are_told_apart(
    differ: slice, tmp_path: Path
) -> None:
    for value, place in enumerate(("a", "b")):
        pixels = np.zeros((120, 200, 3), np.uint8)
        pixels[differ] = 100 + value
        for twin in ("blur", "sharp"):
            path = tmp_path / place / "pairs" / twin / "0.bmp"
            save(path, pixels)
            os.utime(path, ns=(5, 5))
    one, two = (make(tmp_path / place / "pairs", tmp_path / "cache") for place in ("a", "b"))
    assert one.folder != two.folder and one.fingerprint != two.fingerprint
    assert [store.pair(0)[1].max() for store in (one, two)] == [100, 101]


def test_array_files_of_the_same_name_size_and_time_are_told_apart(tmp_path: Path) -> None:
    stores = []
    for value, place in enumerate(("a", "b")):
        pixels = np.zeros((3, 64, 64, 3), np.uint8)
        pixels[1, 30, 30] = value
        path = tmp_path / place / "pairs.npz"
        path.parent.mkdir()
        np.savez(path, blurred=pixels, sharp=pixels)
        os.utime(path, ns=(5, 5))
        part = Part("some", sources.find(path))
        stores.append(make_store([part], cache=tmp_path / "cache", memory_bytes=0))
    assert [store.pair(1)[0].max() for store in stores] == [0, 1]


@pytest.mark.parametrize("name", ["blurred.npy", "sharp.npy", "pairs.json"])
@pytest.mark.parametrize("how", ["cut", "gone"])
def test_a_damaged_store_is_made_anew(name: str, how: str, folder: Path, tmp_path: Path) -> None:
    store = make(folder, tmp_path / "cache")
    assert store.folder is not None
    path = store.folder / name
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    again = make(folder, tmp_path / "cache")
    assert_holds(again, folder, NAMES)
    assert again.folder == store.folder and list((tmp_path / "cache").iterdir()) == [store.folder]


def test_threads_that_make_it_at_once_all_get_it_whole(folder: Path, tmp_path: Path) -> None:
    for turn in range(8):
        with ThreadPoolExecutor(6) as pool:
            cache = tmp_path / f"cache{turn}"
            stores = list(pool.map(lambda _, c=cache: make(folder, c), range(6)))
        for store in stores:
            assert_holds(store, folder, NAMES)
            assert store.blurred.pixels.shape == stores[0].blurred.pixels.shape
        assert len(list(cache.iterdir())) == 1


def test_processes_that_make_it_at_once_all_get_it_whole(folder: Path, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from deblur_jax.data import sources
from deblur_jax.data.decoding import Part, make_store
input()
for turn in range(20):
    part = Part("some", sources.find({str(folder)!r}))
    cache = Path({str(tmp_path)!r}) / f"cache{{turn}}"
    print(make_store([part], cache=cache, memory_bytes=0).sha256())
"""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    expected = make_store([Part("some", sources.find(folder))], cache=None).sha256()
    for process in running:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert out.split() == [expected] * 20


def test_an_interrupted_making_leaves_nothing_behind(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (KeyboardInterrupt(), SystemExit(143), OSError(28, "No space left on device")):

        def stop(self: Any, *_: Any, error: BaseException = error) -> None:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(decoding.FileCanvas, "write", stop)
            expected = UserError if isinstance(error, OSError) else type(error)
            with pytest.raises(expected) as caught:
                make(folder, tmp_path / "cache")
        if isinstance(error, OSError):
            assert re.search(r"cannot write .*cache: no space left on device$", str(caught.value))
        assert list((tmp_path / "cache").iterdir()) == []
    assert_holds(make(folder, tmp_path / "cache"), folder, NAMES)


def test_a_disk_without_room_is_one_sentence_before_anything_is_decoded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1000))
    monkeypatch.setattr(FilePair, "read", lambda self: pytest.fail("decoded"))
    with pytest.raises(UserError, match=r"cache has 0\.0 GB free: set data\.cache") as caught:
        make(folder, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.*a file is where a folder should be"):
        make(folder, tmp_path / "file" / "cache")

    def refuse(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr(keeping.tempfile, "mkdtemp", refuse)
    with pytest.raises(UserError, match=r"cannot write .*cache: permission denied$"):
        make(folder, tmp_path / "cache")


def test_a_cache_that_cannot_be_looked_into_hinders_no_small_store(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.stat

    def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
        if "secret" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refuse)
    store = make(folder, tmp_path / "secret", memory_bytes=10**6)
    assert_holds(store, folder, NAMES)


def test_a_store_may_be_shared_as_the_users_mask_says(folder: Path, tmp_path: Path) -> None:
    store = make(folder, tmp_path / "cache")
    assert store.folder is not None
    (tmp_path / "other").mkdir()
    assert store.folder.stat().st_mode == (tmp_path / "other").stat().st_mode


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def headless(path: Path) -> None:
    path.write_bytes(b"no picture at all")


def encoded(suffix: str, then: Callable[[Path], None]) -> Callable[[Path], Path]:
    def damage(path: Path) -> Path:
        pixels = images.read_rgb(path)
        path.unlink()
        save(path.with_suffix(suffix), pixels)
        then(path.with_suffix(suffix))
        return path.with_suffix(suffix)

    return damage


def replaced(pixels: np.ndarray) -> Callable[[Path], Path]:
    def damage(path: Path) -> Path:
        save(path, pixels)
        return path

    return damage


def deep(path: Path) -> Path:
    pixels = np.zeros((*SIZES[1], 3), np.uint16)
    images.write(path, images.Picture(rgb=pixels))
    return path


DAMAGES: dict[str, Callable[[Path], Path]] = {
    "png cut": encoded(".png", truncated),
    "jpeg cut": encoded(".jpg", truncated),
    "webp cut": encoded(".webp", truncated),
    "png headless": encoded(".png", headless),
    "jpeg headless": encoded(".jpg", headless),
    "webp headless": encoded(".webp", headless),
    "empty": encoded(".png", lambda path: path.write_bytes(b"") and None),
    "gray": replaced(np.zeros(SIZES[1], np.uint8)),
    "deep": deep,
    "small": replaced(np.zeros((39, 24, 3), np.uint8)),
    "sideways": replaced(np.zeros((24, 40, 3), np.uint8)),
}


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_pair_is_named_or_left_out(
    damage: str, on_disk: bool, folder: Path, tmp_path: Path
) -> None:
    path = DAMAGES[damage](folder / "sharp" / "1.png")
    cache = tmp_path / "cache" if on_disk else None
    with pytest.raises(UserError) as caught:
        make(folder, cache)
    assert str(path) in str(caught.value) and "data.skip_broken=True" in str(caught.value)
    assert "\n" not in str(caught.value)
    if cache is not None and cache.exists():
        assert list(cache.iterdir()) == []
    for turn in range(2):  # the second may open what the first has made
        lines: list[str] = []
        store = make(folder, cache, skip_broken=True, report=lines.append)
        assert_holds(store, folder, ["0.png", "2.png", "3.png"])
        assert len(store.left_out) == 1 and str(path) in store.left_out[0]
        said = [line for line in lines if line.startswith("left out 1 pair")]
        assert len(said) == 1 and str(path) in said[0], turn


def test_what_could_not_be_read_once_is_tried_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a disk is gone for a while: the store that lacks the pair is no answer for ever."""
    cache, broken, reads = tmp_path / "cache", {"1.png", "2.png"}, []
    whole = FilePair.read

    def read(self: FilePair) -> Any:
        reads.append(self.name)
        if self.name in broken:
            raise UserError(f"cannot read {self.name}: input/output error")
        return whole(self)

    monkeypatch.setattr(FilePair, "read", read)
    first = make(folder, cache, skip_broken=True)
    assert_holds(first, folder, ["0.png", "3.png"])
    reads.clear()
    assert_holds(make(folder, cache, skip_broken=True), folder, ["0.png", "3.png"])
    assert sorted(reads) == ["1.png", "2.png"]  # the others are in the store
    for left in ({"2.png"}, set()):
        broken = left
        lines: list[str] = []
        store = make(folder, cache, skip_broken=True, report=lines.append)
        assert_holds(store, folder, sorted(set(NAMES) - left))
        assert lines[0] == "what was left out before can be used now"
        assert len(store.left_out) == len(left)
        assert list(cache.iterdir()) == [store.folder]
    reads.clear()
    assert_holds(make(folder, cache, skip_broken=True), folder, NAMES)
    assert reads == [] and first.folder == store.folder


@dataclass(frozen=True)
class Lying:
    """A source whose header says another size than its pictures have."""

    said: tuple[int, int]
    name: str = "odd.png"
    scene: str = ""
    stamp: Any = 0

    def size(self) -> tuple[int, int]:
        return self.said

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        picture = np.full((12, 20, 3), 9, np.uint8)
        return picture, picture


@pytest.mark.parametrize("said", [(12, 21), (13, 20), (20, 12), (6, 10)])
def test_a_picture_of_another_size_than_its_header_says_is_refused(
    said: tuple[int, int], folder: Path
) -> None:
    parts = [Part("odd", [Lying(said)]), part(folder)]
    sentence = f"odd.png is 20x12 pixels, but its header says {said[1]}x{said[0]}"
    with pytest.raises(UserError, match=sentence):
        make_store(parts, cache=None)
    store = make_store(parts, cache=None, skip_broken=True)
    assert_holds(store, folder, NAMES)  # nothing was written over them
    assert store.left_out == (sentence,)
    assert len(make_store([Part("odd", [Lying((12, 20))])], cache=None)) == 1


def test_all_broken_pairs_are_counted_and_three_are_named(folder: Path, tmp_path: Path) -> None:
    for name in NAMES:
        truncated(folder / "sharp" / name)
    with pytest.raises(UserError) as caught:
        make(folder)
    named = [name for name in NAMES if str(folder / "sharp" / name) in str(caught.value)]
    assert len(named) == 3 and "and 1 more" in str(caught.value)
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(UsageError, match="none of 4 pairs can be used"):
            make(folder, cache, skip_broken=True)
    assert list((tmp_path / "cache").iterdir()) == []
    store = make_store([part(folder)], Gray(), cache=None, skip_broken=True)
    assert store.parts == ("made", "made") and len(store.left_out) == 4


def test_no_pairs_at_all_is_said() -> None:
    with pytest.raises(UsageError, match="no pairs to train on"):
        make_store([], cache=None)


@pytest.mark.parametrize("workers", [1, 7])
def test_the_number_of_threads_changes_nothing(workers: int, folder: Path) -> None:
    assert make(folder, workers=workers).sha256() == make(folder).sha256()


def test_a_store_survives_being_moved(folder: Path, tmp_path: Path) -> None:
    store = make(folder, tmp_path / "cache")
    assert store.folder is not None
    assert_holds(open_store(store.folder.rename(tmp_path / "moved")), folder, NAMES)


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_makes_is_not(
    tmp_path: Path, folder: Path
) -> None:
    cache = tmp_path / "cache"
    dead, alive = cache / "a.dead.part", cache / "b.alive.part"
    for partial in (dead, alive):
        (partial / "whole").mkdir(parents=True)
    held = os.open(alive, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    store = make(folder, cache)
    assert sorted(cache.iterdir()) == sorted([alive, store.folder])
    os.close(held)
