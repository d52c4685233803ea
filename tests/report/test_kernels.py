"""The kernel study's section: the verdict, the means, the plots and sheets that lie beside it."""

from pathlib import Path

import numpy as np
import pytest
from report_files import source, study

from deblur_jax import images, plots
from deblur_jax.errors import UserError
from deblur_jax.report import kernels
from deblur_jax.web.elements import Folded, Plots, Prose, Strips, Table, plain


def tables(section) -> dict[str, Table]:
    return {each.name: each for each in plain(section.elements) if isinstance(each, Table)}


def test_means_and_verdicts() -> None:
    section = kernels.section(source(study()), 0)
    assert section.title == "Kernels and sizes (section 5.3): default"
    found = tables(section)
    means = [[cell.text for cell in row] for row in found["kernel-study"].rows]
    assert means[:2] == [
        ["gaussian", "5", "3", "1.00", "0.25", "22.6", "20.00", "20.50", "+0.50", "0.25",
         "+0.0100"],
        ["gaussian", "9", "3", "2.00", "0.25", "25.5", "40.00", "41.00", "−0.50", "0.25",
         "−0.0100"],
    ]  # fmt: skip
    assert means[2][:6] == ["median", "5", "3", "1.00", "0.25", "–"]
    assert any("no unit" in note for note in found["kernel-study"].notes)
    verdicts = [[cell.text for cell in row] for row in found["kernel-findings"].rows]
    assert verdicts == [
        ["larger for gaussian than for median", "holds", "does not hold"],
        ["grows with the gaussian's size", "cannot be told", "holds"],
    ]
    texts = [each.text for each in plain(section.elements) if isinstance(each, Prose)]
    assert "Two kernels, <in words>." in texts


def test_what_is_absent_is_a_dash() -> None:
    document = study()
    document["summary"][0]["gain_psnr"] = {"mean": None, "std": None}
    del document["report"], document["findings"]
    found = tables(kernels.section(source(document), 1))
    assert found["kernel-study-1"].rows[0][8].text == "–"
    assert not any("no unit" in note for note in found["kernel-study-1"].notes)
    assert found["kernel-findings-1"].rows == []


def test_pictures_that_failed_are_named() -> None:
    failed = [{"picture": "a.png", "reason": "cannot be read"}, {"picture": "b", "reason": "NaN"}]
    first = kernels.section(source(study(failed=failed)), 0).elements[0]
    assert isinstance(first, Prose)
    assert first.warning
    assert first.text == "2 not studied, in no mean: a.png (cannot be read); b (NaN)."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three of a study's plots and the sheets of three pictures under two kernels."""
    for name in ("difference_by_size", "difference_by_kernel", "gain_ssim_by_size"):
        svg = plots.gains(name, ["a"], [("m", [1.0])])
        (tmp_path / f"{name}.svg").write_text(svg, encoding="utf-8")
    for picture in ("a", "b_c", "d"):
        for kernel in ("gaussian", "median"):
            images.write(tmp_path / "sheets" / f"{picture}_{kernel}.png",
                         np.full((20, 30, 3), 99, np.uint8))  # fmt: skip
    return tmp_path


def test_plots_and_sheets_are_taken_in(folder: Path) -> None:
    document = study(
        plots=["difference_by_size.svg", "gone.svg", "difference_by_kernel.svg",
               "gain_ssim_by_size.svg"],
        sheets=[f"sheets/{p}_{k}.png" for p in ("a", "b_c", "d") for k in ("gaussian", "median")],
    )  # fmt: skip
    section = kernels.section(source(document, path=folder / "kernel_study.json"), 2)
    drawn = [each for each in plain(section.elements) if isinstance(each, Plots)]
    assert [[plot.name for plot in each.plots] for each in drawn] == [
        ["difference_by_kernel-2", "difference_by_size-2"], ["gain_ssim_by_size-2"],
    ]  # fmt: skip
    assert drawn[0].plots[0].caption.startswith("Fig. 9")
    assert drawn[0].plots[0].svg.startswith("<svg")
    sheets = [each for each in plain(section.elements) if isinstance(each, Strips)]
    assert [[strip.caption for strip in each.strips] for each in sheets] == [
        ["a, gaussian: sharp, blurred, restored", "a, median: sharp, blurred, restored"],
        ["b_c, gaussian: sharp, blurred, restored", "b_c, median: sharp, blurred, restored"],
    ]
    assert (sheets[0].strips[0].width, sheets[0].strips[0].height) == (30, 20)
    folded = [each.title for each in section.elements if isinstance(each, Folded)]
    assert "b_c under each kernel" in folded
    assert "Plots of the other measures" in folded


def test_plots_that_are_gone_are_said() -> None:
    texts = [e.text for e in kernels.section(source(study(plots=["x.svg"])), 0).elements
             if isinstance(e, Prose)]  # fmt: skip
    assert "The study's plots are not beside its file." in texts


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ("no xml", "cannot read"),
        ("<svg", "cannot read"),
        ("<p/>", "no SVG"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "holds a"),
        ("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "holds a"),
        ("<svg><use href='https://elsewhere.example/x.svg#a'/></svg>", "holds a"),
        ("<svg><style>@import url(https://elsewhere.example/x.css)</style></svg>", "holds a"),
        ("<svg><path style='fill: url(//elsewhere.example/x)'/></svg>", "holds a"),
    ],
)
def test_a_plot_that_is_more_than_a_drawing_is_refused(
    tmp_path: Path, contents: str, said: str
) -> None:
    (tmp_path / "difference_by_size.svg").write_text(contents)
    document = study(plots=["difference_by_size.svg"])
    with pytest.raises(UserError, match=said):
        kernels.section(source(document, path=tmp_path / "kernel_study.json"), 0)
