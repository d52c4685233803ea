"""The report's tables: what stands in them, what is said, and what is never averaged."""

import csv
import io
from dataclasses import replace

from report_files import evaluation, scores, source

from deblur_jax.report import history, remarks
from deblur_jax.report import scores as tables
from deblur_jax.report.texts import comma_separated, markdown
from deblur_jax.web.elements import (
    Cell,
    Column,
    Folded,
    Prose,
    Section,
    Table,
    change,
    gain,
    number,
)

GAINS = {"a/1.png": 1.0, "b/2.png": -0.5, "b/3.png": 0.25}


def column(table: Table, title: str) -> list[Cell]:
    place = [each.title for each in table.columns].index(title)
    return [row[place] for row in table.rows]


def test_cells() -> None:
    assert number(None, 2) == Cell("not measured", None, "none")
    assert number(-0.001, 2).text == "0.00"
    assert number(-1.5, 1).text == "−1.5"
    assert number(float("inf"), 2).text == "∞"
    assert gain(0.5, 2) == Cell("+0.50", 0.5, "better")
    assert gain(-0.5, 2) == Cell("−0.50", -0.5, "worse")
    assert gain(0.004, 2).mood == ""
    assert change(1.0, 1.001, 2).mood == "same"
    assert change(None, 1.0, 2) is None
    assert number(None, 2).key is None
    assert number(3.14159, 2).key == 3.14159


def test_the_summary_holds_both_sides_and_the_gain() -> None:
    table = tables.summary_table([source(evaluation(GAINS))])
    assert column(table, "PSNR blurred")[0].text == "21.00"
    assert column(table, "PSNR restored")[0].text == "21.25"
    assert column(table, "gain")[0] == Cell("+0.25", 0.25, "better")
    assert column(table, "pictures")[0].value == 3
    assert column(table, "median s")[0].text == "0.750"
    assert list(table.notes) == ["full: pictures at their own size."]


def test_different_protocols_data_and_blur_are_said() -> None:
    table = tables.summary_table(
        [
            source(evaluation(GAINS, subset="linear")),
            source(evaluation(GAINS, protocol="half", filter="nearest", subset="gamma")),
            source(evaluation(GAINS, dataset="others", blurred_folder="input")),
        ]
    )
    assert len(table.rows) == 3
    said = " ".join(table.notes)
    assert "different protocols (full; half, nearest)" in said
    assert "different data (frames; others)" in said
    assert "kinds of blur (gamma; input/; linear)" in said


def test_failures_infinities_and_wrong_means_are_said() -> None:
    document = evaluation(
        GAINS,
        failed=[{"name": "x.png", "reason": "is truncated"}, {"name": "y", "reason": "NaN"}],
        infinite_psnr={"blurred": 0, "restored": 2},
    )
    document["restored"]["psnr"] = 30.0
    one = replace(source(document), not_finite=4)
    said = " ".join(remarks.of_one(one))
    assert "4 of the file's numbers are not finite" in said
    assert "2 not scored, in no mean: x.png (is truncated) and 1 more" in said
    assert "2 restored equal to the sharp twin" in said
    assert "0 blurred" not in said
    assert "30.00 dB, is not that of its pictures, 21.25 dB" in said


def test_an_infinite_psnr_is_shown_and_has_no_gain() -> None:
    document = evaluation(GAINS)
    document["per_image"][0]["restored"] = scores(None, 1.0)
    table = tables.picture_table(source(document), "t")
    assert column(table, "PSNR restored")[0].text == "∞"
    assert column(table, "gain")[0].key is None
    assert tables.gain_of(document["per_image"][0]) is None


def test_every_convention_stands_beside_the_others() -> None:
    document = evaluation(GAINS)
    document["restored"] |= {"ssim_matlab3d": 0.9, "psnr_truncated": 21.2, "psnr_floats": 21.3}
    table = tables.conventions_table([source(document), source(document, "other")])
    assert [row[0].text for row in table.rows] == ["blurred input", "default", "other"]
    assert [c.text for c in column(table, "PSNR, truncated")] == ["–", "21.20", "21.20"]
    assert [c.text for c in column(table, "SSIM, MATLAB 3-D")] == ["–", "0.9000", "0.9000"]
    assert "MS-SSIM" not in [each.title for each in table.columns]  # nobody measured it


def test_scenes_need_at_least_two() -> None:
    scene = {"scene": "a", "count": 1, "blurred": scores(20, 0.5), "restored": scores(21, 0.6)}
    document = evaluation(GAINS, per_scene=[scene, scene | {"scene": "b"}])
    table = tables.scene_table(source(document), "s")
    assert [row[0].text for row in table.rows] == ["a", "b"]
    assert column(table, "gain")[0].value == 1
    assert tables.scene_table(source(evaluation(GAINS, per_scene=[scene])), "s") is None


