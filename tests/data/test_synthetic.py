"""Pools of synthetic pairs: where each twin comes from, and that a seed decides everything."""

import functools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from deblur_jax.blur import camera, sensor, trajectory_blur
from deblur_jax.data import statistics, synthetic
from deblur_jax.data.synthetic import crops, programs, recipes
from deblur_jax.data.synthetic.ahead import ahead
from deblur_jax.data.synthetic.dealing import deal
from deblur_jax.errors import UsageError, UserError

SIZE = 32
SIDE = SIZE + 2 * synthetic.MARGIN
CLEAN = {"noise_share": 0.0, "jpeg_share": 0.0}
ONLY_TRAJECTORY = {"camera_share": 0.0, "trajectory_share": 1.0, "paper_share": 0.0}
ONLY_CAMERA = {"camera_share": 1.0, "trajectory_share": 0.0, "layer_share": 0.0}
# As make_pool's, but for the names.
SHARES = recipes.Shares(0.7, 0.2, 0.5, 0.5, 0.3, 0.0, 0.0, 0.5, 0.15)


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
    given = tuple(np.zeros((5, SIZE, SIZE, 3), np.uint8) for _ in range(2))
    out = synthetic.make_pool(photographs, 5, size=SIZE, seed=1, out=given, **ONLY_TRAJECTORY)
    for first, second, third, filled, array in zip(one, again, other, out, given, strict=True):
        assert filled is array
        np.testing.assert_array_equal(first, filled)
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


def test_memory_maps_are_filled(photographs, tmp_path):
    options = {"size": SIZE, "seed": 1, **ONLY_TRAJECTORY}
    maps = [
        np.lib.format.open_memmap(tmp_path / name, "w+", np.uint8, (5, SIZE, SIZE, 3))
        for name in ("blurred.npy", "sharp.npy")
    ]
    synthetic.make_pool(photographs, 5, out=(maps[0], maps[1]), **options)
    for filled in maps:
        filled.flush()
    expected = synthetic.make_pool(photographs, 5, **options)
    for name, array in zip(("blurred.npy", "sharp.npy"), expected, strict=True):
        np.testing.assert_array_equal(np.load(tmp_path / name), array)
    with pytest.raises(UsageError, match=r"out must be uint8\[4, 32, 32, 3\], not uint8\[5, "):
        synthetic.make_pool(photographs, 4, out=(maps[0], maps[1]), **options)


def source_of(sharp):
    """The crop with margin, in [0, 1], that a twin of the first photograph was cut from."""
    source, edge = photograph(0, SIDE, SIDE), synthetic.MARGIN
    if not np.array_equal(sharp, source[edge:-edge, edge:-edge]):
        source = source[:, ::-1]
    return source / np.float32(255)


def test_camera_pairs_are_camera_blur_of_the_crop(photographs):
    done = []
    options = {"size": SIZE, "seed": 4, "short_share": 1.0, **ONLY_CAMERA, **CLEAN}
    blurred, sharp = synthetic.make_pool(
        photographs[:1], 3, progress=lambda *state: done.append(state), **options
    )
    assert done[-1] == (3, 3)
    blur = jax.jit(camera.camera_blur, static_argnames=("frames", "margin", "layer_probability"))
    shares = recipes.Shares(1, 0, 0, 0.5, 1, 0, 0, 0, 0)
    for index in range(3):
        recipe = recipes.draw_recipe(np.random.default_rng([4, 2, index]), shares)
        expected, _ = blur(
            jax.random.key(recipe.key),
            source_of(sharp[index]),
            frames=recipe.kind.frames,
            margin=synthetic.MARGIN,
            length=recipe.length,
            exposure=recipe.exposure,
            layer_probability=0.0,
        )
        # Half a level of rounding, and compiled and single operations round differently.
        expected = np.clip(255 * np.asarray(expected), 0, 255)
        assert np.abs(blurred[index] - expected).max() < 0.6


