"""Sheets: where each tile lies, what it shows, and what is refused."""

import numpy as np
import pytest

from deblur_jax.data import sheets
from deblur_jax.errors import UsageError
from deblur_jax.images.side_by_side import CAPTION, GAP

TILE = 40
WIDTH, HEIGHT = 2 * TILE + GAP, TILE + CAPTION


@pytest.fixture
def pairs(rng):
    return [
        tuple(rng.integers(0, 200, (TILE + 6, TILE + 9, 3), dtype=np.uint8) for _ in range(2))
        for _ in range(7)
    ]


def test_tiles_are_the_middles_in_reading_order(pairs):
    sheet = sheets.sheet(pairs, tile=TILE, rows=2, columns=3)
    between = sheets.BETWEEN
    assert sheet.shape == (2 * HEIGHT + between, 3 * WIDTH + 2 * between, 3)
    for index, (blurred, sharp) in enumerate(pairs[:6]):
        row, column = divmod(index, 3)
        top, left = row * (HEIGHT + between) + CAPTION, column * (WIDTH + between)
        shown = sheet[top : top + TILE, left : left + TILE]
        np.testing.assert_array_equal(shown, blurred[3:-3, 4:-5])
        twin = sheet[top : top + TILE, left + TILE + GAP : left + WIDTH]
        np.testing.assert_array_equal(twin, sharp[3:-3, 4:-5])
        # Ink over both: the PSNR and the word.
        for start in (left, left + TILE + GAP):
            assert sheet[top - CAPTION : top, start : start + TILE].min() < 120


def test_24_pairs_by_default_and_no_empty_rows(pairs):
    many = [pairs[0]] * 30
    full = sheets.sheet(many, tile=TILE)
    assert full.shape[0] == 6 * HEIGHT + 5 * sheets.BETWEEN
    assert full.shape[1] == 4 * WIDTH + 3 * sheets.BETWEEN
    assert sheets.sheet(many[:5], tile=TILE).shape[0] == 2 * HEIGHT + sheets.BETWEEN
    assert sheets.sheet(many[:1], tile=TILE).shape == (HEIGHT, WIDTH, 3)


def test_captions_tell_pairs_apart(pairs):
    blurred, sharp = pairs[0]
    different, equal = (
        sheets.sheet([(left, sharp)], tile=TILE)[:CAPTION] for left in (blurred, sharp)
    )
    assert np.any(different != equal)


def test_bad_calls_are_told(pairs):
    with pytest.raises(UsageError, match="at least one pair"):
        sheets.sheet([])
    with pytest.raises(UsageError, match="49x46 pixels cannot fill a tile of 128"):
        sheets.sheet(pairs)
