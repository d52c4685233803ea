"""Statistics of pairs against loops over pixels and scikit-image; verdicts by hand."""

import math

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from deblur_jax.data import statistics
from deblur_jax.errors import UsageError


@pytest.fixture
def pairs(rng):
    sharp = [rng.integers(0, 256, (12, 9 + i, 3), dtype=np.uint8) for i in range(5)]
    return [((s // 2 + 40 + 3 * i).astype(np.uint8), s) for i, s in enumerate(sharp)]


def looped_gradients(picture):
    gray = [[sum(int(v) for v in pixel) / 3 for pixel in row] for row in picture]
    return [
        math.hypot(gray[y + 1][x] - gray[y][x], gray[y][x + 1] - gray[y][x])
        for y in range(len(gray) - 1)
        for x in range(len(gray[0]) - 1)
    ]


def test_one_pair_against_loops(pairs):
    blurred, sharp = pairs[2]
    found = statistics.measure(blurred, sharp)
    assert found["psnr"] == pytest.approx(peak_signal_noise_ratio(sharp, blurred))
    for name, picture in (("sharp", sharp), ("blurred", blurred)):
        lengths = looped_gradients(picture)
        assert found[f"gradient_{name}"] == pytest.approx(sum(lengths) / len(lengths))
        edges = sum(length > 16 for length in lengths) / len(lengths)
        assert found[f"edges_{name}"] == pytest.approx(edges)
    ratio = (found["gradient_blurred"] + 0.01) / (found["gradient_sharp"] + 0.01)
    assert found["log_ratio"] == pytest.approx(math.log(ratio))
    assert -0.75 < found["log_ratio"] < -0.65  # half of the contrast: ln(1/2)
    assert found["brightening"] == pytest.approx(blurred.mean() - sharp.mean())
    assert set(found) == set(statistics.UNITS)


def test_equal_and_flat_pairs_have_finite_figures():
    flat = np.full((8, 8, 3), 77, np.uint8)
    assert statistics.measure(flat, flat)["psnr"] == 60.0
    assert statistics.measure(flat, flat)["log_ratio"] == 0.0


def test_a_summary_has_the_quantiles_and_histograms(pairs):
    summary = statistics.summarize(iter(pairs))
    assert summary["pairs"] == 5
    psnr = sorted(peak_signal_noise_ratio(s, b) for b, s in pairs)
    # Five values: their 5 % quantile lies a fifth of the way from the first to the second.
    low = psnr[0] + 0.2 * (psnr[1] - psnr[0])
    high = psnr[4] - 0.2 * (psnr[4] - psnr[3])
    np.testing.assert_allclose(summary["psnr"], [low, *psnr[1:4], high])
    every = [length for _, sharp in pairs for length in looped_gradients(sharp)]
    counted = [0] * 16
    for length in every:
        # Bin 0 below one level, then 15 bins equal in the logarithm up to 255 sqrt(2).
        place = 0 if length < 1 else 1 + int(15 * math.log(length) / math.log(255 * 2**0.5))
        counted[place] += 1
    np.testing.assert_allclose(summary["histogram_sharp"], np.array(counted) / len(every))
    assert sum(summary["histogram_blurred"]) == pytest.approx(1.0)
    with pytest.raises(UsageError, match="no pairs"):
        statistics.summarize([])


def made_up(low, middle, high):
    quantiles = [low, (low + middle) / 2, middle, (middle + high) / 2, high]
    return {"pairs": 3} | dict.fromkeys(statistics.UNITS, quantiles)


def test_verdicts_say_whether_and_how_far():
    real = {"one": made_up(0, 5, 9), "two": made_up(0, 7, 9)}
    covering = {"a": made_up(4, 5, 6), "b": made_up(6, 7, 8)}
    verdict = statistics.verdicts(real, covering)[0]
    assert verdict == ("psnr", (5, 7), (4, 8), 0.0)
    short = statistics.verdicts(real, {"a": made_up(1, 5, 6)})
    assert [v.statistic for v in short] == list(statistics.UNITS)
    assert all(v.gap == 1.0 for v in short)
    assert statistics.verdicts(real, {"a": made_up(5.5, 8, 9)})[0].gap == 0.5
    text = statistics.compare(real, {"a": made_up(1, 5, 6)})
    assert "real two" in text and "synthetic a" in text
    assert text.count("misses by 1.000 the real medians (5.000 to 7.000)") == len(statistics.UNITS)
    assert "covers the real medians" in statistics.compare(real, covering)
    with pytest.raises(UsageError, match="at least one"):
        statistics.compare(real, {})


def test_folders_are_cut_into_tiles(tmp_path, rng):
    sharp = rng.integers(0, 256, (20, 27, 3), dtype=np.uint8)
    for side, picture in (("blur", 255 - sharp), ("sharp", sharp)):
        (tmp_path / side).mkdir()
        Image.fromarray(picture).save(tmp_path / side / "a.png")
    tiles = list(statistics.folder_crops(tmp_path, 9))
    assert len(tiles) == 6
    np.testing.assert_array_equal(tiles[4][1], sharp[9:18, 9:18])
    np.testing.assert_array_equal(tiles[4][0], 255 - sharp[9:18, 9:18])