def test_trajectory_pairs_have_their_noise_and_their_jpeg(photographs):
    """Blur, noise and rounding on one key, then the file: each by its own function here."""
    options = {"size": SIZE, "seed": 2, "noise_share": 1.0, "jpeg_share": 0.5, **ONLY_TRAJECTORY}
    blurred, sharp = synthetic.make_pool(photographs[:1], 6, **options, short_share=0.5)
    blur = jax.jit(
        functools.partial(trajectory_blur, canvas=2 * synthetic.MARGIN, margin=synthetic.MARGIN)
    )
    shares = recipes.Shares(0, 1, 0.5, 0, 0.5, 0, 0, 1, 0.5)
    packed = []
    for index in range(6):
        recipe = recipes.draw_recipe(np.random.default_rng([2, 2, index]), shares)
        options = {name: getattr(recipe, name) for name in ("length", "exposure", "expl")}
        key = jax.random.key(recipe.key)
        clean = blur(key, source_of(sharp[index]), **options)
        noisy = sensor.noise(jax.random.fold_in(key, 1), clean, read=recipe.read, shot=recipe.shot)
        expected = np.asarray(sensor.quantize(noisy))
        packed.append(bool(recipe.quality))
        if recipe.quality:
            expected = sensor.jpeg(expected, recipe.quality)
        difference = np.abs(blurred[index].astype(int) - expected)
        # Values next to a half may round to the other side, rarely.
        assert difference.mean() < 0.02 and difference.max() <= (3 if recipe.quality else 1)
        assert np.abs(blurred[index] - 255 * np.asarray(clean)).mean() > 0.26  # .25 by rounding
    assert {*packed} == {True, False}


def test_a_batch_is_the_same_alone(photographs):
    """Pairs do not depend on who else is in their batch, or on how many are made."""
    options = {"size": SIZE, "seed": 3, **ONLY_TRAJECTORY}
    one = synthetic.make_pool(photographs[:1], 2, **options)
    many = synthetic.make_pool(photographs[:1], 11, **options)
    for few, more in zip(one, many, strict=True):
        np.testing.assert_array_equal(few, more[:2])


def test_the_rest_is_nearly_sharp(photographs):
    blurred, sharp = synthetic.make_pool(
        photographs, 16, size=SIZE, seed=3, camera_share=0.0, trajectory_share=0.0, **CLEAN
    )
    same = [np.array_equal(b, s) for b, s in zip(blurred, sharp, strict=True)]
    assert 3 <= sum(same) <= 13
    difference = np.abs(blurred.astype(int) - sharp).mean(axis=(1, 2, 3))
    assert 0 < difference.max() < 30


def test_recipes_keep_the_shares_and_the_step_between_sub_frames():
    shares = recipes.Shares(0.6, 0.3, 0.5, 0.4, 0.35, 0.1, 0.2, 0.5, 0.15)
    drawn = [recipes.draw_recipe(np.random.default_rng(i), shares) for i in range(3000)]
    names = [recipe.kind.name for recipe in drawn]
    assert names.count("camera") / 3000 == pytest.approx(0.6, abs=0.03)
    assert names.count("trajectory") / 3000 == pytest.approx(0.3, abs=0.03)
    cameras = [recipe for recipe in drawn if recipe.kind.name == "camera"]
    paths = [recipe for recipe in drawn if recipe.kind.name == "trajectory"]
    moved = cameras + paths
    for share, found in {
        0.5: [r.kind.layer for r in cameras],
        0.4: [r.kind.constants == "paper" for r in paths],
        0.35: [r.exposure < 1 for r in moved],
        0.1: [r.kind.light == "gamma" for r in moved],
        0.2: [r.kind.light == "srgb" for r in moved],
        0.15: [r.quality > 0 for r in drawn],
    }.items():
        assert np.mean(found) == pytest.approx(share, abs=0.05)
    assert np.mean([r.read + r.shot > 0 for r in drawn]) == pytest.approx(0.5, abs=0.03)
    assert all(0.25 <= r.exposure <= 1 for r in drawn)
    for recipe in cameras:
        streak = recipe.exposure * (recipe.length + recipe.layer_length)
        assert streak <= 1.5 * (recipe.kind.frames - 1) and recipe.kind.frames % 2 == 1
        assert streak <= 56.0 + 1e-9 and (recipe.layer_length > 0) == recipe.kind.layer
    still = [r.length for r in cameras if not r.kind.layer]
    assert np.median(still) == pytest.approx(9.0, rel=0.1)


def test_recipes_draw_the_same_whatever_the_shares():
    """A share changes the pairs that it decides on, not the others."""
    more = SHARES._replace(noise=1.0, short=1.0)
    for seed in range(20):
        one, other = (recipes.draw_recipe(np.random.default_rng(seed), s) for s in (SHARES, more))
        assert one.key == other.key and one.quality == other.quality
        assert one.length == other.length and one.kind.name == other.kind.name


