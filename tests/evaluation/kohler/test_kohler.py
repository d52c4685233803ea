"""Köhler's protocol on pictures scaled and shifted by known amounts, and against numpy."""

import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.evaluation.kohler import benchmark as kohler
from deblur_jax.evaluation.kohler import run
from deblur_jax.evaluation.kohler.benchmark import best_of, compare, evaluate_kohler
from deblur_jax.evaluation.kohler.folder import KohlerPicture
from deblur_jax.evaluation.ledger import Ledger, beside
from deblur_jax.evaluation.results import summary
from deblur_jax.evaluation.timed import TimedRestorer

LUMINANCE = np.array([0.299, 0.587, 0.114])


def photograph(height: int = 165, width: int = 180) -> np.ndarray:
    return data.astronaut()[40 : 40 + height, 130 : 130 + width]


def moved(picture: np.ndarray, down: int, right: int) -> np.ndarray:
    """By plain slices; black comes in."""
    height, width = picture.shape[:2]
    out = np.zeros_like(picture)
    out[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = picture[
        max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return out


def mirrored(m: np.ndarray) -> np.ndarray:
    """The 9/7 wavelet's low-pass as one dense 9x9 kernel, then every second row and column."""
    half = [0.852698679, 0.377402856, -0.110624404, -0.023849465, 0.037828456]
    line = np.array([*half[:0:-1], *half])
    kernel = np.outer(line, line)
    return ndimage.correlate(m, kernel / kernel.sum(), mode="reflect")[::2, ::2]


def component_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Means of luminance, contrast and structure by scipy's dense window, scale by scale."""
    x = np.arange(11) - 5
    g = np.exp(-(x**2) / (2 * 1.5**2))
    window = np.outer(g, g) / np.outer(g, g).sum()

    def mean(m: np.ndarray) -> np.ndarray:
        return ndimage.correlate(m, window)[5:-5, 5:-5]

    product = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        ma, mb = mean(a), mean(b)
        sa, sb = (np.sqrt(np.maximum(mean(m * m) - mm**2, 0)) for m, mm in ((a, ma), (b, mb)))
        covariance = mean(a * b) - ma * mb
        contrast = np.mean((2 * sa * sb + 58.5225) / (sa**2 + sb**2 + 58.5225))
        structure = np.mean((covariance + 58.5225 / 2) / (sa * sb + 58.5225 / 2))
        product *= contrast**weight * structure**weight
        if scale == 4:
            product *= np.mean((2 * ma * mb + 6.5025) / (ma**2 + mb**2 + 6.5025)) ** weight
        a, b = mirrored(a), mirrored(b)
    return product


def highest_correlation(z: np.ndarray, x: np.ndarray) -> tuple[int, int]:
    """By trying the shifts up to 8 pixels one by one."""
    z, x = z.mean(2), x.mean(2)
    steps = range(-8, 9)
    sums = {(d, r): np.sum(x * np.roll(z, (d, r), (0, 1))) for d in steps for r in steps}
    return max(sums, key=lambda shift: sums[shift])


def by_numpy(z: np.ndarray, x: np.ndarray, shift: tuple[int, int]) -> tuple[float, float]:
    """The whole protocol with the shift given."""
    z, x = z.astype(float), x.astype(float)
    z *= np.sum(x * z) / np.sum(z * z)
    x = x * moved(np.ones(x.shape), *shift)
    a, b = x @ LUMINANCE, moved(z, *shift) @ LUMINANCE
    error = np.mean((a - b) ** 2)
    psnr = 10 * math.log10(255**2 / error) if error else math.inf
    return psnr, component_ms_ssim(a, b)


@pytest.mark.parametrize("shift", [(0, 0), (3, 5), (-4, 7), (6, -2), (-1, -9)])
def test_a_known_shift_is_found_and_undone(shift: tuple[int, int]) -> None:
    """A picture that was cut from a larger one some pixels away: all but the margin agrees."""
    large = data.astronaut()
    frame = large[60:225, 130:310]
    restored = large[60 + shift[0] : 225 + shift[0], 130 + shift[1] : 310 + shift[1]]
    found = compare(restored, frame)
    assert found.shift == shift
    # The brightness is set before the shift, and so on slightly other contents.
    psnr, similarity = by_numpy(restored, frame, shift)
    if shift == (0, 0):
        assert (found.psnr, psnr) == (math.inf, math.inf)
    else:
        assert found.psnr == pytest.approx(psnr, abs=1e-6)
    assert found.ms_ssim == pytest.approx(similarity, abs=1e-7)
    assert found.ms_ssim is not None
    assert found.ms_ssim > 0.98


def test_a_known_brightness_is_undone() -> None:
    frame = photograph()
    restored = frame // 2
    found = compare(restored, frame)
    assert found.scale == pytest.approx(
        np.sum(frame * (restored * 1.0)) / np.sum(restored * 1.0 * restored)
    )
    assert found.scale == pytest.approx(2.0, abs=0.02)
    assert found.shift == (0, 0)
    # What halving lost: 0 or 1 level in each channel.
    assert found.psnr > 50


def test_blurred_scaled_and_shifted_against_numpy() -> None:
    large = data.astronaut().astype(float)
    blurred = 0.8 * ndimage.gaussian_filter(large, (1, 1.5, 0)) + 4
    frame = large[60:225, 130:310].astype(np.uint8)
    restored = np.rint(blurred[65:230, 127:307]).astype(np.uint8)
    found = compare(restored, frame)
    assert found.shift == (5, -3)
    assert found.shift == highest_correlation(restored, frame)
    psnr, similarity = by_numpy(restored, frame, (5, -3))
    assert found.psnr == pytest.approx(psnr, abs=1e-6)
    assert found.ms_ssim == pytest.approx(similarity, abs=1e-7)
    naive = 10 * np.log10(255**2 / np.mean((restored.astype(float) - frame) ** 2))
    assert found.psnr > naive + 3, "without alignment it would look far worse"


def test_strong_blur_may_mislead_the_registration_as_it_does_the_authors() -> None:
    """The correlation is circular, without a window: what it finds is what is taken."""
    large = data.astronaut().astype(float)
    frame = large[60:225, 130:310].astype(np.uint8)
    restored = np.rint(ndimage.gaussian_filter(large, (2, 3, 0))[65:230, 127:307]).astype(np.uint8)
    found = compare(restored, frame)
    assert found.shift == highest_correlation(restored, frame) == (4, -3)


def test_the_shift_wraps_at_half_a_side() -> None:
    """Of 8 rows, three down is three down, and four is four up, as in the authors' script."""
    spot = np.zeros((8, 9, 3), np.uint8)
    spot[0, 0] = 200
    for rows, expected in ((3, 3), (4, -4), (7, -1)):
        assert compare(spot, np.roll(spot, rows, 0)).shift == (expected, 0)
    for columns, expected in ((3, 3), (4, -5), (8, -1)):
        assert compare(spot, np.roll(spot, columns, 1)).shift == (0, expected)


def test_identical_small_and_black_pictures() -> None:
    frame = photograph(40, 50)
    assert compare(frame, frame) == (float("inf"), None, 1.0, (0, 0))
    with pytest.raises(UserError, match="black all over"):
        compare(np.zeros_like(frame), frame)
    with pytest.raises(ValueError):
        compare(frame[1:], frame)


def test_the_best_frame_counts_for_each_measure_alone(monkeypatch) -> None:
    scores = {1: (30.0, 0.5), 2: (20.0, 0.9), 3: (25.0, None)}
    monkeypatch.setattr(
        kohler, "compare", lambda z, frame: kohler.Comparison(*scores[frame], 1.0, (0, 0))
    )
    assert best_of(photograph(), iter([1, 2, 3])) == (30.0, 0.9, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no frames"):
        best_of(photograph(), [])


@pytest.fixture
def pictures(tmp_path: Path) -> list[KohlerPicture]:
    """Two photographs of two frames each, the second frame the right one."""
    made = []
    for motion in (1, 2):
        large = np.roll(data.astronaut(), 40 * motion, 1)[:200, :210]
        frames = [np.rint(0.5 * large[:165, :180]).astype(np.uint8), large[8:173, 5:185]]
        paths = [tmp_path / f"frame{motion}_{n}.png" for n in (1, 2)]
        for path, frame in zip(paths, frames, strict=True):
            images.write(path, frame)
        blurred = ndimage.uniform_filter(large.astype(float), (1, 7, 1))[8:173, 5:185]
        images.write(tmp_path / f"blurred{motion}.png", np.rint(blurred).astype(np.uint8))
        made.append(KohlerPicture(1, motion, tmp_path / f"blurred{motion}.png", tuple(paths)))
    return made


class Fake:
    """A function as a model."""

    weights = SimpleNamespace(name="fake", sha256="0" * 64)

    def __init__(self, function) -> None:
        self.function = function

    def __call__(self, image: np.ndarray) -> np.ndarray:
        return self.function(image)


def model(function) -> TimedRestorer:
    return TimedRestorer(Fake(function))


def test_evaluation_over_pictures(pictures: list[KohlerPicture]) -> None:
    told: list[tuple[int, int, str]] = []
    found = evaluate_kohler(
        pictures, model(lambda z: moved(z, 2, 3)), lambda *step: told.append(step)
    )
    assert told == [(1, 2, "1_1"), (2, 2, "1_2")]
    assert (found["protocol"], found["count"]) == ("kohler", 2)
    for entry, picture in zip(found["per_image"], pictures, strict=True):
        z = images.read_rgb(picture.blurred)
        frames = [images.read_rgb(path) for path in picture.frames]
        for side, shown in (("blurred", z), ("restored", moved(z, 2, 3))):
            each = [compare(shown, frame) for frame in frames]
            assert entry[side]["psnr"] == max(one.psnr for one in each)
            assert entry[side]["ms_ssim"] == max(one.ms_ssim or 0 for one in each)
        assert (entry["name"], entry["frames"]) == (picture.name, 2)
    for side in ("blurred", "restored"):
        for key in ("psnr", "ms_ssim"):
            values = [entry[side][key] for entry in found["per_image"]]
            assert found[side][key] == pytest.approx(np.mean(values), abs=1e-12)
    assert "infinite_psnr" not in found


def test_the_benchmark_becomes_a_file_and_goes_on_where_it_stopped(
    pictures: list[KohlerPicture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "find_kohler", lambda directory: pictures)
    output, calls, said = tmp_path / "new" / "kohler.json", [], []

    def restore(z: np.ndarray) -> np.ndarray:
        calls.append(z.shape)
        return moved(z, 2, 3)

    def interrupt(done: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.evaluate_to_file(output, "folder", Fake(restore), progress=interrupt)
    assert not output.exists() and len(calls) == 2
    written = run.evaluate_to_file(output, "folder", Fake(restore), say=said.append)
    assert said == ["1 of 2 were scored before"] and len(calls) == 4
    place = beside(tmp_path / "again.json")
    with Ledger(place, {}) as ledger:
        evaluate_kohler(pictures, model(restore), ledger=ledger)
    os.utime(pictures[0].frames[1], ns=(1, 2))  # put right after it was found to be damaged
    with Ledger(place, {}) as ledger:
        evaluate_kohler(pictures, model(restore), ledger=ledger)
    assert len(calls) == 4 + 3 + 2, "one photograph, twice for its size"
    document = json.loads(output.read_text())
    assert document == written and [p.name for p in output.parent.iterdir()] == ["kohler.json"]
    assert (document["schema"], document["protocol"], document["dataset"]) == (
        1,
        "kohler",
        "kohler",
    )
    assert (document["weights"]["name"], document["count"]) == ("fake", 2)
    assert set(document["seconds_per_image"]) == {"median", "p90", "first_with_compilation"}
    expected = evaluate_kohler(pictures, model(restore))
    for side in ("blurred", "restored"):
        assert document[side] == expected[side]
    assert "fake on kohler: 2 pairs" in summary(document)


def test_a_perfect_picture_is_counted_and_in_no_mean(pictures: list[KohlerPicture]) -> None:
    perfect = images.read_rgb(pictures[0].frames[1])
    first = images.read_rgb(pictures[0].blurred)
    found = evaluate_kohler(
        pictures, model(lambda z: perfect if np.array_equal(z, first) else z.copy())
    )
    assert found["infinite_psnr"] == {"blurred": 0, "restored": 1}
    assert found["per_image"][0]["restored"]["psnr"] is None
    assert found["restored"]["psnr"] == found["per_image"][1]["restored"]["psnr"]


def test_what_is_wrong_is_named(pictures: list[KohlerPicture]) -> None:
    with pytest.raises(UserError, match=r"blurred1\.png: the weights fake gave float32"):
        evaluate_kohler(pictures, model(lambda z: z.astype(np.float32)))
    with pytest.raises(UserError, match=r"blurred1\.png: .*black all over"):
        evaluate_kohler(pictures, model(np.zeros_like))
    images.write(pictures[0].frames[1], np.zeros((165, 179, 3), np.uint8))
    with pytest.raises(UserError, match=r"frame1_2\.png has 179x165 pixels, not 180x165"):
        evaluate_kohler(pictures, model(lambda z: z))
    with pytest.raises(ValueError, match="no pictures"):
        evaluate_kohler([], model(lambda z: z))
