"""Ranges stand where their values say, from the top, beside the line that they are held against."""

import numpy as np
import pytest
from svg_marks import Drawn

from deblur_jax import plots

ROWS = [
    plots.Interval("torch", 2.0, 1.5, 4.0),
    plots.Interval("onnx", 0.5, 0.25, 0.75),
    plots.Interval("alone", 5.0),
]


def drawn(rows: list[plots.Interval]) -> Drawn:
    return Drawn(plots.intervals("t", rows, x_label="ratio", mark=("1: ours", 1.0)))


def test_middles_and_ranges_on_a_logarithmic_axis() -> None:
    found = drawn(ROWS)
    assert found.across(found.places("middles")[:, 0], log=True) == pytest.approx(
        [2.0, 0.5, 5.0], rel=1e-3
    )
    for place, row in enumerate(ROWS[:2]):
        ends = found.corners(f"range-{place}")
        assert found.across(ends[:, 0], log=True) == pytest.approx([row.low, row.high], rel=1e-3)
        np.testing.assert_allclose(ends[:, 1], found.places("middles")[place, 1], atol=1e-3)
    assert found.across(found.corners("mark")[:, 0], log=True) == pytest.approx([1, 1], rel=1e-3)
    assert "range-2" not in plots.intervals("t", ROWS, x_label="", mark=("", 1.0))


def test_rows_stand_from_the_top_under_their_names() -> None:
    found = drawn(ROWS)
    heights = found.places("middles")[:, 1]
    assert (np.diff(heights) > 0).all()  # an SVG's y grows downwards
    words = found.words()
    assert {"torch", "onnx", "alone", "1: ours", "ratio", "t"} <= set(words)


def test_close_ratios_have_a_linear_axis() -> None:
    found = drawn([plots.Interval("a", 1.25, 1.125, 1.5), plots.Interval("b", 0.875, 0.75, 1.0)])
    assert found.across(found.places("middles")[:, 0]) == pytest.approx([1.25, 0.875], abs=1e-3)


def test_more_rows_make_a_higher_plot_not_closer_rows() -> None:
    apart = [np.diff(drawn(ROWS[:n]).places("middles")[:, 1])[0] for n in (2, 3)]
    assert apart[1] == pytest.approx(apart[0], rel=0.15)