def test_bad_calls_are_told(photographs, tmp_path):
    with pytest.raises(UsageError, match="fractions"):
        synthetic.make_pool(photographs, 1, seed=0, camera_share=0.8, trajectory_share=0.3)
    with pytest.raises(UsageError, match="layer_share must be a fraction from 0 to 1, not 1"):
        synthetic.make_pool(photographs, 1, seed=0, layer_share=1.5)
    with pytest.raises(UserError, match="none of 3 photographs has 256 pixels"):
        synthetic.make_pool(photographs, 1, seed=0)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"broken\.png"):
        synthetic.make_pool([*photographs, broken], 1, size=SIZE, seed=0)


def test_pools_look_like_gopro_and_reds(shared_data):
    """Real 256x256 crops have these medians: 22.1 to 26.4 dB, log ratios of -0.91 to -0.51."""
    photographs = sorted((shared_data / "sharp" / "photos").glob("*.jpg"))[::5]
    blurred, sharp = synthetic.make_pool(photographs, 48, seed=0, **ONLY_CAMERA)
    summary = statistics.summarize(zip(blurred, sharp, strict=True))
    low, lower, middle, upper, high = summary["psnr"]
    assert low < 22.1 and 20 < lower < 25 and 23 < middle < 28 and 26 < upper < 33 and high > 26.4
    assert summary["log_ratio"][0] < -0.91 and summary["log_ratio"][-1] > -0.51


def test_kinds_name_what_a_pool_s_pairs_are(photographs):
    options = {"noise": 0.0, "jpeg": 0.0, "short": 0.0, "gamma": 0.0, "srgb": 0.0}
    shares = synthetic.Shares(camera=0.3, trajectory=0.3, layer=0.5, paper=0.0, **options)
    kinds = synthetic.kinds(24, 5, shares)
    assert set(kinds) == {"camera", "camera+object", "trajectory", "nearly_sharp"}
    named = {f"{name}_share": share for name, share in shares._asdict().items()}
    blurred, sharp = synthetic.make_pool(photographs, 24, size=SIZE, seed=5, **named)
    errors = {kind: [] for kind in kinds}
    for kind, one, other in zip(kinds, blurred, sharp, strict=True):
        errors[kind].append(np.abs(one.astype(int) - other).mean())
    least = min(np.mean(errors[kind]) for kind in errors if kind != "nearly_sharp")
    assert 0 in errors["nearly_sharp"] and np.mean(errors["nearly_sharp"]) < least


def test_an_accelerators_programs_make_the_same_pairs(photographs, monkeypatch):
    """All pictures of a batch at once, kernels without scatter: but for rounding the same."""
    options = {"size": SIZE, "seed": 6, "camera_share": 0.4, "trajectory_share": 0.4}
    expected = synthetic.make_pool(photographs, 12, **options)
    plan = programs.Plan(batch=4, together=True, frames=recipes.FRAMES)
    monkeypatch.setattr(programs, "plan", lambda: plan)
    blurred, sharp = synthetic.make_pool(photographs, 12, **options)
    again, _ = synthetic.make_pool(photographs, 12, **options)
    np.testing.assert_array_equal(blurred, again)
    np.testing.assert_array_equal(sharp, expected[1])
    difference = np.abs(blurred.astype(int) - expected[0])
    assert difference.max() <= 3 and difference.mean() < 0.01


def test_an_accelerator_has_few_programs_with_no_fewer_sub_frames():
    plan = programs._ON_ACCELERATOR
    kinds = [recipes.Kind("sharp", 9)]
    kinds += [recipes.Kind("camera", n, layer) for n in (9, 17, 39) for layer in (False, True)]
    made = [programs.program(kind, plan) for kind in kinds]
    assert len(set(made)) == 2
    for kind, used in zip(kinds, made, strict=True):
        assert used.frames >= kind.frames and used.frames % 2 == 1
        assert used.layer == kind.layer and used.name == "camera"
    path = recipes.Kind("trajectory", constants="paper")
    assert programs.program(path, plan) == path
    assert all(programs.program(kind, programs._ON_CPU) == kind for kind in kinds)