def test_table_1_says_not_measured_and_finds_its_models() -> None:
    table = history.table_1([])
    assert [row[0].text for row in table.rows] == ["VGG19", "VGG16", "DeblurGAN, the paper"]
    assert [c.text for c in column(table, "published PSNR")] == ["26.77", "25.06", "28.70"]
    assert [c.text for c in column(table, "published s")] == ["0.97", "not published", "0.85"]
    assert {c.text for c in column(table, "PSNR here")} == {"not measured"}

    weights = {"name": "run@20", "sha256": "1", "preset": "seed_report:vgg16"}
    own = source(evaluation(GAINS, protocol="resize256") | {"weights": weights})
    other = source(evaluation(GAINS, protocol="resize256"))
    full = source(evaluation(GAINS, name="elsewhere"))
    table = history.table_1([own, other, full])
    measured = {row[0].text: cell.text for row, cell in zip(
        table.rows, column(table, "PSNR here"), strict=True)}  # fmt: skip
    assert measured == {
        "VGG19": "not measured", "VGG16: run@20": "21.25",
        "DeblurGAN, the paper": "not measured", "default": "21.25",
    }  # fmt: skip


def test_published_rows_say_why_they_do_not_compare() -> None:
    table = history.published_table("gopro", [source(evaluation(GAINS))])
    beside = [c.text for c in column(table, "beside what was measured here")]
    assert all(text.startswith("not comparable with default: ") for text in beside)
    assert any("for orientation" in note for note in table.notes)
    same = evaluation(GAINS, dataset="gopro", subset="linear") | {"count": 1111}
    table = history.published_table("gopro", [source(same)])
    assert table.rows[0][0].text == "default, measured here"
    srn = next(row for row in table.rows if row[0].text.startswith("SRN"))
    assert "the same protocol as default" in [cell.text for cell in srn]


def test_csv_keeps_every_digit_and_markdown_its_shape() -> None:
    table = Table(
        "t", "A | B", [Column("x", numeric=False), Column("y")],
        [[Cell('a,"b"'), Cell("1.23", 1.23456)], [Cell("<i>|*"), number(None, 2)]],
        ["A note."],
    )  # fmt: skip
    rows = list(csv.reader(io.StringIO(comma_separated(table))))
    assert rows == [["x", "y"], ['a,"b"', "1.23456"], ["<i>|*", "not measured"]]
    text = markdown("T", "I", [Section("s", "S", [table])])
    assert "| x | y |\n|---|---:|\n" in text
    assert "| &lt;i&gt;\\|\\* | not measured |" in text
    assert text.startswith("# T\n\nI\n\n## S\n")
    assert text.endswith("A note.\n")


def test_long_tables_are_left_to_the_csv() -> None:
    column_ = [Column("x")]
    short = Table("short", "S", column_, [[number(1.0, 0)]] * 60)
    long = Table("long", "L", column_, [[number(1.0, 0)]] * 61, ["A note."])
    text = markdown("T", "I", [Section("s", "S", [short, Folded("L", long)])])
    assert text.count("| 1 |") == 60
    assert "61 rows, in [tables/long.csv](tables/long.csv)." in text
    assert "- A note." in text


def test_markdown_leaves_names_as_they_are() -> None:
    text = markdown("a_b [c](d) `e` \\ f", "I", [Section("s", "S", [Prose("*x*")])])
    assert text.startswith("# a\\_b \\[c\\](d) \\`e\\` \\\\ f\n")
    assert "\\*x\\*" in text


def test_other_pictures_of_the_same_data_are_said() -> None:
    first, fewer = source(evaluation(GAINS)), source(evaluation({"a/1.png": 1.0}, name="b"))
    (said,) = remarks.of_all([first, fewer])
    assert said == (
        "default and b were scored on different pictures of frames (3 and 1): their rows do not "
        "compare."
    )
    assert remarks.of_all([first, source(evaluation(GAINS, name="b"))]) == []


def test_a_count_that_is_not_that_of_the_pictures_is_said() -> None:
    document = evaluation(GAINS) | {"count": 1111}
    (said,) = remarks.of_one(source(document))
    assert said.endswith("the file says 1111 pictures and holds the scores of 3.")
    without = evaluation(GAINS)  # a picture without a twin counts in nothing
    without["per_image"].append({"name": "x", "blurred": scores(None, None),
                                 "restored": scores(None, None)})  # fmt: skip
    assert remarks.of_one(source(without)) == []


def test_every_failed_picture_is_named() -> None:
    failed = [{"name": f"{n}.png", "reason": "is <truncated>"} for n in range(20)]
    table = remarks.failed_table([source(evaluation(GAINS, failed=failed)),
                                  source(evaluation(GAINS))], "failed")  # fmt: skip
    assert [row[0].text for row in table.rows] == [f"{n}.png" for n in range(20)]
    assert table.title == "Not scored: 20"
    assert remarks.failed_table([source(evaluation(GAINS))], "failed") is None


def test_table_1_says_what_differs() -> None:
    weights = {"name": "run", "sha256": "1", "preset": "seed_report:vgg19"}
    row = history.table_1([source(evaluation(GAINS, filter="bicubic") | {"weights": weights})])
    assert column(row, "published of")[0].text == "1111 pictures, resize256 by nearest, linear"
    assert column(row, "measured here on")[0].text == "3 of frames, full, cpu: made up"
    assert column(row, "what differs")[0].text == (
        "1111 pictures of gopro, not the 3 of frames; resolution resize256, not full; "
        "blur linear, not stated here"
    )
    assert "what differs" not in [each.title for each in history.table_1([]).columns]
