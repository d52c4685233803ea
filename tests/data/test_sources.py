"""Sources: each layout gives the pixels that Pillow and NumPy read, at the size of a protocol."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gopro_tree import FRAMES, SMALL, TEST, TRAIN, VALIDATION, make_tree
from PIL import Image

from deblur_jax.data import gopro, protocols, sources
from deblur_jax.data.sources import Adapted
from deblur_jax.errors import UsageError, UserError


def save(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    for name, size in (("a.png", (21, 34)), ("b.jpg", (40, 18)), ("c.webp", (300, 280))):
        for twin in ("input", "target"):
            pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            save(tmp_path / "pairs" / "scene" / twin / name, pixels)
    return tmp_path / "pairs"


def test_a_folder_of_pairs_gives_the_files_pixels(folder: Path) -> None:
    found = sources.find(folder)
    assert [source.name for source in found] == ["scene/a.png", "scene/b.jpg", "scene/c.webp"]
    for source in found:
        assert source.scene == "scene"
        blurred, sharp = source.read()
        name = Path(source.name).name
        np.testing.assert_array_equal(blurred, opened(folder / "scene" / "input" / name))
        np.testing.assert_array_equal(sharp, opened(folder / "scene" / "target" / name))
        assert source.size() == blurred.shape[:2]


@pytest.mark.parametrize("protocol", protocols.PROTOCOLS)
@pytest.mark.parametrize("filter", protocols.FILTERS)
def test_a_protocol_is_applied_to_both_twins(folder: Path, protocol: str, filter: str) -> None:
    for source in sources.find(folder):
        adapted = Adapted(source, protocol, filter, match_means=False)
        name = Path(source.name).name
        for got, twin in zip(adapted.read(), ("input", "target"), strict=True):
            expected = protocols.apply(opened(folder / "scene" / twin / name), protocol, filter)
            np.testing.assert_array_equal(got, expected)
            assert adapted.size() == got.shape[:2]
        assert (adapted.name, adapted.scene) == (source.name, source.scene)


def test_half_is_what_pillow_makes_of_it(folder: Path) -> None:
    got = Adapted(sources.find(folder)[1], "half", "bicubic", False).read()[1]
    with Image.open(folder / "scene" / "target" / "b.jpg") as picture:
        expected = np.asarray(picture.resize((9, 20), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(got, expected)


def test_means_are_matched_and_only_the_blurred_twin_moves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    blurred = rng.integers(40, 120, (16, 16, 3), dtype=np.uint8)
    sharp = rng.integers(60, 180, (16, 16, 3), dtype=np.uint8)
    save(tmp_path / "blur" / "0.png", blurred)
    save(tmp_path / "sharp" / "0.png", sharp)
    got, twin = Adapted(sources.find(tmp_path)[0], "full", "bicubic", True).read()
    np.testing.assert_array_equal(twin, sharp)
    shifts = got.astype(int) - blurred
    assert shifts.min() == shifts.max() == round(sharp.mean() - blurred.mean())
    save(tmp_path / "sharp" / "0.png", np.full((16, 16, 3), 250, np.uint8))
    got = Adapted(sources.find(tmp_path)[0], "full", "bicubic", True).read()[0]
    # Twins that differ so much are clipped, not wrapped around.
    expected = np.minimum(blurred.astype(int) + round(250 - blurred.mean()), 255)
    assert np.abs(got.astype(int) - expected).max() <= 1 and got.max() == 255


def test_an_upright_picture_is_what_its_exif_says(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (10, 20, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for twin in ("A", "B"):
        save(tmp_path / twin / "0.png", pixels, exif=exif)
    (source,) = sources.find(tmp_path)
    assert source.size() == (20, 10)
    np.testing.assert_array_equal(source.read()[1], np.rot90(pixels, -1))


def test_a_stamp_changes_with_the_file_and_not_with_its_place(folder: Path, tmp_path: Path) -> None:
    before = [source.stamp for source in sources.find(folder)]
    folder = folder.rename(tmp_path / "moved")
    assert [source.stamp for source in sources.find(folder)] == before
    os.utime(folder / "scene" / "target" / "b.jpg", ns=(1, 1))
    after = [source.stamp for source in sources.find(folder)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_what_vanishes_or_cannot_be_halved_is_named(folder: Path) -> None:
    found = sources.find(folder)
    (folder / "scene" / "target" / "b.jpg").unlink()
    for call in (lambda: found[1].stamp, found[1].read, found[1].size):
        with pytest.raises(UserError, match=r"target/b\.jpg"):
            call()
    for twin in ("input", "target"):
        save(folder / "scene" / twin / "a.png", np.zeros((1, 9, 3), np.uint8))
    for call in (Adapted(found[0], "half", "bicubic", False).size,):
        with pytest.raises(UserError, match=r"scene/a\.png: .*9x1 pixels cannot be halved"):
            call()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A GOPRO_Large of a few small pictures, which is taken for complete."""
    small = functools.partial(gopro.split_pairs, contents=SMALL)
    monkeypatch.setattr(gopro, "split_pairs", small)
    yield make_tree(tmp_path / "GOPRO_Large")


