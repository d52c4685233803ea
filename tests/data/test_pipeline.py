"""The host's batches, against plain slices of pictures whose pixels say where they come from."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from deblur_jax.data import pipeline, resident, sampling
from deblur_jax.data.canvas import FileCanvas
from deblur_jax.data.pipeline import batches
from deblur_jax.data.store import Store, of_arrays, open_store, write_index
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
def store() -> Store:
    pairs = [(located(*s, n, True), located(*s, n, False)) for n, s in enumerate(SIZES)]
    return of_arrays(pairs)


def on_disk(store: Store, folder: Path) -> Store:
    for name in ("blurred", "sharp"):
        pixels = getattr(store, name).pixels
        canvas = FileCanvas(folder / f"{name}.npy", pixels.shape[:2])
        canvas.write(0, 0, pixels)
        canvas.close()
    write_index(store, folder)
    return open_store(folder)


def collect(store: Store, **changes) -> list[pipeline.Batch]:
    return list(batches(store, **{**OPTIONS, "steps": 4, **changes}))


def assert_equal(actual: list[pipeline.Batch], expected: list[pipeline.Batch]) -> None:
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        assert one.keys() == other.keys() == {"blurred", "sharp"}
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


@pytest.mark.parametrize("augment", sampling.AUGMENTATIONS)
def test_crops_are_the_slices_that_the_plan_names(store: Store, augment: str) -> None:
    heights, widths = np.array(SIZES, np.int32).T
    seen = set()
    for step, batch in enumerate(collect(store, augment=augment)):
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


@pytest.mark.parametrize("crop_last", [True, False])
def test_the_host_cuts_what_the_device_cuts(store: Store, crop_last: bool) -> None:
    entries = np.array([0, 1, 2, 2, 3, 4], np.int32)
    packed = resident.of_store(store, entries)
    options = {"augment": "dihedral", "crop_last": crop_last}
    for step, batch in enumerate(collect(store, entries=entries, **options)):
        index = (step * 12 + np.arange(12, dtype=np.uint32)).reshape(3, 4)
        cut = resident.cut(packed, index, crop=CROP, seed=7, **options)
        for key in ("blurred", "sharp"):
            np.testing.assert_array_equal(batch[key], cut[key])
            # The pixels say where they lie: the last row and column of larger pictures.
            for crop in batch[key].reshape(-1, CROP, CROP, 3):
                height, width = SIZES[int(crop[0, 0, 2]) % 100]
                if not crop_last:
                    assert crop[..., 0].max() < height - (height > CROP)
                    assert crop[..., 1].max() < width - (width > CROP)


def test_twins_are_cut_alike_and_an_epoch_visits_every_pair(store: Store) -> None:
    got = collect(store, batch_size=5, updates=1)
    for batch in got:
        np.testing.assert_array_equal(batch["blurred"][..., :2], batch["sharp"][..., :2])
        np.testing.assert_array_equal(batch["blurred"][..., 2], batch["sharp"][..., 2] + 100)
        assert sorted(batch["sharp"][0, :, 0, 0, 2]) == [0, 1, 2, 3, 4]
    orders = {tuple(batch["sharp"][0, :, 0, 0, 2]) for batch in got}
    assert len(orders) > 1


def test_the_seed_decides_and_nothing_else(store: Store, tmp_path: Path) -> None:
    reference = collect(store)
    assert_equal(collect(store, workers=1), reference)
    assert_equal(collect(on_disk(store, tmp_path), workers=4), reference)
    other = collect(store, seed=8)
    assert any((a["sharp"] != b["sharp"]).any() for a, b in zip(reference, other, strict=True))


def test_resuming_goes_on_exactly(store: Store) -> None:
    assert_equal(collect(store, first=2 * 3 * 4, steps=2), collect(store)[2:])
    assert collect(store, steps=0) == []


def test_steps_of_another_number_of_updates_go_on_where_the_last_ended(store: Store) -> None:
    # Two steps of one update use samples 0 to 7; steps 2 and 3 have three updates each.
    changed = collect(store, first=8, steps=2)
    single = collect(store, updates=1, first=8, steps=6)
    joined = [
        {key: np.concatenate([batch[key] for batch in group]) for key in ("blurred", "sharp")}
        for group in (single[:3], single[3:])
    ]
    assert_equal(changed, joined)


def test_processes_take_slices_of_one_batch(store: Store) -> None:
    whole = collect(store)
    parts = [collect(store, process_index=index, process_count=2) for index in range(2)]
    assert parts[0][0]["sharp"].shape[1] == 2
    joined = [
        {key: np.concatenate([first[key], second[key]], axis=1) for key in first}
        for first, second in zip(*parts, strict=True)
    ]
    assert_equal(joined, whole)


def test_entries_choose_how_often_a_pair_stands(store: Store) -> None:
    entries = np.array([3, 3, 3, 1], np.int32)
    (batch,) = collect(store, entries=entries, updates=1, steps=1)
    assert sorted(batch["sharp"][0, :, 0, 0, 2]) == [1, 3, 3, 3]


def test_a_store_that_is_damaged_while_it_is_read_is_a_sentence(
    store: Store, tmp_path: Path
) -> None:
    iterator = batches(on_disk(store, tmp_path), **OPTIONS, steps=4)
    with (tmp_path / "sharp.npy").open("r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(UserError, match=r"decoded pairs: .*sharp\.npy is cut short"):
        list(iterator)


def test_a_call_that_cannot_work_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="batch of 4 does not divide over 3 processes"):
        batches(store, **OPTIONS, steps=1, process_count=3)


def test_an_iterator_may_be_left_unfinished(store: Store) -> None:
    endless = batches(store, **OPTIONS, steps=10**9)
    assert len(list(islice(endless, 2))) == 2
    endless.close()  # type: ignore[attr-defined]
    assert list(endless) == []


def test_the_program_ends_while_crops_are_being_cut(store: Store, tmp_path: Path) -> None:
    on_disk(store, tmp_path)
    code = f"""
import time
from pathlib import Path
from deblur_jax.data import pipeline, store

class Slow(pipeline._Cutter):
    def crops(self, row):
        time.sleep(0.05)
        return super().crops(row)

pipeline._Cutter = Slow
opened = store.open_store(Path({str(tmp_path)!r}))
endless = pipeline.batches(opened, **{OPTIONS!r}, steps=10**9, workers=2)
print(next(endless)["sharp"].shape)
"""
    root = Path(pipeline.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, timeout=60, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (0, "(3, 4, 16, 16, 3)\n")
    assert "Traceback" not in result.stderr
