"""Crops: where they are taken, and what is done to photographs of the wrong size."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from deblur_jax.data.synthetic import crops
from deblur_jax.errors import UserError


def test_flat_places_are_rare(rng):
    """Left half flat, right half noise: a quarter of all places would be flat."""
    photograph = np.full((100, 400, 3), 90, np.uint8)
    photograph[:, 200:] = rng.integers(0, 256, (100, 200, 3))
    flat = [crops.draw_crop(rng, photograph, 80, 8).std() < 1 for _ in range(200)]
    assert np.mean(flat) < 0.02


def test_crops_are_shrunk_with_antialiasing(rng):
    """Lines of one pixel turn gray where they are shrunk, instead of into moire."""
    photograph = np.zeros((200, 200, 3), np.uint8)
    photograph[:, ::2] = 255
    spread = [crops.draw_crop(rng, photograph, 100, 8).std() for _ in range(60)]
    # Shrunk by 1 to 1.5: from full contrast down to nearly none.
    assert max(spread) > 90 and min(spread) < 15


def test_what_has_too_much_texture_is_taken_less_often(rng):
    """Left half soft, right half noise: as many places each."""
    soft = ndimage.gaussian_filter(rng.uniform(0, 255, (100, 200, 3)), (2, 2, 0)) * 2 - 128
    photograph = np.concatenate([soft, rng.uniform(0, 255, (100, 200, 3))], axis=1)
    photograph = np.clip(photograph, 0, 255).astype(np.uint8)
    rough = [crops.draw_crop(rng, photograph, 80, 8)[:, 40].std() > 50 for _ in range(150)]
    assert 0.01 < np.mean(rough) < 0.3


def test_a_crop_without_room_is_the_photograph_or_its_mirror(rng):
    photograph = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    seen = set()
    for _ in range(20):
        crop = crops.draw_crop(rng, photograph, 64, 8)
        assert np.array_equal(crop, photograph) or np.array_equal(crop, photograph[:, ::-1])
        seen.add(np.array_equal(crop, photograph))
    assert seen == {True, False}


def test_fit_mirrors_small_and_shrinks_huge(rng):
    small = rng.integers(0, 256, (40, 90, 3), dtype=np.uint8)
    padded = crops.fit(small, 64)
    assert padded.shape == (64, 90, 3)
    np.testing.assert_array_equal(padded[12:52], small)
    np.testing.assert_array_equal(padded[11], small[1])
    huge = np.zeros((300, 4096, 3), np.uint8)
    assert crops.fit(huge, 100).shape == (150, 2048, 3)
    assert crops.fit(huge, 200).shape == huge.shape
    right = rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)
    assert crops.fit(right, 64) is right


def test_usable_is_ordered_by_name_and_leaves_out_the_small(tmp_path):
    for name, side in (("b.png", 60), ("a.png", 50), ("c.png", 20)):
        Image.new("RGB", (side, 70)).save(tmp_path / name)
    paths = [tmp_path / name for name in ("c.png", "b.png", "a.png", "b.png")]
    assert [path.name for path in crops.usable(paths, 50)] == ["a.png", "b.png"]
    with pytest.raises(UserError, match="none of 4"):
        crops.usable(paths, 65)
    with pytest.raises(UserError, match=r"missing\.png"):
        crops.usable([tmp_path / "missing.png"], 10)


def test_a_place_is_drawn_by_the_mean_gradients_of_the_green_channel(rng):
    """The choice and the crop again, by numpy and Pillow alone, and with Pillow's copy at hand."""
    photograph = rng.integers(0, 256, (150, 190, 3), dtype=np.uint8)
    photograph[:, :90] //= 16
    for seed in range(6):
        found, same = (
            crops.draw_crop(np.random.default_rng(seed), photograph, 80, 8, picture=picture)
            for picture in (None, Image.fromarray(photograph))
        )
        np.testing.assert_array_equal(found, same)
        draws = np.random.default_rng(seed)
        region = 80 * draws.uniform(1.0, 1.5)
        lefts, tops = draws.uniform(0, 190 - region, 12), draws.uniform(0, 150 - region, 12)
        scores = []
        for x, y in zip(lefts, tops, strict=True):
            border = int(region / 10)
            rows, columns = (slice(int(z) + border, int(z) + int(region) - border) for z in (y, x))
            green = photograph[rows, columns, 1][::2, ::2].astype(float)
            steps = [np.abs(np.diff(green, axis=axis)).mean() for axis in (0, 1)]
            scores.append(sum(steps))
        scores = np.array(scores)
        weights = np.minimum(scores, 10.0) ** 2 / (1 + (scores / 18.0) ** 3) + 1e-3
        pick = draws.choice(12, p=weights / weights.sum())
        box = (lefts[pick], tops[pick], lefts[pick] + region, tops[pick] + region)
        expected = np.asarray(
            Image.fromarray(photograph).resize((80, 80), Image.Resampling.LANCZOS, box=box)
        )
        expected = expected[:, ::-1] if draws.uniform() < 0.5 else expected
        np.testing.assert_array_equal(found, expected)
