"""Resident pairs: crops on the device must be what slicing the pictures gives."""

import jax
import numpy as np
import pytest

from deblur_jax.data import resident, sampling, store
from deblur_jax.errors import UserError

SIZES = [(48, 40), (33, 64), (32, 32), (50, 64), (32, 35)]


@pytest.fixture
def pairs(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    draw = lambda h, w: rng.integers(0, 256, (h, w, 3), dtype=np.uint8)  # noqa: E731
    return [(draw(h, w), draw(h, w)) for h, w in SIZES]


def pack(pairs: list, repeats: list[int] | None = None) -> resident.Resident:
    entries = np.repeat(np.arange(len(pairs), dtype=np.int32), repeats or [1] * len(pairs))
    return resident.of_store(store.of_arrays(pairs), entries)


def test_packing_keeps_every_picture_and_overlaps_none(pairs: list) -> None:
    packed = pack(pairs)
    used = np.zeros(packed.blurred.shape[:2], int)
    for i, (blurred, sharp) in enumerate(pairs):
        box = np.s_[
            packed.row[i] : packed.row[i] + packed.height[i],
            packed.column[i] : packed.column[i] + packed.width[i],
        ]
        np.testing.assert_array_equal(packed.blurred[box], blurred)
        np.testing.assert_array_equal(packed.sharp[box], sharp)
        used[box] += 1
    assert used.max() == 1


def test_small_pictures_share_a_shelf() -> None:
    small = np.zeros((32, 32, 3), np.uint8)
    wide = np.zeros((64, 128, 3), np.uint8)
    assert pack([(wide, wide)] + [(small, small)] * 4).blurred.shape == (96, 128, 3)


@pytest.mark.parametrize("augment", ["none", "flip", "dihedral"])
def test_crops_equal_plain_slices(pairs: list, augment: str) -> None:
    packed = pack(pairs, [1, 2, 1, 1, 3])
    index = np.arange(60, dtype=np.uint32).reshape(3, 20)
    cut = jax.jit(lambda p, i: resident.cut(p, i, crop=32, seed=4, augment=augment))(packed, index)
    heights, widths = zip(*SIZES, strict=True)
    plan = sampling.plan(
        index.reshape(-1), heights, widths, crop=32, seed=4, augment=augment, entries=packed.entries
    )
    for name, which in (("blurred", 0), ("sharp", 1)):
        crops = np.asarray(cut[name]).reshape(-1, 32, 32, 3)
        for i, crop in enumerate(crops):
            picture = pairs[plan.pair[i]][which]
            expected = picture[plan.top[i] : plan.top[i] + 32, plan.left[i] : plan.left[i] + 32]
            expected = expected[:, ::-1] if plan.flip[i] else expected
            expected = expected[::-1] if plan.flop[i] else expected
            expected = expected.transpose(1, 0, 2) if plan.turn[i] else expected
            np.testing.assert_array_equal(crop, expected)


def test_no_pairs_is_said() -> None:
    with pytest.raises(UserError, match="no pairs"):
        store.of_arrays([])


def test_a_single_sample_is_cut_as_among_others(pairs: list) -> None:
    packed = pack(pairs)
    cut = jax.jit(lambda p, i: resident.cut(p, i, crop=32, seed=4, augment="dihedral"))
    many = cut(packed, np.arange(9, dtype=np.uint32))
    for i in range(9):
        alone = cut(packed, np.full((1, 1), i, np.uint32))
        for name, crops in many.items():
            np.testing.assert_array_equal(alone[name][0, 0], crops[i])