def test_pools_do_not_depend_on_which_thread_is_first(photographs, monkeypatch):
    options = {"size": SIZE, "seed": 1, **ONLY_TRAJECTORY}
    expected = synthetic.make_pool(photographs, 9, **options)
    draw, threads = crops.draw_crop, set()

    def slow(rng, photograph, *places, **options):
        threads.add(threading.get_ident())
        time.sleep(float(np.random.default_rng().uniform(0, 0.02)))
        return draw(rng, photograph, *places, **options)

    monkeypatch.setattr(crops, "draw_crop", slow)
    for one, other in zip(expected, synthetic.make_pool(photographs, 9, **options), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(threads) > 1 and threading.get_ident() not in threads


def test_work_ahead_is_in_order_bounded_and_raises_where_it_failed():
    taken, finished = [], []

    def items():
        for number in range(20):
            taken.append(number)
            assert number - len(finished) <= 4
            yield number

    def work(number):
        time.sleep(0.002 * (number % 3))
        if number == 11:
            raise UserError("eleven")
        return number * number

    with ThreadPoolExecutor(3) as workers, pytest.raises(UserError, match="eleven"):
        for result in ahead(workers, work, items(), 3):
            finished.append(result)
    assert finished == [n * n for n in range(11)] and len(taken) <= 15


@pytest.mark.parametrize("count", [1, 3, 25, 70])
def test_photographs_are_dealt_as_often_as_they_say(count):
    paths = [Path(name) for name in "abc"]
    turns = deal(paths, [1, 4, 2], count, seed=3)
    dealt = {path: len(indices) for path, indices in turns}
    assert len(turns) == len(dealt)
    assert sorted(index for _, indices in turns for index in indices) == list(range(count))
    for path, share in zip(paths, (1, 4, 2), strict=True):
        assert abs(dealt.get(path, 0) - count * share / 7) <= share
    # Used equally often, each stands once, in an order that the seed turns.
    even = deal(paths, [1, 1, 1], 9, seed=3)
    assert sorted(path for path, _ in even) == paths and {len(indices) for _, indices in even} == {
        3
    }


def test_photographs_may_be_used_more_often(tmp_path):
    colours = {tmp_path / "red.png": (200, 0, 0), tmp_path / "blue.png": (0, 0, 200)}
    for path, colour in colours.items():
        Image.new("RGB", (SIDE, SIDE), colour).save(path)
    options = {"size": SIZE, "seed": 0, **ONLY_TRAJECTORY}
    _, sharp = synthetic.make_pool(list(colours), 16, times={tmp_path / "red.png": 3}, **options)
    assert (sharp[:, 0, 0, 0] == 200).sum() == 12
    with pytest.raises(UsageError, match="used 0 times; it must be 1, 2, 3"):
        synthetic.make_pool(list(colours), 2, times={tmp_path / "red.png": 0}, **options)


def test_a_streak_scale_lengthens_streaks_and_margins():
    shares = SHARES._replace(short=0.0)
    for seed in range(200):
        one, two = (
            recipes.draw_recipe(np.random.default_rng(seed), shares, scale) for scale in (1.0, 2.0)
        )
        grown = 1.0 if one.kind.name == "sharp" else 2.0
        assert two.length == pytest.approx(grown * one.length)
        assert two.layer_length == pytest.approx(2 * one.layer_length)
        if two.kind.name == "camera":
            streak = two.length + two.layer_length
            assert streak <= 1.5 * (two.kind.frames - 1) and streak <= 2 * recipes.margin(2.0)
        same = recipes.draw_recipe(np.random.default_rng(seed), shares)
        assert same == one
    assert recipes.margin(0.5) == recipes.margin(1.0) == synthetic.MARGIN


def test_a_streak_scale_blurs_more_and_leaves_the_middle_where_it_was(photographs):
    """With more margin a crop shows more around it: the twins stay as large as they were."""
    options = {"size": SIZE, "seed": 2, "short_share": 0.0, **ONLY_TRAJECTORY, **CLEAN}
    source = [photographs[0].parent / "large.png"]
    Image.fromarray(photograph(5, 200, 200)).save(source[0])
    errors = []
    for scale in (0.5, 2.0):
        blurred, sharp = synthetic.make_pool(source, 6, streak_scale=scale, **options)
        assert sharp.shape == (6, SIZE, SIZE, 3)
        errors.append(np.mean((blurred.astype(float) - sharp) ** 2))
    assert errors[1] > 1.2 * errors[0]
    for scale in (0.0, 2.5, float("nan")):
        with pytest.raises(UsageError, match="streak_scale must be above 0 and at most 2"):
            synthetic.make_pool(source, 1, streak_scale=scale, **options)
