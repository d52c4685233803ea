"""The measure of sharpness: against SciPy and scikit-image, and on real pairs what it is for."""

import io
import time

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import data
from skimage.measure import blur_effect

import deblur_jax
from deblur_jax import images
from deblur_jax.restore import sharpness
from deblur_jax.restore.sharpness import SHARP, compare, describe, measure, seems_sharp

PAIRS = (  # folders of blurred pictures with their sharp twins, of the development data
    "gopro_dev/test/*/{}", "gopro_dev/test_crops256/{}", "gopro_train_half/{}", "gopro_train/*/{}",
    "reds/*/*/{}", "reds_crops256/{}", "street_crops256/{}",
)  # fmt: skip


def along(rgb, length, axis=1):
    """Blurred by motion along an axis."""
    return np.rint(ndimage.uniform_filter1d(rgb.astype(float), length, axis=axis)).astype(np.uint8)


def grainy(rgb, deviation, seed=0):
    noise = np.random.default_rng(seed).normal(0, deviation, rgb.shape)
    return np.rint((rgb + noise).clip(0, 255)).astype(np.uint8)


def as_jpeg(rgb, quality):
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def by_scipy(rgb):
    """The definition once more, with SciPy's filters over a whole picture, cut to the same part."""
    gray = (rgb / 255.0) @ [0.299, 0.587, 0.114]
    diagonal = ndimage.correlate(gray, np.array([[1, -1], [-1, 1]]))[1:, 1:]
    noise = np.median(np.abs(diagonal)) / 2 / 0.6745
    smooth = ndimage.correlate(gray, np.outer([1, 2, 1], [1, 2, 1]) / 16)
    kernel = ndimage.correlate(np.eye(1, 9, 4).reshape(9, 1) * np.eye(1, 9, 4), np.outer(
        [1, 2, 1], [1, 2, 1]) / 16)  # fmt: skip
    edge = 6 / 255 + 5 * noise * np.linalg.norm(ndimage.correlate1d(kernel, [-0.5, 0, 0.5], axis=0))
    shares = []
    for axis in (0, 1):
        inner = [slice(1, -1), slice(1, -1)]
        inner[axis] = slice(4, -4)  # one to smooth, two to blur, one for the gradient
        inner = tuple(inner)
        before = np.abs(ndimage.correlate1d(smooth, [-0.5, 0, 0.5], axis=axis))[inner]
        blurred = ndimage.uniform_filter1d(smooth, 5, axis=axis)
        after = np.abs(ndimage.correlate1d(blurred, [-0.5, 0, 0.5], axis=axis))[inner]
        weights = (before - edge).clip(0)
        least = 0.005 * before.size * 2 * edge**2
        lost = (weights * (before - after).clip(0)).sum()
        shares.append(lost / max((weights * before).sum(), least))
    return min(shares)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_equals_the_definition_in_scipy(name):
    rgb = getattr(data, name)()
    for picture in (rgb, along(rgb, 9), grainy(rgb, 8), rgb[:17, :30]):
        assert measure(picture) == pytest.approx(by_scipy(picture), abs=1e-4)


@pytest.mark.parametrize("axis", [0, 1])
def test_falls_with_the_length_of_motion_as_scikit_images_blur_effect_rises(axis):
    for rgb in (data.astronaut(), data.coffee()):
        pictures = [rgb, *(along(rgb, length, axis) for length in (3, 5, 9, 15))]
        ours = [measure(p) for p in pictures]
        theirs = [blur_effect(p, channel_axis=2) for p in pictures]
        assert (np.diff(ours) < 0).all() and (np.diff(theirs) > 0).all()
        assert ours[0] > 2 * ours[3]


def test_every_depth_gives_the_same():
    rgb = data.coffee()
    expected = measure(rgb)
    assert expected > 0.3
    for dtype in ("uint16", "float32"):
        assert measure(images.convert_depth(rgb, dtype)) == pytest.approx(expected, abs=1e-4)


