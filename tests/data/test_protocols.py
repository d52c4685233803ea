"""Sizes and filters of the protocols."""

import numpy as np
import pytest

from deblur_jax.data import protocols
from deblur_jax.errors import UsageError, UserError


@pytest.mark.parametrize(
    ("protocol", "shape"),
    [("full", (91, 120, 3)), ("half", (45, 60, 3)), ("resize256", (256, 256, 3))],
)
def test_sizes(rng: np.random.Generator, protocol: str, shape: tuple[int, ...]) -> None:
    picture = rng.integers(0, 256, (91, 120, 3), np.uint8)
    sized = protocols.apply(picture, protocol)
    assert sized.shape == shape
    assert sized.dtype == np.uint8


def test_full_changes_nothing(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (9, 7, 3), np.uint8)
    np.testing.assert_array_equal(protocols.apply(picture, "full", "nearest"), picture)


def keys(distance: float) -> float:
    """Keys' cubic convolution kernel with a = -0.5, written out."""
    t = abs(distance)
    if t < 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def halved(line: np.ndarray) -> np.ndarray:
    """One dimension shrunk by two with the kernel stretched by two, in float64."""
    out = []
    for i in range(len(line) // 2):
        centre = 2 * i + 1
        weights = np.array([keys((j + 0.5 - centre) / 2) for j in range(len(line) // 2 * 2)])
        out.append(np.sum(weights * line[: len(weights)]) / weights.sum())
    return np.array(out)


@pytest.mark.parametrize("length", [40, 41])
def test_half_is_antialiased_bicubic(rng: np.random.Generator, length: int) -> None:
    line = rng.integers(60, 190, length)
    picture = np.tile(line[None, :, None], (8, 1, 3)).astype(np.uint8)
    sized = protocols.apply(picture, "half")
    np.testing.assert_allclose(sized[0, :, 0], halved(line.astype(float)), atol=0.51)


def test_antialiasing_removes_what_nearest_keeps() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    smooth = protocols.apply(stripes, "half")[:, 4:-4]
    assert np.all(np.abs(smooth.astype(int) - 127) <= 1)
    assert set(np.unique(protocols.apply(stripes, "half", "nearest"))) <= {0, 255}


def test_nearest_picks_pixels_of_the_frame(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (512, 1024, 3), np.uint8)
    sized = protocols.apply(picture, "resize256", "nearest")
    rows, columns = (np.floor((np.arange(256) + 0.5) * factor).astype(int) for factor in (2, 4))
    np.testing.assert_array_equal(sized, picture[rows][:, columns])


def test_the_result_can_be_written_to() -> None:
    assert protocols.apply(np.zeros((8, 8, 3), np.uint8), "half").flags.writeable


def test_unknown_names_and_tiny_pictures() -> None:
    picture = np.zeros((8, 1, 3), np.uint8)
    with pytest.raises(UsageError, match="no protocol 'quarter': choose one of full, half"):
        protocols.apply(picture, "quarter")
    with pytest.raises(UsageError, match="no filter 'lanczos': choose one of bicubic, nearest"):
        protocols.apply(picture, "half", "lanczos")
    with pytest.raises(UserError, match="1x8"):
        protocols.apply(picture, "half")


def test_an_odd_last_row_and_column_are_not_seen_at_all(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (41, 51, 3), np.uint8)
    other = picture.copy()
    other[-1], other[:, -1] = 255 - other[-1], 255 - other[:, -1]
    np.testing.assert_array_equal(protocols.apply(picture, "half"), protocols.apply(other, "half"))
    assert protocols.size("half", 41, 51) == protocols.apply(picture, "half").shape[:2] == (20, 25)
    assert protocols.size("resize256", 41, 51) == (256, 256)
    assert protocols.size("full", 41, 51) == (41, 51)
