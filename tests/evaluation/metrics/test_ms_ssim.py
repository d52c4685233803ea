"""Multi-scale SSIM against a numpy loop over scales and windows, and TensorFlow's."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, signal
from skimage import data

from deblur_jax.evaluation.metrics.ms_ssim import SMALLEST, WEIGHTS, ms_ssim


def gray(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).convert("L"), np.float64)


def by_loop(a: np.ndarray, b: np.ndarray) -> float:
    """A dense 11x11 window by direct convolution, averages over 2x2 by scipy, float64."""
    x = np.arange(11) - 5
    g = np.exp(-(x**2) / (2 * 1.5**2))
    window = np.outer(g, g) / np.outer(g, g).sum()
    box = np.full((2, 2), 0.25)
    powers = []
    for weight in (0.0448, 0.2856, 0.3001, 0.2363, 0.1333):
        ma, mb, aa, bb, ab = (
            signal.convolve2d(m, window, "valid") for m in (a, b, a * a, b * b, a * b)
        )
        l = (2 * ma * mb + 6.5025) / (ma**2 + mb**2 + 6.5025)  # noqa: E741
        cs = (2 * (ab - ma * mb) + 58.5225) / (aa - ma**2 + bb - mb**2 + 58.5225)
        powers.append((max(np.mean(l * cs if len(powers) == 4 else cs), 0), weight))
        # origin -1: each pixel with the next one; mirrored outwards, edge pixel included.
        a, b = (ndimage.correlate(m, box, mode="reflect", origin=-1)[::2, ::2] for m in (a, b))
    return float(np.prod([mean**weight for mean, weight in powers]))


def pictures(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if kind == "noise":
        a, b = rng.integers(0, 256, (2, 176, 181, 3), np.uint8)
        return a, b
    if kind == "flat":
        a = np.full((176, 177, 3), 200, np.uint8)
        b = a.copy()
        b[50, 60] = 0
        b[:, 90:] = 203
        return a, b
    sharp = data.astronaut()[60:277, :256]  # 217 is odd at the first, third and fourth scale
    smooth = ndimage.gaussian_filter(sharp.astype(float), (2, 1, 0))
    return np.rint(smooth).astype(np.uint8), sharp


@pytest.mark.parametrize("kind", ["noise", "flat", "real"])
def test_the_loop_and_tensorflow(kind: str, rng: np.random.Generator) -> None:
    a, b = pictures(kind, rng)
    found = ms_ssim(a, b)
    assert found is not None
    assert found == pytest.approx(by_loop(gray(a), gray(b)), abs=1e-9)
    if kind == "real":
        assert 0.5 < found < 0.99
    tf = pytest.importorskip("tensorflow")
    theirs = tf.image.ssim_multiscale(gray(a)[None, ..., None], gray(b)[None, ..., None], 255)
    # In flat parts its float32 variances are off by some hundredths of a grey level squared.
    assert found == pytest.approx(float(theirs[0]), abs=5e-4 if kind == "flat" else 1e-5)


def test_identical_pictures_and_negatives(rng: np.random.Generator) -> None:
    a, _ = pictures("real", rng)
    assert ms_ssim(a, a) == pytest.approx(1.0, abs=1e-12)
    assert ms_ssim(a, 255 - a) == 0.0


def test_none_below_the_size_that_five_scales_take() -> None:
    assert SMALLEST == 176
    small = np.zeros((175, 300, 3), np.uint8)
    assert ms_ssim(small, small) is None
    assert sum(WEIGHTS) == pytest.approx(1.0001, abs=1e-12)


def test_other_shapes_and_types_are_refused() -> None:
    picture = np.zeros((180, 180, 3), np.uint8)
    with pytest.raises(ValueError):
        ms_ssim(picture, picture[:-1])
    with pytest.raises(ValueError):
        ms_ssim(picture, picture.astype(np.float32))