@pytest.mark.parametrize(
    ("split", "scenes"),
    [
        ("train", TRAIN),
        ("train_fit", tuple(scene for scene in TRAIN if scene not in VALIDATION)),
        ("validation", VALIDATION),
        ("test", TEST),
    ],
)
@pytest.mark.parametrize(
    ("subset", "part"), [("", "blur"), ("linear", "blur"), ("gamma", "blur_gamma")]
)
def test_splits_and_subsets_of_gopro(
    split: str, scenes: tuple[str, ...], subset: str, part: str, tree: Path
) -> None:
    found = sources.find(tree, split=split, subset=subset)
    assert [source.name for source in found] == [f"{s}/{f}" for s in scenes for f in FRAMES]
    for source in found:
        below = tree / ("test" if split == "test" else "train") / source.scene
        blurred, sharp = source.read()
        np.testing.assert_array_equal(blurred, opened(below / part / Path(source.name).name))
        np.testing.assert_array_equal(sharp, opened(below / "sharp" / Path(source.name).name))


def test_a_subset_without_a_split_reads_any_folder(tree: Path) -> None:
    found = sources.find(tree / "train" / TRAIN[0], subset="gamma")
    expected = opened(tree / "train" / TRAIN[0] / "blur_gamma" / FRAMES[0])
    np.testing.assert_array_equal(found[0].read()[0], expected)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"split": "training"}, "no GoPro split 'training'"),
        ({"subset": "blur"}, "no subset 'blur'; there are linear, gamma"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused(
    options: dict[str, str], sentence: str, tree: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        sources.find(tree, **options)


@pytest.mark.parametrize("field", ["split", "subset"])
def test_an_array_file_has_no_choices(field: str, tmp_path: Path) -> None:
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "pairs.npz", blurred=pixels, sharp=pixels)
    value = {"split": "train", "subset": "gamma"}[field]
    with pytest.raises(UsageError, match=rf"pairs\.npz has no {field} of its own"):
        sources.find(tmp_path / "pairs.npz", **{field: value})


def test_a_users_home_may_be_written_short(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(sources.find("~/pairs")) == 3


def test_a_folder_with_the_other_subset_alone_says_how_it_is_taken(
    tree: Path, tmp_path: Path
) -> None:
    scene = tree / "train" / TRAIN[0]
    for path in (scene / "blur").iterdir():
        path.unlink()
    (scene / "blur").rmdir()
    with pytest.raises(UsageError, match=r"no pairs here.*data\.subset=gamma takes its blur_gamma"):
        sources.find(scene)
    assert len(sources.find(scene, subset="gamma")) == len(FRAMES)
    (scene / "sharp" / FRAMES[0]).unlink()
    with pytest.raises(UsageError, match=r"data\.subset=gamma"):
        sources.find(scene)
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError) as caught:
        sources.find(tmp_path / "none")
    assert "subset" not in str(caught.value)