def test_what_has_no_edges_is_not_called_sharp():
    y, x = np.mgrid[:300, :400]
    sky = (100 + 0.1 * x + 0.05 * y)[..., None].repeat(3, 2).astype(np.uint8)
    pictures = [np.full((64, 64, 3), 128, np.uint8), np.zeros((64, 64, 3), np.uint8), sky]
    for deviation in (1, 3, 5, 12, 40):
        pictures += [
            grainy(sky, deviation),
            *(as_jpeg(grainy(sky, deviation), q) for q in (50, 90)),
        ]
    assert max(measure(p) for p in pictures) < 0.2
    night = grainy(along(data.astronaut(), 9) // 6, 4)
    assert measure(night) < 0.1


def test_grain_and_compression_make_nothing_sharper():
    for rgb in (data.astronaut(), data.coffee(), data.chelsea()):
        blurred = along(rgb, 7)
        clean = measure(blurred)
        for worse in (grainy(blurred, 6), grainy(blurred, 12), as_jpeg(blurred, 50)):
            assert measure(worse) < clean + 0.05
        assert not seems_sharp(clean)


@pytest.mark.parametrize("height", [1, 2, 9, 15, 16, 17])
@pytest.mark.parametrize("width", [1, 10, 16, 40])
def test_tiny_pictures_have_a_number(rng, height, width):
    value = measure(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    assert 0 <= value < 1
    assert value == 0 or min(height, width) >= 16


def test_large_pictures_are_judged_by_crops_from_everywhere(rng):
    tile = np.asarray(Image.fromarray(data.astronaut()).resize((256, 256)))
    whole = np.tile(tile, (5, 7, 1))  # 1280x1792
    crops = sharpness._crops(whole)
    assert len(crops) == 16 and {c.shape for c in crops} == {(256, 256, 3)}
    np.testing.assert_array_equal(crops[0], whole[:256, :256])
    np.testing.assert_array_equal(crops[-1], whole[-256:, -256:])
    assert measure(whole) == pytest.approx(measure(np.tile(tile, (4, 4, 1))), abs=0.05)
    assert measure(along(whole, 9)) < measure(whole) / 2
    for height, width in ((20, 100_000), (100_000, 3)):
        assert 0 <= measure(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) < 1


def test_takes_a_moment_at_any_size(rng):
    for height, width in ((1000, 1048), (4000, 3000)):
        rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            measure(rgb)
            times.append(time.perf_counter() - start)
        assert min(times) < 0.25


def test_says_it_in_words():
    assert describe(0.152, 0.204) == "sharpness 0.15 -> 0.20"
    assert describe(SHARP, 0.5) == "sharpness 0.46 -> 0.50 (it seems sharp already)"
    assert not seems_sharp(np.nextafter(SHARP, 0))
    blurred, sharp = along(data.astronaut(), 9), data.astronaut()
    assert compare(blurred, sharp) == describe(measure(blurred), measure(sharp))
    assert compare(blurred, sharp) < compare(sharp, blurred)  # the lower number stands first


def study(root, kind):
    return [
        images.read_rgb(path)
        for folder in PAIRS
        for path in sorted(root.glob(f"{folder.format(kind)}/*"))
    ]


def show(name, pictures):
    values = np.array([measure(p) for p in pictures])
    called = np.mean(values >= SHARP)
    print(
        f"{name:24s} {len(values):4d} pictures, median {np.median(values):.2f}, "
        f"highest {values.max():.3f}, called sharp {called:.3f}"
    )
    return values, called


def test_real_blurred_pictures_are_not_called_sharp(shared_data):
    blurred = study(shared_data, "blur")
    assert len(blurred) == 196
    for name, change, most in (
        ("as they are", lambda p: p, 0),
        ("noise 6", lambda p: grainy(p, 6), 1 / 196),
        ("noise 12", lambda p: grainy(p, 12), 1 / 196),
        ("JPEG 50", lambda p: as_jpeg(p, 50), 0),
    ):
        _, called = show(f"blurred, {name}", [change(p) for p in blurred])
        assert called <= most


def test_most_photographs_are_called_sharp(shared_data):
    kodak = [images.read_rgb(p) for p in sorted(shared_data.glob("sharp/kodak24/*"))]
    others = [images.read_rgb(p) for p in sorted(shared_data.glob("sharp/photos/*.jpg"))]
    assert show("Kodak", kodak)[1] > 0.6
    assert show("other photographs", others)[1] > 0.5
    show("sharp twins", study(shared_data, "sharp"))


def test_restoring_makes_real_pictures_sharper(shared_data):
    restorer = deblur_jax.load("default")
    folder = shared_data / "gopro_dev" / "test_crops256"
    paths = sorted((folder / "blur").iterdir())[:8]
    crops = [images.read_rgb(p) for p in paths]
    before, _ = show("GoPro crops, blurred", crops)
    after, _ = show("GoPro crops, restored", [restorer(crop) for crop in crops])
    twins, _ = show(
        "GoPro crops, sharp", [images.read_rgb(folder / "sharp" / p.name) for p in paths]
    )
    print(f"mean {before.mean():.3f} -> {after.mean():.3f}, twins {twins.mean():.3f}")
    assert before.mean() + 0.02 < after.mean() < twins.mean()
    assert (twins > before).all()
