"""What a configuration trains on: which pairs, how often, and what it leaves out."""

import functools
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absl import flags
from gopro_tree import FRAMES, SMALL, TRAIN, VALIDATION, make_tree
from ml_collections import config_flags
from PIL import Image

from configs import default
from deblur_jax import compiler
from deblur_jax.data import gopro, synthetic, training_set
from deblur_jax.data.decoding import Part, make_store
from deblur_jax.data.sources import FilePair, find
from deblur_jax.data.training_set import TrainingSet, gather
from deblur_jax.errors import UsageError, UserError


def write_pairs(folder: Path, sizes: list[tuple[int, int]], seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    for twin in ("blur", "sharp"):
        (folder / twin).mkdir(parents=True)
        for number, (height, width) in enumerate(sizes):
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / twin / f"{number}.png")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """one/ with three pairs, two/ with two, photographs/."""
    write_pairs(tmp_path / "one", [(20, 30), (24, 18), (18, 18)])
    write_pairs(tmp_path / "two", [(40, 20), (22, 22)], seed=1)
    (tmp_path / "photographs").mkdir()
    rng = np.random.default_rng(2)
    for number in range(2):
        pixels = rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photographs" / f"{number}.png")
    return tmp_path


def settings(root: Path, **changes: Any) -> Any:
    data = default.get_config().data
    data.root, data.crop, data.cache = str(root), 16, "memory"
    for name, value in changes.items():
        data[name] = value
    return data


def visits(found: TrainingSet) -> dict[tuple[str, str], int]:
    """How often each (part, name) stands in an epoch."""
    pairs = list(zip(found.store.parts, found.store.names, strict=True))
    return dict(Counter(pairs[number] for number in found.entries))


