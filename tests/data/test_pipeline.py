"""The host's batches, against plain slices of pictures whose pixels say where they come from."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deblur_jax.data import pairs as pairs_module
from deblur_jax.data import pipeline, sampling
from deblur_jax.data.pairs import Pair, find_pairs
from deblur_jax.data.pipeline import batches
from deblur_jax.errors import UsageError, UserError

SIZES = [(24, 40), (40, 24), (16, 16), (33, 47), (20, 31)]
CROP = 16
OPTIONS = {"seed": 7, "batch_size": 4, "updates": 3, "crop": CROP}


def located(height: int, width: int, pair: int, blurred: bool) -> np.ndarray:
    """uint8[height, width, 3]: the row, the column, and which picture it is."""
    rows, columns = np.mgrid[:height, :width]
    which = np.full((height, width), 100 * blurred + pair)
    return np.stack([rows, columns, which], axis=-1).astype(np.uint8)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    for number, (height, width) in enumerate(SIZES):
        for side in ("blur", "sharp"):
            path = tmp_path / side / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(located(height, width, number, side == "blur")).save(path)
    return find_pairs(tmp_path)


def collect(pairs: list[Pair], **changes) -> list[pipeline.Batch]:
    return list(batches(pairs, **{**OPTIONS, "steps": 4, **changes}))


def assert_equal(actual: list[pipeline.Batch], expected: list[pipeline.Batch]) -> None:
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        assert one.keys() == other.keys() == {"blurred", "sharp"}
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


@pytest.mark.parametrize("augment", sampling.AUGMENTATIONS)
def test_crops_are_the_slices_that_the_plan_names(pairs: list[Pair], augment: str) -> None:
    heights, widths = np.array(SIZES, np.int32).T
    seen = set()
    for step, batch in enumerate(collect(pairs, augment=augment)):
        assert batch["blurred"].shape == batch["sharp"].shape == (3, 4, CROP, CROP, 3)
        assert batch["blurred"].dtype == batch["sharp"].dtype == np.uint8
        for update in range(3):
            for position in range(4):
                index = np.array([(step * 3 + update) * 4 + position], np.uint32)
                drawn = sampling.plan(index, heights, widths, crop=CROP, seed=7, augment=augment)
                pair, top, left, flip, flop, turn = (int(field[0]) for field in drawn)
                seen.add((flip, flop, turn))
                for key in ("blurred", "sharp"):
                    whole = located(*SIZES[pair], pair, key == "blurred")
                    expected = whole[top : top + CROP, left : left + CROP]
                    expected = np.fliplr(expected) if flip else expected
                    expected = np.flipud(expected) if flop else expected
                    expected = np.transpose(expected, (1, 0, 2)) if turn else expected
                    np.testing.assert_array_equal(batch[key][update, position], expected)
    assert len(seen) == {"none": 1, "flip": 2, "dihedral": 8}[augment]


def test_twins_are_cut_alike_and_an_epoch_visits_every_pair(pairs: list[Pair]) -> None:
    got = collect(pairs, batch_size=5, updates=1)
    for batch in got:
        np.testing.assert_array_equal(batch["blurred"][..., :2], batch["sharp"][..., :2])
        np.testing.assert_array_equal(batch["blurred"][..., 2], batch["sharp"][..., 2] + 100)
        assert sorted(batch["sharp"][0, :, 0, 0, 2]) == [0, 1, 2, 3, 4]
    orders = {tuple(batch["sharp"][0, :, 0, 0, 2]) for batch in got}
    assert len(orders) > 1


def test_the_seed_decides_and_nothing_else(pairs: list[Pair]) -> None:
    reference = collect(pairs)
    assert_equal(collect(pairs, workers=1), reference)
    assert_equal(collect(pairs, workers=4, cache_bytes=0), reference)
    one_pair = SIZES[0][0] * SIZES[0][1] * 3 * 2
    assert_equal(collect(pairs, cache_bytes=one_pair), reference)
    other = collect(pairs, seed=8)
    assert any((a["sharp"] != b["sharp"]).any() for a, b in zip(reference, other, strict=True))


def test_resuming_goes_on_exactly(pairs: list[Pair]) -> None:
    assert_equal(collect(pairs, start_step=2), collect(pairs)[2:])
    assert collect(pairs, start_step=4) == []


def test_offset_goes_on_after_steps_of_fewer_updates(pairs: list[Pair]) -> None:
    # Two steps of one update used samples 0 to 7; steps 2 and 3 have three updates each.
    changed = collect(pairs, start_step=2, steps=4, offset=2 * 4 - 2 * 3 * 4)
    single = collect(pairs, updates=1, start_step=2, steps=8)
    joined = [
        {key: np.concatenate([batch[key] for batch in group]) for key in ("blurred", "sharp")}
        for group in (single[:3], single[3:])
    ]
    assert_equal(changed, joined)


def test_processes_take_slices_of_one_batch(pairs: list[Pair]) -> None:
    whole = collect(pairs)
    parts = [collect(pairs, process_index=index, process_count=2) for index in range(2)]
    assert parts[0][0]["sharp"].shape[1] == 2
    joined = [
        {key: np.concatenate([first[key], second[key]], axis=1) for key in first}
        for first, second in zip(*parts, strict=True)
    ]
    assert_equal(joined, whole)


def test_entries_choose_how_often_a_pair_stands(pairs: list[Pair]) -> None:
    entries = np.array([3, 3, 3, 1], np.int32)
    (batch,) = collect(pairs, entries=entries, updates=1, steps=1)
    assert sorted(batch["sharp"][0, :, 0, 0, 2]) == [1, 3, 3, 3]


def test_the_cache_keeps_what_fits_and_no_more(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    def counted(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
        reads.append(pair.name)
        return pairs_module.read_pair(pair)

    monkeypatch.setattr(pipeline, "read_pair", counted)
    one_after_another = {"batch_size": 5, "updates": 1, "workers": 1}
    collect(pairs, **one_after_another)
    assert sorted(reads) == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    reads.clear()
    collect(pairs, cache_bytes=0, **one_after_another)
    assert len(reads) == 20
    reads.clear()
    smallest = 16 * 16 * 3 * 2  # room for pair 2 alone
    collect(pairs, cache_bytes=smallest, **one_after_another)
    assert (reads.count("2.png"), len(reads)) == (1, 17)


def test_a_picture_smaller_than_the_crop_is_named_before_the_first_batch(
    pairs: list[Pair],
) -> None:
    with pytest.raises(UserError, match=r"2\.png is 16x16 pixels, .* crop of 20x20$"):
        batches(pairs, **{**OPTIONS, "crop": 20}, steps=1)
    with pytest.raises(UserError, match=r"0\.png is 40x24 .*32x32 \(and 3 more such pairs\)"):
        batches(pairs, **{**OPTIONS, "crop": 32}, steps=1)


def test_a_broken_header_is_named_before_the_first_batch(pairs: list[Pair]) -> None:
    pairs[3].sharp.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"sharp/3\.png"):
        batches(pairs, **OPTIONS, steps=1)


def test_a_file_broken_further_in_is_named_when_it_is_read(pairs: list[Pair]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for path in (pairs[3].blurred, pairs[3].sharp):
        Image.fromarray(noise).save(path)
    pairs[3].blurred.write_bytes(pairs[3].blurred.read_bytes()[:3000])
    iterator = batches(pairs, **OPTIONS, steps=4)
    with pytest.raises(UserError, match=r"blur/3\.png"):
        list(iterator)


def test_a_picture_that_changes_its_size_is_named(pairs: list[Pair]) -> None:
    iterator = batches(pairs, **OPTIONS, steps=4)
    for path in (pairs[1].blurred, pairs[1].sharp):
        Image.fromarray(located(30, 24, 1, False)).save(path)
    with pytest.raises(UserError, match=r"1\.png is 24x30 pixels, but was 24x40"):
        list(iterator)


def test_a_call_that_cannot_work_is_refused(pairs: list[Pair]) -> None:
    with pytest.raises(UsageError, match="no pairs"):
        batches([], **OPTIONS, steps=1)
    with pytest.raises(UsageError, match="batch of 4 does not divide over 3 processes"):
        batches(pairs, **OPTIONS, steps=1, process_count=3)


def test_an_iterator_may_be_left_unfinished(pairs: list[Pair]) -> None:
    endless = batches(pairs, **OPTIONS, steps=10**9)
    assert len(list(islice(endless, 2))) == 2
    endless.close()  # type: ignore[attr-defined]
    assert list(endless) == []


def test_the_program_ends_while_pictures_are_being_read(pairs: list[Pair]) -> None:
    code = f"""
import time
from deblur_jax.data import pairs, pipeline

def slowly(pair):
    time.sleep(0.05)
    return pairs.read_pair(pair)

pipeline.read_pair = slowly
found = pairs.find_pairs({str(pairs[0].blurred.parents[1])!r})
endless = pipeline.batches(found, **{OPTIONS!r}, steps=10**9, cache_bytes=0, workers=2)
print(next(endless)["sharp"].shape)
"""
    root = Path(pipeline.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, timeout=60, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (0, "(3, 4, 16, 16, 3)\n")
    assert "Traceback" not in result.stderr
