"""Plots: what is drawn stands where its values say, in text that a page can take in."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from svg_marks import Drawn

from deblur_jax import plots
from deblur_jax.plots.drawings import MOST_POINTS, spread, thinned
from deblur_jax.plots.theme import INK, LINE, SOFT, series_colour


def a_plot(title: str = "A & <B>") -> str:
    return plots.points(
        title,
        [plots.Line("one", [1, 2, 3], [1.0, 3.0, 2.0])],
        x_label="$x$ and $y$",
        y_label="<y>",
    )


def test_marks_stand_where_the_values_are() -> None:
    drawn = Drawn(a_plot())
    np.testing.assert_allclose(drawn.values("series-0"), [1, 3, 2], atol=1e-4)
    x = drawn.places("series-0")[:, 0]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=1e-4)


def test_logarithmic_axes() -> None:
    line = plots.Line("one", [0.01, 0.1, 1.0], [0.05, 0.5, 50.0])
    drawn = Drawn(plots.points("t", [line], x_label="x", y_label="y", log_x=True, log_y=True))
    np.testing.assert_allclose(drawn.values("series-0", log=True), line.y, rtol=1e-4)
    x = drawn.places("series-0")[:, 0]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=1e-4)
    assert {"0.1", "1", "10"} <= set(drawn.words())


def test_logarithmic_axes_have_plain_labels_however_short_they_are() -> None:
    for top in (1.1, 3.0, 12.0, 400.0, 1e6):
        line = plots.Line("one", [1, 2, 3], [0.07, 0.08, 0.07 * top])
        drawn = Drawn(plots.lines("t", [line], x_label="", y_label="", log_y=True))
        labels = [word for word in drawn.words() if word.replace(".", "").isdigit()]
        assert len(labels) >= 3 + 2, top  # of both axes
        assert not any("$" in word or "math" in word for word in drawn.words())


def test_zeros_are_gaps_on_a_logarithmic_axis_and_no_axis_is_made_of_nothing() -> None:
    line = plots.Line("one", [1, 2, 3, 4], [0.0, 1.0, 100.0, None])
    drawn = Drawn(plots.points("t", [line], x_label="", y_label="", log_y=True))
    np.testing.assert_allclose(drawn.values("series-0", log=True), [1, 100], rtol=1e-4)
    empty = plots.Line("none", [1, 2], [None, 0.0])
    Drawn(plots.points("t", [empty], x_label="", y_label="", log_y=True))


def test_long_names_take_no_width_from_the_marks() -> None:
    def widest(name: str) -> float:
        lines = [plots.Line(name.format(n), [1, 2], [n, n + 1]) for n in range(3)]
        drawn = Drawn(plots.points("t", lines, x_label="", y_label=""))
        x = drawn.places("series-0")[:, 0]
        return x[1] - x[0]

    long = "configs/paper.py, random weights, bfloat16, batch {}, gpu: NVIDIA H100 80GB HBM3"
    assert widest(long) == pytest.approx(widest("model {}"), rel=0.02)


def test_counts_have_no_fractions_between_them() -> None:
    line = plots.Line("one", [1, 2], [0.25, 0.75])
    drawn = Drawn(plots.points("t", [line], x_label="", y_label=""))
    assert {"1", "2"} <= set(drawn.words())
    assert not {"1.2", "1.5", "1.0", "2.0"} & set(drawn.words())
    halves = plots.Line("one", [1, 1.5, 2], [0.25, 0.5, 0.75])
    assert "1.2" in Drawn(plots.points("t", [halves], x_label="", y_label="")).words()


def test_close_values_have_a_linear_axis() -> None:
    line = plots.Line("one", [1, 2, 3], [1.0, 2.0, 3.0])
    drawn = Drawn(plots.points("t", [line], x_label="", y_label="", log_y=True))
    y = drawn.places("series-0")[:, 1]
    assert y[0] - y[1] == pytest.approx(y[1] - y[2], abs=1e-4)


def test_a_line_may_have_another_ones_colour() -> None:
    series = [plots.Line("a", [1, 2], [1.0, 2.0], tone=2), plots.Line("b", [1, 2], [2.0, 1.0])]
    drawn = Drawn(plots.lines("t", series, x_label="", y_label=""))
    colours = [ElementTree.tostring(drawn.group(f"series-{n}"), "unicode") for n in (0, 1)]
    assert "--plot-series-2" in colours[0]
    assert "--plot-series-1" in colours[1]


def test_groups_have_dots_means_and_their_spread() -> None:
    text = plots.groups(
        "t", ["5", "9"], [("<one>", [[1.0, 3.0], [4.0]]), ("two", [[], [0.5]])],
        x_label="x", y_label="y", connect=True,
    )  # fmt: skip
    drawn = Drawn(text)
    np.testing.assert_allclose(drawn.values("dots-0"), [1, 3, 4], atol=1e-4)
    np.testing.assert_allclose(drawn.values("means-0"), [2, 4], atol=1e-4)
    np.testing.assert_allclose(drawn.values("means-1"), [0.5], atol=1e-4)
    assert "<one>" in drawn.words()
    one, two = drawn.places("means-0")[:, 0], drawn.places("means-1")[:, 0]
    assert one[1] < two[0]  # side by side in the second group
    with pytest.raises(ValueError, match="no values"):
        plots.groups("t", ["5"], [("one", [[]])], x_label="x", y_label="y")


def test_spread_is_one_standard_deviation() -> None:
    assert spread([2.0]) == (2.0, 2.0)
    values = [1.0, 2.0, 4.0, 9.0]
    mean, std = np.mean(values), np.std(values, ddof=1)
    assert spread(values) == pytest.approx((mean - std, mean + std))


def test_gains_are_in_the_order_of_the_first_model() -> None:
    series = [("a", [0.1, None, 2.0, -1.0]), ("b", [1.0, 1.5, 2.5, 3.5])]
    drawn = Drawn(plots.gains("t", ["p", "q", "r", "s"], series))
    np.testing.assert_allclose(drawn.values("gains-0"), [2, 0.1, -1], atol=1e-4)
    np.testing.assert_allclose(drawn.values("gains-1"), [2.5, 1, 3.5, 1.5], atol=1e-4)
    words = drawn.words()
    assert [words.index(name) for name in "rpsq"] == sorted(words.index(name) for name in "pqrs")
    with pytest.raises(ValueError, match="each picture"):
        plots.gains("t", ["p"], [("a", [1.0, 2.0])])


def test_many_pictures_have_no_names_below_them() -> None:
    names = [f"picture {n}" for n in range(40)]
    drawn = Drawn(plots.gains("t", names, [("a", [float(n) for n in range(40)])]))
    assert not set(names) & set(drawn.words())
    assert len(drawn.places("gains-0")) == 40


def test_reference_lines_say_what_they_are() -> None:
    line = plots.Line("one", [1, 2], [0.1, 0.2])
    text = plots.points(
        "t", [line], x_label="x", y_label="y", reference=[("the report", 0.97), ("the paper", 0.85)]
    )
    assert {"the report", "the paper"} <= set(Drawn(text).words())


def test_gaps_stay_gaps_and_long_lines_keep_their_spikes() -> None:
    x = list(range(10 * MOST_POINTS))
    y: list[float | None] = [0.5] * len(x)
    y[7] = 99.0
    y[5000] = -99.0
    y[2000:3000] = [None] * 1000
    xs, ys = thinned(x, y)
    assert len(xs) <= MOST_POINTS
    assert (xs[np.nanargmax(ys)], np.nanmax(ys)) == (7, 99)
    assert (xs[np.nanargmin(ys)], np.nanmin(ys)) == (5000, -99)
    assert np.isnan(ys[(xs >= 2000) & (xs < 3000)]).all()
    assert (np.diff(xs) > 0).all()
    short_x, short_y = thinned([1, 2, 3], [1.0, None, 3.0])
    np.testing.assert_array_equal(short_x, [1, 2, 3])
    np.testing.assert_array_equal(short_y, [1, np.nan, 3])


def test_a_page_can_take_several_in() -> None:
    first, second = a_plot("first"), a_plot("second")
    for text in (first, second):
        assert text.startswith("<svg ")
        assert 'role="img"' in text
        assert "http:" not in text.replace("http://www.w3.org/", "")
        assert not any(stand_in in text for stand_in in (INK, SOFT, LINE, series_colour(0)))
        assert "prefers-color-scheme: dark" in text

    def ids(text: str) -> set[str]:
        return {e.get("id", "") for e in Drawn(text).root.iter() if e.get("id")}

    assert not ids(first) & ids(second)
    references = {
        value[1:]
        for e in Drawn(first).root.iter()
        for key, value in e.attrib.items()
        if key.endswith("href")
    }
    assert references <= ids(first)


def test_words_are_escaped_and_no_formula() -> None:
    text = a_plot()
    assert "<title>A &amp; &lt;B&gt;</title>" in text
    words = Drawn(text).words()
    assert {"A & <B>", "$x$ and $y$", "<y>"} <= set(words)


def test_the_same_data_give_the_same_text() -> None:
    assert a_plot() == a_plot()


def test_no_word_on_stderr_where_nothing_can_be_cached(tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    code = (
        "import sys\n"
        "from deblur_jax import plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "print(len(plots.gains('t', ['a'], [('m', [1.0])])))\n"
    )
    environment = os.environ | {"HOME": str(nowhere), "XDG_CACHE_HOME": str(nowhere),
                                "XDG_CONFIG_HOME": str(nowhere)}  # fmt: skip
    environment.pop("MPLCONFIGDIR", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 1000
