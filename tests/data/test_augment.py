"""Turning, zooming and colours, against pictures that are known at every place."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from deblur_jax.data import augment
from deblur_jax.data.augment import Augmentation
from deblur_jax.errors import UsageError
from deblur_jax.images.picture import LUMA

CROP = 32
CUBIC_ERROR = 0.25  # grey levels; bilinear interpolation is off by more than 1 on these waves


def waves(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """float64[..., 3] in 10 to 245: slow sinusoids, of another direction in each channel."""
    phases = (0.35 * x + 0.1 * y, 0.4 * y - 0.15 * x + 1, 0.3 * (x + y) + 2)
    return np.stack([127.5 + 115 * np.sin(phase) for phase in phases], axis=-1)


def drawn(how: Augmentation, index: np.ndarray, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Angles in radians and zooms of samples."""
    angle = math.radians(how.rotation) * augment._even(seed, augment._ANGLE, jnp.asarray(index))
    zoom = jnp.exp(math.log(how.scale) * augment._even(seed, augment._ZOOM, jnp.asarray(index)))
    return np.asarray(angle, np.float64), np.asarray(zoom, np.float64)


def turned_places(side: int, angle: float, zoom: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a window at which a turned crop's pixels lie, float64."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    grid = np.mgrid[:CROP, :CROP][::-1].reshape(2, -1) - (CROP - 1) / 2  # x, y
    x, y = zoom * turn @ grid + (side - 1) / 2
    return y.reshape(CROP, CROP), x.reshape(CROP, CROP)


def run(windows: np.ndarray, index: np.ndarray, how: Augmentation, seed: int = 3) -> np.ndarray:
    pixels = {"blurred": jnp.asarray(windows), "sharp": jnp.asarray(windows)}
    done = jax.jit(
        lambda p, i: augment.apply(p, i, crop=CROP, seed=seed, augmentation=how)
    )(pixels, jnp.asarray(index, jnp.uint32))  # fmt: skip
    np.testing.assert_array_equal(done["blurred"], done["sharp"])
    assert done["sharp"].dtype == jnp.float32
    return np.asarray(done["sharp"])


def test_without_changes_a_crop_is_its_pixels(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (2, 3, CROP, CROP, 3), dtype=np.uint8)
    index = np.arange(6, dtype=np.uint32).reshape(2, 3)
    assert Augmentation().window(CROP) == CROP
    expected = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    np.testing.assert_allclose(run(pixels, index, Augmentation()), expected, rtol=0, atol=1.2e-7)
    ends = run(np.array([0, 255], np.uint8).repeat(CROP * CROP * 3).reshape(2, CROP, CROP, 3),
               np.arange(2), Augmentation())  # fmt: skip
    assert ends[0].max() == ends.min() == -1 and ends[1].min() == ends.max() == 1


@pytest.mark.parametrize(
    "how", [Augmentation(rotation=45), Augmentation(scale=1.5), Augmentation(20, 1.3)]
)
@pytest.mark.parametrize("crop", [32, 33])
def test_turned_and_zoomed_pictures_are_those_at_the_turned_places(
    how: Augmentation, crop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "CROP", crop)
    side, index = how.window(crop), np.arange(6, dtype=np.uint32)
    window = waves(*np.mgrid[:side, :side].astype(float))
    got = augment._each(augment._turn, crop)(
        jnp.asarray(np.broadcast_to(window, (6, *window.shape)), jnp.float32),
        *(jnp.asarray(value, jnp.float32) for value in drawn(how, index)),
    )
    linear = []
    for crop_got, angle, zoom in zip(got, *drawn(how, index), strict=True):
        places = turned_places(side, angle, zoom)
        expected = waves(*places)
        assert np.abs(crop_got - expected).max() < CUBIC_ERROR
        channel = ndimage.map_coordinates(window[..., 1], places, order=1)
        linear.append(np.abs(channel - expected[..., 1]).max())
    assert max(linear) > 4 * CUBIC_ERROR  # so the tolerance tells them apart


def test_apply_turns_by_the_angles_that_it_draws() -> None:
    how = Augmentation(30, 1.4)
    side, index = how.window(CROP), np.arange(8, dtype=np.uint32).reshape(2, 4)
    window = np.rint(waves(*np.mgrid[:side, :side].astype(float))).astype(np.uint8)
    got = run(np.broadcast_to(window, (2, 4, *window.shape)), index, how)
    for crop, angle, zoom in zip(
        got.reshape(8, CROP, CROP, 3), *(v.ravel() for v in drawn(how, index)), strict=True
    ):
        expected = waves(*turned_places(side, angle, zoom))
        # Half a grey level of rounding, which the cubic's negative lobes enlarge.
        assert np.abs((crop + 1) * 127.5 - expected).max() < CUBIC_ERROR + 0.8


@pytest.mark.parametrize("crop", [16, 17])
def test_not_turned_and_not_zoomed_is_the_windows_middle(
    crop: int, rng: np.random.Generator
) -> None:
    how = Augmentation(17, 1.2)
    side = how.window(crop)
    border = (side - crop) // 2
    assert side - crop == 2 * border
    window = rng.integers(0, 256, (side, side, 3)).astype(np.float32)
    got = augment._turn(jnp.asarray(window), jnp.float32(0), jnp.float32(1), crop=crop)
    np.testing.assert_array_equal(got, window[border : side - border, border : side - border])


def test_a_quarter_turn_and_a_small_one_go_the_same_way(rng: np.random.Generator) -> None:
    window = rng.integers(0, 256, (40, 40, 3)).astype(np.float32)
    quarter = augment._turn(jnp.asarray(window), jnp.float32(math.pi / 2), jnp.float32(1), crop=16)
    # A crop's rows run down the window's columns, so the picture turns against the clock.
    np.testing.assert_allclose(quarter, np.rot90(window[12:28, 12:28], 1), atol=0.01)
    smooth = ndimage.gaussian_filter(window, (4, 4, 0)) * 3 - 255
    smooth = np.clip(smooth, 0, 255).astype(np.float32)
    small = augment._turn(jnp.asarray(smooth), jnp.float32(0.2), jnp.float32(1), crop=16)
    expected = ndimage.rotate(smooth, math.degrees(0.2), reshape=False, order=3)[12:28, 12:28]
    other = ndimage.rotate(smooth, -math.degrees(0.2), reshape=False, order=3)[12:28, 12:28]
    assert np.abs(small - expected).max() < 0.1 * np.abs(small - other).max()


@pytest.mark.parametrize("rotation", [0.0, 1.0, 5.0, 30.0, 45.0])
@pytest.mark.parametrize("scale", [1.0, 1.05, 2.0, 4.0])
def test_a_window_holds_all_that_any_angle_and_zoom_reads(rotation: float, scale: float) -> None:
    how = Augmentation(rotation, scale)
    for crop in (16, 33, 64, 256):
        side = how.window(crop)
        if not how.moves:
            assert side == crop
            continue
        corner = (crop - 1) / 2 * np.array([[-1, -1, 1, 1], [-1, 1, -1, 1]])
        reached = []
        for angle in np.radians(np.linspace(-rotation, rotation, 181)):
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            reached.append(scale * turn @ corner + (side - 1) / 2)
        low, high = np.min(reached), np.max(reached)
        # Taps stand one before and two after the pixel at or before a place.
        assert math.floor(low) - 1 >= 0 and math.floor(high) + 2 <= side - 1
        assert math.floor(low) - 1 <= 2 and side - 1 - (math.floor(high) + 2) <= 2  # no more


def test_interpolation_stays_in_range() -> None:
    how = Augmentation(45)
    side = how.window(CROP)
    checks = (255 * (np.indices((side, side)).sum(axis=0) // 3 % 2)).astype(np.uint8)
    got = run(np.broadcast_to(checks[None, :, :, None], (4, side, side, 3)), np.arange(4), how)
    assert got.min() == -1 and got.max() == 1


def test_draws_are_spread_over_their_range_and_differ() -> None:
    index = np.arange(4000, dtype=np.uint32)
    angles, zooms = drawn(Augmentation(30, 1.5), index)
    for values in (angles / math.radians(30), np.log(zooms) / math.log(1.5)):
        assert -1 <= values.min() < -0.99 and 0.99 < values.max() <= 1
        assert len(np.unique(values)) > 3990
        counts = np.histogram(values, 10, (-1, 1))[0]
        assert ((counts - 400) ** 2 / 400).sum() < 27.9  # chi-square of 9 at 0.1%
    streams = [augment._even(3, stream, jnp.asarray(index)) for stream in range(16, 21)]
    correlation = np.corrcoef(np.asarray(streams)) - np.eye(5)
    assert np.abs(correlation).max() < 0.06


def test_seed_and_number_decide_and_nothing_else(rng: np.random.Generator) -> None:
    how = Augmentation(10, 1.2, 0.3)
    side = how.window(CROP)
    windows = rng.integers(0, 256, (6, side, side, 3), dtype=np.uint8)
    index = np.array([5, 99, 5, 7, 2**32 - 1, 0], np.uint32)
    whole = run(windows, index, how)
    np.testing.assert_array_equal(run(windows, index, how), whole)
    alone = np.concatenate([run(windows[i : i + 1], index[i : i + 1], how) for i in range(6)])
    np.testing.assert_allclose(alone, whole, atol=1e-5)
    assert np.abs(run(windows, index, how, seed=4) - whole).max() > 0.1
    same = run(windows[[0, 0, 0]], index[:3], how)
    np.testing.assert_array_equal(same[0], same[2])
    assert np.abs(same[0] - same[1]).max() > 0.1


def test_colours_change_by_factors_in_range_alike_for_twins(rng: np.random.Generator) -> None:
    how, index = Augmentation(colour=0.3), np.arange(200, dtype=np.uint32)
    # Colours near mid-gray, so that nothing is clipped; one window of eight colours a sample.
    colours = rng.integers(105, 150, (200, CROP, CROP, 3), dtype=np.uint8)
    got = (run(colours, index, how).astype(np.float64) + 1) * 127.5
    seen = []
    for crop, before in zip(got, colours.astype(np.float64), strict=True):
        # Solved for by least squares: channel out = sum of channels in x weights + offset.
        flat = np.concatenate([before.reshape(-1, 3), np.ones((CROP * CROP, 1))], axis=1)
        weights, *_ = np.linalg.lstsq(flat, crop.reshape(-1, 3), rcond=None)
        np.testing.assert_allclose(flat @ weights, crop.reshape(-1, 3), atol=1e-3)
        saturation = np.trace(weights[:3]) - weights[:3].sum(axis=0).mean()
        gain = weights[:3].sum(axis=0).mean()  # brightness x contrast
        saturation /= 2 * gain
        contrast = 1 - weights[3].mean() / 127.5
        brightness = gain / contrast
        mixing = np.array(LUMA)[:, None] * np.ones(3)
        expected = gain * (saturation * np.eye(3) + (1 - saturation) * mixing)
        np.testing.assert_allclose(weights[:3], expected, atol=1e-4)
        seen.append((brightness, contrast, saturation))
    seen_array = np.array(seen)
    assert (np.abs(seen_array - 1) <= 0.3 + 1e-3).all()
    assert (seen_array.min(axis=0) < 0.75).all() and (seen_array.max(axis=0) > 1.25).all()
    assert np.abs(np.corrcoef(seen_array.T) - np.eye(3)).max() < 0.3


def test_the_tinted_blur_is_the_blur_of_the_tinted(rng: np.random.Generator) -> None:
    how, index = Augmentation(colour=0.2), np.arange(3, dtype=np.uint32)
    sharp = rng.integers(100, 156, (3, CROP, CROP, 3)).astype(np.float32)
    blurred = ndimage.uniform_filter(sharp, (0, 5, 5, 0), mode="wrap")
    factors = [
        1 + how.colour * augment._even(1, stream, jnp.asarray(index)) for stream in (18, 19, 20)
    ]
    tinted = [np.asarray(augment._tint(jnp.asarray(x), *factors)) for x in (sharp, blurred)]
    again = ndimage.uniform_filter(tinted[0], (0, 5, 5, 0), mode="wrap")
    np.testing.assert_allclose(tinted[1], again, atol=1e-3)


@pytest.mark.parametrize(
    ("how", "field"),
    [
        (Augmentation(rotation=-1), "rotation"),
        (Augmentation(rotation=45.1), "rotation"),
        (Augmentation(scale=0.9), "scale"),
        (Augmentation(scale=5), "scale"),
        (Augmentation(colour=1.0), "colour_jitter"),
        (Augmentation(colour=float("nan")), "colour_jitter"),
    ],
)
def test_a_strength_out_of_range_is_refused(how: Augmentation, field: str) -> None:
    with pytest.raises(UsageError, match=rf"data\.{field} is "):
        augment.check(how)
    augment.check(Augmentation(45, 4, 0.99))
