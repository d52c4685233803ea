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
