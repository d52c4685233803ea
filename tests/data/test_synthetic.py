"""Pools of synthetic pairs: where each twin comes from, and that a seed decides everything."""

import jax
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from deblur_jax.blur import camera
from deblur_jax.data import synthetic
from deblur_jax.errors import UsageError, UserError

SIZE = 32
SIDE = SIZE + 2 * synthetic.MARGIN
CLEAN = {"noise_share": 0.0, "jpeg_share": 0.0}
ONLY_TRAJECTORY = {"camera_share": 0.0, "trajectory_share": 1.0}
ONLY_CAMERA = {"camera_share": 1.0, "trajectory_share": 0.0, "layer_share": 0.0}


def photograph(seed, height, width):
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (1.0, 1.0, 0))
    return np.rint(np.clip((smooth - 128) * 3 + 128, 0, 255)).astype(np.uint8)


@pytest.fixture
def photographs(tmp_path):
    paths = []
    for index, (height, width) in enumerate([(SIDE, SIDE), (SIDE, 130), (150, 120)]):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(photograph(index, height, width)).save(paths[-1])
    return paths


def test_a_seed_decides_everything_but_the_order_of_files_nothing(photographs):
    one = synthetic.make_pool(photographs, 5, size=SIZE, seed=1, **ONLY_TRAJECTORY)
    again = synthetic.make_pool(photographs[::-1], 5, size=SIZE, seed=1, **ONLY_TRAJECTORY)
    other = synthetic.make_pool(photographs, 5, size=SIZE, seed=2, **ONLY_TRAJECTORY)
    for first, second, third in zip(one, again, other, strict=True):
        assert first.shape == (5, SIZE, SIZE, 3) and first.dtype == np.uint8
        np.testing.assert_array_equal(first, second)
        assert np.mean(first != third) > 0.5


def test_sharp_twins_are_pixels_of_the_photograph(photographs):
    """A photograph without room to spare leaves one crop: its middle, or that mirrored."""
    blurred, sharp = synthetic.make_pool(
        photographs[:1], 6, size=SIZE, seed=0, **ONLY_TRAJECTORY, **CLEAN
    )
    edge = synthetic.MARGIN
    middle = photograph(0, SIDE, SIDE)[edge:-edge, edge:-edge]
    kept = [np.array_equal(twin, middle) for twin in sharp]
    mirrored = [np.array_equal(twin, middle[:, ::-1]) for twin in sharp]
    assert np.all(np.logical_xor(kept, mirrored)) and any(kept) and any(mirrored)
    assert np.all(blurred.std(axis=(1, 2, 3)) < sharp.std(axis=(1, 2, 3)))
    # A sum-one kernel keeps the brightness; what comes in over the borders moves it a little.
    np.testing.assert_allclose(blurred.mean((1, 2, 3)), sharp.mean((1, 2, 3)), atol=12)


def test_camera_pairs_are_camera_blur_of_the_crop(photographs):
    done = []
    blurred, sharp = synthetic.make_pool(
        photographs[:1],
        3,
        size=SIZE,
        seed=4,
        **ONLY_CAMERA,
        **CLEAN,
        progress=lambda *state: done.append(state),
    )
    assert done[-1] == (3, 3)
    edge = synthetic.MARGIN
    blur = jax.jit(camera.camera_blur, static_argnames=("frames", "margin", "layer_probability"))
    for index in range(3):
        rng = np.random.default_rng([4, 2, index])
        recipe = synthetic.draw_recipe(rng, 1.0, 0.0, 0.0, 0.0)
        source = photograph(0, SIDE, SIDE) / np.float32(255)
        if not np.array_equal(sharp[index], np.rint(source * 255)[edge:-edge, edge:-edge]):
            source = source[:, ::-1]
        expected, _ = blur(
            jax.random.key(recipe.key),
            source,
            frames=recipe.kind[1],
            margin=edge,
            length=recipe.length,
            layer_probability=0.0,
        )
        # Half a level of rounding, and compiled and single operations round differently.
        assert np.abs(blurred[index] - 255 * np.asarray(expected)).max() < 0.6