def held_out(data: Any, least: int, **options: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    store = training_set.validation_pairs(data, least, **options)
    assert store is not None
    return [store.pair(number) for number in range(len(store))]


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_mixture_visits_each_folders_pairs_as_often_as_it_says(root: Path) -> None:
    lines: list[str] = []
    found = gather(settings(root, mixture=(("one", 1), ("two", 3))), seed=0, report=lines.append)
    assert visits(found) == {
        ("one", "0.png"): 1,
        ("one", "1.png"): 1,
        ("one", "2.png"): 1,
        ("two", "0.png"): 3,
        ("two", "1.png"): 3,
    }
    assert found.entries.dtype == np.int32
    assert [line[: len("3 pairs from one")] for line in lines] == [
        "3 pairs from one",
        "2 pairs from two",
    ]
    assert "3 times an epoch" in lines[1]
    for number, (part, name) in enumerate(zip(found.store.parts, found.store.names, strict=True)):
        blurred, sharp = found.store.pair(number)
        np.testing.assert_array_equal(blurred, opened(root / part / "blur" / name))
        np.testing.assert_array_equal(sharp, opened(root / part / "sharp" / name))


def test_synthetic_pairs_are_those_of_the_pool(root: Path) -> None:
    data = settings(
        root, mixture=(("one", 2),), photographs="photographs", synthetic=3, synthetic_size=24
    )
    data.shares.update({"camera": 0.0, "trajectory": 0.0})  # quickly compiled
    found = gather(data, seed=5)
    assert [part.split("/")[0] for part in found.store.parts] == ["one"] * 3 + ["synthetic"] * 3
    assert sorted(visits(found).values()) == [1, 1, 1, 2, 2, 2]
    shares = {f"{name}_share": share for name, share in data.shares.items()}
    photographs = sorted((root / "photographs").iterdir())
    pool = synthetic.make_pool(photographs, 3, size=24, seed=5, **shares)
    for number in range(3):
        for got, expected in zip(found.store.pair(3 + number), pool, strict=True):
            np.testing.assert_array_equal(got, expected[number])


def test_synthetic_pairs_are_large_enough_to_be_turned(root: Path) -> None:
    data = settings(root, photographs="photographs", synthetic=1, synthetic_size=16)
    data.shares.update({"camera": 0.0, "trajectory": 0.0})
    assert gather(data, seed=0, window=30).store.pair(0)[0].shape == (30, 30, 3)


def test_the_stamp_of_a_pool_names_all_that_decides_its_pixels(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = settings(root, photographs="photographs", synthetic_size=24)
    text = lambda **how: json.dumps(  # noqa: E731
        training_set.synthetic_pool(data, **({"count": 2, "seed": 0} | how)).stamp
    )
    before = text()
    assert text() == before and text(seed=1) != before
    with monkeypatch.context() as patched:
        patched.setattr(synthetic, "VERSION", 99)
        assert text() != before
    data.shares.noise = 0.25
    assert text() != before
    data.shares.noise = 0.5
    assert text() == before
    with (root / "photographs" / "0.png").open("ab") as stream:
        stream.write(b" ")
    assert text() != before


@pytest.mark.parametrize("hidden", ["._0.png", ".cache/0.png"])
def test_hidden_files_are_no_photographs(hidden: str, root: Path) -> None:
    folder = root / "photographs"
    before = training_set.photograph_paths(folder)
    (folder / hidden).parent.mkdir(exist_ok=True)
    (folder / hidden).write_bytes(b"no picture")
    (folder / "folder.png").mkdir()
    assert training_set.photograph_paths(folder) == before == sorted(folder.glob("?.png"))
    # What lies above the folder is the user's own business.
    shutil.copytree(folder, root / ".hidden" / "photographs")
    assert len(training_set.photograph_paths(root / ".hidden" / "photographs")) == 2


def dead_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere.png")


def no_picture(path: Path) -> None:
    path.write_bytes(b"no picture")


def half_a_picture(path: Path) -> None:
    whole = (path.parent / "0.png").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("damage", [dead_link, no_picture, half_a_picture])
def test_a_photograph_that_cannot_be_used_is_named_first_or_left_out(
    damage: Any, on_disk: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_disk:
        monkeypatch.setitem(make_store.__kwdefaults__, "memory_bytes", 0)
    how = {"photographs": "photographs", "synthetic": 3, "synthetic_size": 24}
    data = settings(root, mixture=(("one", 1),), **how)
    data.shares.update({"camera": 0.0, "trajectory": 0.0})  # quickly compiled
    data.cache = str(root / "cache") if on_disk else "memory"
    expected = gather(data, seed=5).store.sha256()
    damage(root / "photographs" / "x.png")
    with monkeypatch.context() as patched:
        patched.setattr(FilePair, "read", lambda self: pytest.fail("pairs were decoded before"))
        with pytest.raises(UserError, match=r"photographs/x\.png.*skip_broken") as caught:
            gather(data, seed=5)
    assert "\n" not in str(caught.value)
    data.skip_broken = True
    for _ in range(2):  # the second may open what the first has made
        lines: list[str] = []
        store = gather(data, seed=5, report=lines.append).store
        # As if it were not there.
        assert store.sha256() == expected and len(store.left_out) == 1
        said = [line for line in lines if line.startswith("left out 1 photographs")]
        assert len(said) == 1 and "photographs/x.png" in said[0]
        assert not any("pairs that cannot be used" in line for line in lines)
    for name in ("0.png", "1.png"):
        (root / "photographs" / name).write_bytes(b"")
    with pytest.raises(UserError, match="none of 3 photographs can be used"):
        gather(data, seed=5)


def test_photographs_of_one_name_and_size_are_told_apart(tmp_path: Path) -> None:
    stamps = []
    for value, place in enumerate(("a", "b")):
        path = tmp_path / place / "0.bmp"
        path.parent.mkdir()
        Image.new("RGB", (80, 80), (value, 0, 0)).save(path)
        data = settings(tmp_path, photographs=place, synthetic_size=24)
        stamps.append(training_set.synthetic_pool(data, count=1, seed=0).stamp)
    assert stamps[0] != stamps[1]


def test_a_photograph_that_is_a_dead_link_is_named(root: Path) -> None:
    (root / "photographs" / "x.png").symlink_to(root / "nowhere.png")
    with pytest.raises(UserError, match=r"photographs/x\.png"):
        gather(settings(root, photographs="photographs", synthetic=1, synthetic_size=24), seed=0)


def test_pairs_of_the_users_own_take_the_place_of_the_presets_data(root: Path) -> None:
    data = settings(
        root / "nowhere",
        mixture=(("one", 7),),
        photographs="none",
        synthetic=4,
        pairs=str(root / "two"),
    )
    assert visits(gather(data, seed=0)) == {("two", "0.png"): 1, ("two", "1.png"): 1}


def test_a_preset_without_pairs_says_so(root: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.pairs names no folder"):
        gather(settings(root), seed=0)


def test_an_array_file_may_be_the_pairs(root: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 20, 20, 3), dtype=np.uint8)
    np.savez(root / "pairs.npz", blurred=pixels[0], sharp=pixels[1])
    found = gather(settings(root, pairs=str(root / "pairs.npz")), seed=0)
    assert visits(found) == {("pairs.npz", f"{number:06d}"): 1 for number in range(3)}
    for number in range(3):
        np.testing.assert_array_equal(np.stack(found.store.pair(number)), pixels[:, number])


def test_decoded_pairs_may_be_given_as_a_folder(root: Path) -> None:
    store = make_store([Part("x", find(root / "one"))], cache=root / "cache", memory_bytes=0)
    assert store.folder is not None
    folder = shutil.move(store.folder, root / "decoded")
    shutil.rmtree(root / "one")
    lines: list[str] = []
    found = gather(settings(root, pairs=str(folder)), seed=0, report=lines.append)
    assert not any("left out" in line for line in lines)
    assert found.store.folder == folder and found.store.fingerprint == store.fingerprint
    assert visits(found) == {("x", f"{number}.png"): 1 for number in range(3)}
    with pytest.raises(UserError, match=r"1\.png is 18x24 pixels, smaller than .*19x19"):
        gather(settings(root, pairs=str(folder), crop=19), seed=0)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    small = functools.partial(gopro.split_pairs, contents=SMALL)
    monkeypatch.setattr(gopro, "split_pairs", small)
    yield make_tree(tmp_path / "GOPRO_Large")


@pytest.mark.parametrize(("subset", "part"), [("linear", "blur"), ("gamma", "blur_gamma")])
def test_a_split_of_gopro_is_trained_on(subset: str, part: str, tree: Path) -> None:
    found = gather(
        settings(tree, pairs=str(tree), split="train_fit", subset=subset, crop=8), seed=0
    )
    scenes = [scene for scene in TRAIN if scene not in VALIDATION]
    expected = {("GOPRO_Large", f"{scene}/{frame}"): 1 for scene in scenes for frame in FRAMES}
    assert visits(found) == expected
    picture = opened(tree / "train" / TRAIN[0] / part / FRAMES[0])
    np.testing.assert_array_equal(found.store.pair(0)[0], picture)


def test_validation_pairs_are_those_of_the_split(tree: Path) -> None:
    data = settings(tree, validation=str(tree), validation_split="validation", pairs="x")
    pairs = held_out(data, 8)
    assert len(pairs) == 2
    for (blurred, sharp), frame in zip(pairs, FRAMES, strict=True):
        folder = tree / "train" / VALIDATION[0]
        np.testing.assert_array_equal(blurred, opened(folder / "blur" / frame))
        np.testing.assert_array_equal(sharp, opened(folder / "sharp" / frame))
    with pytest.raises(UserError, match=r"GOPRO_Large .*12x8 pixels, smaller than 9x9"):
        training_set.validation_pairs(data, 9)


def test_the_presets_validation_belongs_to_its_own_data(root: Path) -> None:
    data = settings(root, mixture_validation="two", mixture=(("one", 1),))
    assert len(held_out(data, 4)) == 2
    data.pairs = str(root / "one")
    assert training_set.validation_pairs(data, 4) is None
    data.validation = str(root / "one")
    assert len(held_out(data, 4)) == 3


@pytest.mark.parametrize("on_disk", [False, True])
def test_validation_leaves_out_what_training_would(
    on_disk: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_disk:
        monkeypatch.setitem(make_store.__kwdefaults__, "memory_bytes", 0)
    (root / "one" / "sharp" / "0.png").write_bytes(b"")
    cache = str(root / "cache") if on_disk else "memory"
    data = settings(root, validation=str(root / "one"), cache=cache)
    with pytest.raises(UserError, match=r"one/sharp/0\.png.*data\.skip_broken=True"):
        training_set.validation_pairs(data, 16)
    data.skip_broken = True
    lines: list[str] = []
    pairs = held_out(data, 18, report=lines.append)
    assert len(pairs) == 2
    for (blurred, sharp), name in zip(pairs, ("1.png", "2.png"), strict=True):
        np.testing.assert_array_equal(blurred, opened(root / "one" / "blur" / name))
        np.testing.assert_array_equal(sharp, opened(root / "one" / "sharp" / name))
    assert any(line.startswith("left out 1 pair") and "0.png" in line for line in lines)
    write_pairs(root / "three", [(19, 25), (30, 30), (31, 18)])
    data.validation = str(root / "three")
    lines.clear()
    (pair,) = held_out(data, 20, report=lines.append)
    np.testing.assert_array_equal(pair[0], opened(root / "three" / "blur" / "1.png"))
    assert "left out 2 pairs that are too small" in lines[-1] and "25x19" in lines[-1]
    with pytest.raises(UserError, match="smaller than 99x99"):
        training_set.validation_pairs(data, 99)


def test_validation_pairs_of_a_large_set_lie_on_the_disk(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(make_store.__kwdefaults__, "memory_bytes", 0)
    data = settings(root, validation=str(root / "one"), cache=str(root / "cache"))
    store = training_set.validation_pairs(data, 16)
    assert store is not None and store.folder is not None
    assert store.folder.parent == root / "cache"


def test_pairs_too_small_for_a_crop_are_named_or_left_out(root: Path) -> None:
    data = settings(root, mixture=(("one", 1), ("two", 2)), crop=20)
    with pytest.raises(UserError) as caught:
        gather(data, seed=0)
    assert "1.png is 18x24 pixels, smaller than the crop of 20x20" in str(caught.value)
    assert "and 1 more such pair" in str(caught.value) and "\n" not in str(caught.value)
    data.skip_broken = True
    lines: list[str] = []
    found = gather(data, seed=0, report=lines.append)
    assert visits(found) == {("one", "0.png"): 1, ("two", "0.png"): 2, ("two", "1.png"): 2}
    assert any(line.startswith("left out 2 pairs that are too small") for line in lines)
    assert any(line.startswith("1 pairs from one") for line in lines)
    data.crop = 300
    with pytest.raises(UserError, match="smaller than"):
        gather(data, seed=0)


def test_a_window_and_a_protocol_are_named_where_they_make_pairs_too_small(root: Path) -> None:
    data = settings(root, pairs=str(root / "two"))
    with pytest.raises(UserError, match=r"smaller than the 23x23 that a crop of 16 needs"):
        gather(data, seed=0, window=23)
    data.protocol = "half"
    with pytest.raises(UserError, match=r"10x20 pixels with data\.protocol='half', smaller than"):
        gather(data, seed=0)


def test_broken_pairs_are_left_out_of_every_epoch(root: Path) -> None:
    (root / "one" / "sharp" / "0.png").write_bytes(b"")
    data = settings(root, mixture=(("one", 2), ("two", 1)))
    with pytest.raises(UserError, match=r"one/sharp/0\.png"):
        gather(data, seed=0)
    data.skip_broken = True
    lines: list[str] = []
    found = gather(data, seed=0, report=lines.append)
    assert visits(found) == {
        ("one", "1.png"): 2,
        ("one", "2.png"): 2,
        ("two", "0.png"): 1,
        ("two", "1.png"): 1,
    }
    assert any(line.startswith("left out 1 pair") and "0.png" in line for line in lines)


@pytest.mark.parametrize("named", ["", "cache"])
def test_large_stores_lie_in_the_cache(
    named: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(compiler.CACHE_VARIABLE, str(root / "users"))
    monkeypatch.setitem(make_store.__kwdefaults__, "memory_bytes", 0)
    cache = root / "cache" if named else root / "users" / "pairs"
    found = gather(settings(root, pairs=str(root / "one"), cache=named and str(cache)), seed=0)
    assert found.store.folder is not None and found.store.folder.parent == cache
    memory = gather(settings(root, pairs=str(root / "one"), cache="memory"), seed=0)
    assert memory.store.folder is None and memory.store.sha256() == found.store.sha256()


@pytest.mark.parametrize("often", [0, -1, 2.7])
def test_a_part_that_stands_no_whole_number_of_times_is_refused(root: Path, often: float) -> None:
    data = settings(root)
    data.unlock()
    data.mixture = (("one", often),)
    with pytest.raises(UsageError, match=f"one {often} times an epoch"):
        gather(data, seed=0)


def test_a_folder_that_holds_train_and_test_is_not_trained_on_as_a_whole(tmp_path: Path) -> None:
    make_tree(tmp_path / "GOPRO_Large")
    with pytest.raises(UsageError, match=r"holds train/ and test/.*data\.split"):
        gather(settings(tmp_path, pairs=str(tmp_path / "GOPRO_Large")), seed=0)
    found = gather(settings(tmp_path, pairs=str(tmp_path / "GOPRO_Large/train"), crop=8), seed=0)
    assert len(found.store) == SMALL.train_pairs


def test_decoded_pairs_say_what_was_left_out_of_them(root: Path) -> None:
    (root / "one" / "sharp" / "0.png").write_bytes(b"")
    part = Part("one", find(root / "one"))
    store = make_store([part], cache=root / "cache", memory_bytes=0, skip_broken=True)
    lines: list[str] = []
    assert len(gather(settings(root, pairs=str(store.folder)), seed=0, report=lines.append).entries)
    said = [line for line in lines if line.startswith("left out 1 pairs that cannot be used")]
    assert len(said) == 1 and "one/sharp/0.png" in said[0]


def test_decoded_pairs_cannot_be_decoded_otherwise(root: Path, tmp_path: Path) -> None:
    part = Part("one", find(root / "one"))
    store = make_store([part], cache=tmp_path / "cache", memory_bytes=0)
    assert len(gather(settings(root, pairs=str(store.folder)), seed=0).store) == 3
    with pytest.raises(UsageError, match=r"data\.protocol='half' comes too late"):
        gather(settings(root, pairs=str(store.folder), protocol="half"), seed=0)


def test_validation_scores_the_pictures_as_they_are(root: Path) -> None:
    data = settings(root, validation=str(root / "one"), match_means=True)
    pairs = held_out(data, 16)
    np.testing.assert_array_equal(pairs[0][0], opened(root / "one/blur/0.png"))
    with pytest.raises(UserError, match="18x24 pixels, smaller than 20x20"):
        training_set.validation_pairs(data, 20)


@pytest.mark.parametrize(
    "value",
    [
        "photographs",
        ("photographs", "more"),
        [["photographs", 1], ["more", 3]],
        ("photographs", ["more", 3]),
        ("photographs", "more", ("more", 2), "scikit-image"),
    ],
)
def test_photographs_may_lie_in_several_folders(value: Any, root: Path) -> None:
    """Values as Python and JSON have them, each with another weight."""
    (root / "more").mkdir()
    Image.new("RGB", (90, 90), (9, 9, 9)).save(root / "more" / "0.png")
    pool = training_set.synthetic_pool(settings(root, photographs=value), count=8, seed=0)
    folders = dict.fromkeys(path.parent.name for path in pool.photographs)
    expected = {"photographs": 2}
    if not isinstance(value, str):
        expected["more"] = 3 if len(value) > 2 or "more" not in value else 1
        assert pool.times == {
            path: expected["more"] if path.parent.name == "more" else 1 for path in pool.photographs
        }
    assert list(folders)[: len(expected)] == list(expected)
    assert json.dumps(pool.stamp)


def test_photographs_of_several_folders_are_blurred_as_often_as_they_say(root: Path) -> None:
    (root / "black").mkdir()
    Image.new("RGB", (90, 90)).save(root / "black" / "0.png")
    how = {"synthetic": 10, "synthetic_size": 24}
    data = settings(root, photographs=("photographs", ("black", 3)), **how)
    lines: list[str] = []
    store = gather(data, seed=0, report=lines.append).store
    black = [not store.pair(number)[1].any() for number in range(10)]
    assert sum(black) == 6
    # What cannot be read is left out of any folder, and keeps its place in the others' weights.
    (root / "black" / "1.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"black/1\.png"):
        gather(data, seed=0)
    data.skip_broken = True
    store = gather(data, seed=0).store
    assert sum(not store.pair(number)[1].any() for number in range(10)) == 6


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ((), "is (); it must be a folder, or several: (folder, …) or ((folder, times), …)"),
        (3, "is 3; it must be a folder"),
        (("photographs", 2), "has 2; each entry must be a folder or (folder, times)"),
        ((("photographs", 0),), "has ('photographs', 0); each entry"),
        ((("photographs", 1.5),), "has ('photographs', 1.5); each entry"),
        ((("photographs", True),), "has ('photographs', True); each entry"),
        ((("photographs", 1, 2),), "has ('photographs', 1, 2); each entry"),
        (("photographs", "none"), "there are no photographs in"),
    ],
)
def test_photographs_that_cannot_be_are_told(value: Any, sentence: str, root: Path) -> None:
    with pytest.raises(UsageError) as caught:
        training_set.synthetic_pool(settings(root, photographs=value), count=1, seed=0)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sharp/photos", [("sharp/photos", 1)]),
        ("my photos", [("my photos", 1)]),
        ("('a', 'b')", [("a", 1), ("b", 1)]),
        ("(('a', 2), ('b', 1))", [("a", 2), ("b", 1)]),
    ],
)
def test_photographs_travel_through_flags(text: str, expected: list[tuple[str, int]]) -> None:
    values = flags.FlagValues()
    argv = ["main.py", f"--config={default.__file__}", f"--config.data.photographs={text}"]
    holder = config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    values(argv)
    written = json.loads(json.dumps(holder.value.to_dict()))["data"]["photographs"]
    for found in (holder.value.data.photographs, written):
        assert training_set.photograph_folders(found) == expected


def test_lengths_and_weights_are_part_of_the_stamp_where_they_say_something(root: Path) -> None:
    """Stores from before there were these fields are opened still."""
    stamps = []
    for changes in (
        {},
        {"photographs": ("photographs",)},
        {"streak_scale": 1.5},
        {"photographs": (("photographs", 2),)},
    ):
        data = settings(root, **{"photographs": "photographs", **changes})
        stamps.append(training_set.synthetic_pool(data, count=2, seed=0).stamp)
    assert stamps[0] == stamps[1] and len(stamps[0]) == 4
    assert stamps[2] != stamps[0] and stamps[3] not in (stamps[0], stamps[2])
    with pytest.raises(UsageError, match="streak_scale must be above 0 and at most 2, not 3"):
        data = settings(root, photographs="photographs", streak_scale=3.0)
        training_set.synthetic_pool(data, count=2, seed=0)