def test_the_rest_is_nearly_sharp(photographs):
    blurred, sharp = synthetic.make_pool(
        photographs, 16, size=SIZE, seed=3, camera_share=0.0, trajectory_share=0.0, **CLEAN
    )
    same = [np.array_equal(b, s) for b, s in zip(blurred, sharp, strict=True)]
    assert 3 <= sum(same) <= 13
    difference = np.abs(blurred.astype(int) - sharp).mean(axis=(1, 2, 3))
    assert 0 < difference.max() < 30


def test_recipes_keep_the_shares_and_the_step_between_sub_frames():
    recipes = [
        synthetic.draw_recipe(np.random.default_rng(i), 0.6, 0.3, 0.5, 0.25) for i in range(2000)
    ]
    names = [recipe.kind[0] for recipe in recipes]
    assert names.count("camera") / 2000 == pytest.approx(0.6, abs=0.04)
    assert names.count("trajectory") / 2000 == pytest.approx(0.3, abs=0.04)
    cameras = [recipe for recipe in recipes if recipe.kind[0] == "camera"]
    assert np.mean([recipe.kind[2] for recipe in cameras]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([recipe.kind[3] for recipe in cameras]) == pytest.approx(0.25, abs=0.05)
    for recipe in cameras:
        longest = max(recipe.length, recipe.layer_length if recipe.kind[2] else 0.0)
        assert longest <= 1.5 * (recipe.kind[1] - 1) and recipe.kind[1] % 2 == 1
    assert np.median([recipe.length for recipe in cameras]) == pytest.approx(6.5, rel=0.1)


def test_noise_grows_with_light_and_stays_small():
    gray = np.full((64, 64, 3), 120.0, np.float32)
    for shares in ((1.0, 0.0), (0.0, 0.0)):
        spread = [
            np.std(synthetic.finish(np.random.default_rng(i), gray, *shares)) for i in range(40)
        ]
        # At 120: at most sqrt(1.2^2 + 1.6^2 * 120 / 255) = 1.63, and .29 from rounding.
        assert max(spread) < 1.7
        assert (np.median(spread) > 0.4) == (shares[0] == 1.0)
    bright, dark = (
        np.std(synthetic.finish(np.random.default_rng(5), np.float32(level) + 0 * gray, 1.0, 0.0))
        for level in (220, 20)
    )
    assert bright > dark > 0


def test_jpeg_and_rounding():
    # Gray: JPEG keeps colour at half the resolution, which would hide its other losses here.
    picture = photograph(9, 48, 40)[..., [1, 1, 1]].astype(np.float32) + 0.3
    plain = synthetic.finish(np.random.default_rng(0), picture, 0.0, 0.0)
    np.testing.assert_array_equal(plain, np.minimum(np.rint(picture), 255))
    packed = synthetic.finish(np.random.default_rng(0), picture, 0.0, 1.0)
    assert packed.shape == picture.shape and packed.dtype == np.uint8
    assert 0.2 < np.abs(packed - picture).mean() < 8


def test_bad_calls_are_told(photographs, tmp_path):
    with pytest.raises(UsageError, match="fractions"):
        synthetic.make_pool(photographs, 1, seed=0, camera_share=0.8, trajectory_share=0.3)
    with pytest.raises(UserError, match="none of 3 photographs has 256 pixels"):
        synthetic.make_pool(photographs, 1, seed=0)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"broken\.png"):
        synthetic.make_pool([*photographs, broken], 1, size=SIZE, seed=0)


def test_pools_look_like_gopro_and_reds(shared_data):
    """Quantiles of real 256x256 crops (GoPro half size and REDS): 22.5, 25.4, 30.1 dB."""
    photographs = sorted((shared_data / "sharp" / "photos").glob("*.jpg"))[::5]
    blurred, sharp = synthetic.make_pool(photographs, 48, seed=0, **ONLY_CAMERA)
    error = np.mean((blurred.astype(np.float64) - sharp) ** 2, axis=(1, 2, 3))
    low, middle, high = np.quantile(10 * np.log10(255**2 / error), [0.25, 0.5, 0.75])
    assert 20 < low < 25 and 23 < middle < 28 and 26 < high < 33
