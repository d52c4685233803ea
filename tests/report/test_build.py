"""The whole report from made-up files: the page by itself, Markdown, CSV and plots beside it."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from report_files import evaluation, keep_pictures, latency, scores, study, write

from deblur_jax import images, plots
from deblur_jax.errors import UsageError, UserError
from deblur_jax.report.build import build

GAINS = {"a/1.png": 1.0, "b/2.png": -0.5, "b/3.png": 0.123456789}


class Page(HTMLParser):
    """A page's elements as (tag, attributes), its words, and each table's cells."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def values(self, attribute: str, tag: str = "") -> list[str]:
        return [a[attribute] or "" for t, a in self.elements
                if attribute in a and tag in (t, "")]  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """One of everything: two models with pictures, other kinds, a study, Köhler, times, a run."""
    found = []
    for name, better in (("default", 0.0), ("other", 0.25)):
        document = evaluation({k: v + better for k, v in GAINS.items()}, name=name,
                              failed=[{"name": "c/<9>.png", "reason": "is truncated"}])  # fmt: skip
        keep_pictures(tmp_path / name, document)
        found.append(write(tmp_path / name / "results.json", document))
    kinds = evaluation({"logo": 0.5, "page": -0.5}, dataset="kinds")
    keep_pictures(tmp_path / "kinds", kinds)
    really = {side: kinds["per_image"][0]["pictures"][side] for side in ("blurred", "restored")}
    kinds["per_image"].append({"name": "clock", "blurred": scores(None, None),
                               "restored": scores(None, None), "pictures": really})  # fmt: skip
    found.append(write(tmp_path / "kinds" / "kinds.json", kinds))
    svg = plots.gains("difference", ["a"], [("m", [1.0])])
    (tmp_path / "difference_by_size.svg").write_text(svg, encoding="utf-8")
    images.write(tmp_path / "sheets" / "a_median.png", np.full((9, 9, 3), 7, np.uint8))
    document = study(plots=["difference_by_size.svg"], sheets=["sheets/a_median.png"])
    found.append(write(tmp_path / "kernel_study.json", document))
    kohler = evaluation({"1_1": 1.0}, protocol="kohler", dataset="kohler")
    found.append(write(tmp_path / "kohler.json", kohler))
    found.append(write(tmp_path / "latency.json", latency(72, 128, 0.012345678)))
    (tmp_path / "run").mkdir()
    lines = [{"step": step, "loss/generator": 1 / step, "guard/red": 0.1} for step in (1, 2, 3)]
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [*found, str(path)]


@pytest.fixture
def folder(tmp_path: Path, files: list[str]) -> Path:
    assert build(files, tmp_path / "out") == tmp_path / "out" / "index.html"
    return tmp_path / "out"


def test_every_section_is_there_once_and_linked(folder: Path) -> None:
    page = Page(folder / "index.html")
    sections = page.values("id", "section")
    assert sections == ["measured", "report-table-1", "set-0", "kinds", "kernels", "kohler",
                        "speed", "training", "published", "files"]  # fmt: skip
    links = [link for link in page.values("href", "a") if link.startswith("#")]
    assert links == [f"#{section}" for section in sections]
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    for words in ("default", "PSNR 21.00 → 20.50 dB", "clock", "no sharp twin, so no score",
                  "Two kernels, <in words>.", "is truncated", "Köhler's benchmark"):  # fmt: skip
        assert words in page.words, words


def test_nothing_comes_from_elsewhere(folder: Path) -> None:
    page = Page(folder / "index.html")
    for attribute in ("src", "href", "xlink:href", "srcset", "poster", "action", "data"):
        for address in page.values(attribute):
            assert address.startswith(("data:image/", "#")), address[:60]
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "object", "embed")]
    assert "url(#" in page.text  # a plot's own clip
    assert not re.findall(r"@import|url\((?!#)", page.text)
    without_names = page.text.replace("http://www.w3.org/", "")  # of XML, which nobody fetches
    assert not re.findall(r"https?://", without_names)
    assert page.values("src", "img")


def test_names_are_escaped(tmp_path: Path) -> None:
    nasty = "<img src=x onerror=alert(1)>\"'&"
    document = evaluation({nasty: 1.0, "b": 0.5}, name=nasty, dataset=nasty, device=nasty,
                          failed=[{"name": nasty, "reason": nasty}])  # fmt: skip
    page = Page(build([write(tmp_path / "r.json", document)], tmp_path / "out"))
    assert not page.values("onerror")
    assert page.words.count(nasty) >= 6
    markdown = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "<img" not in markdown


def test_tables_as_csv_in_full_precision(folder: Path) -> None:
    names = {path.stem for path in (folder / "tables").iterdir()}
    assert {"scores", "conventions", "failed", "table-1", "models-0", "gains-0", "pictures-0-0",
            "pictures-0-1", "kernel-study", "kernel-findings", "kohler-scores", "latency",
            "published-gopro", "published-kohler", "files-read", "training"} <= names  # fmt: skip
    rows = list(csv.reader((folder / "tables" / "pictures-0-0.csv").open(encoding="utf-8")))
    place = rows[0].index("gain")
    assert rows[3][0] == "b/3.png"
    assert float(rows[3][place]) == (22.0 + 0.123456789) - 22.0  # all that a float holds
    rows = list(csv.reader((folder / "tables" / "latency.csv").open(encoding="utf-8")))
    assert float(rows[1][rows[0].index("median s")]) == 0.012345678
    rows = list(csv.reader((folder / "tables" / "training.csv").open(encoding="utf-8")))
    assert rows[0] == ["step", "loss/generator", "guard/red"]
    assert [float(row[1]) for row in rows[1:]] == [1, 1 / 2, 1 / 3]
    page = Page(folder / "index.html")
    assert names - {"training"} <= set(page.values("id", "table"))


def test_markdown_has_the_tables_and_links_to_plots_that_are_there(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# Motion deblurring")
    assert "| default | frames | full | not stated | 3 | 21.00 | 21.21 | +0.21 |" in text
    assert "| VGG19 | 26.77 | 0.97 |" in text
    assert "c/&lt;9&gt;.png (is truncated)" in text
    assert "Click" not in text
    linked = re.findall(r"!\[[^\]]*\]\((.*?)\)", text)
    assert {"plots/gains-0.svg", "plots/latency.svg", "plots/difference_by_size.svg",
            "plots/training-generator.svg", "plots/training-colour.svg"} == set(linked)  # fmt: skip
    for link in linked:
        root = ElementTree.parse(folder / link).getroot()
        assert root.tag.endswith("svg")
    widths = {line.count(" | ") for line in text.splitlines() if line.startswith("| default |")}
    assert widths  # every row has as many cells as its head
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(cells) <= 1, block


def test_one_model_alone_and_without_pictures(tmp_path: Path) -> None:
    page = Page(build([write(tmp_path / "r.json", evaluation(GAINS))], tmp_path / "out"))
    said = "best a/1.png, median b/3.png, worst b/2.png. Their pictures were not kept"
    assert said in page.words
    assert "Models side by side" not in page.words
    assert page.values("id", "section") == [
        "measured", "report-table-1", "set-0", "published", "files",
    ]  # fmt: skip


def test_different_sets_stand_apart(tmp_path: Path) -> None:
    first = write(tmp_path / "a.json", evaluation(GAINS))
    half = write(tmp_path / "b.json", evaluation(GAINS, protocol="half"))
    page = Page(build([first, half], tmp_path / "out"))
    assert "different protocols (full; half) do not compare" in page.words
    assert page.values("id", "section")[2:4] == ["set-0", "set-1"]


def test_flat_pictures_and_those_without_a_number(tmp_path: Path) -> None:
    document = evaluation(GAINS, infinite_psnr={"blurred": 0, "restored": 1})
    document["per_image"][0]["restored"] = scores(None, 1.0)
    document["restored"]["psnr"] = (20.5 + 22.123456789) / 2
    path = write(tmp_path / "r.json", document)
    text = Path(path).read_text().replace('"psnr": 20.5', '"psnr": NaN')
    Path(path).write_text(text)
    page = Page(build([path], tmp_path / "out"))
    assert "1 restored equal to the sharp twin (infinite PSNR), not in the mean" in page.words
    assert "1 of the file's numbers are not finite and left out" in page.words
    rows = list(csv.reader((tmp_path / "out" / "tables" / "pictures-0-0.csv").open()))
    restored = rows[0].index("PSNR restored")
    assert [row[restored] for row in rows[1:]] == ["inf", "–", "22.123456789"]
    assert "Infinity" in page.values("data-value", "td")  # as JavaScript reads it


def test_several_runs_and_studies(tmp_path: Path) -> None:
    given = []
    for loss, name in enumerate("xy"):
        (tmp_path / name).mkdir()
        line = {"step": 1, "loss/generator": loss}
        (tmp_path / name / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        write(tmp_path / name / "kernel_study.json", study())
        given.append(str(tmp_path / name))
    page = Page(build(given, tmp_path / "out"))
    assert page.values("id", "section") == [
        "kernels", "kernels-1", "training", "training-1", "files",
    ]  # fmt: skip
    tables = {path.name for path in (tmp_path / "out" / "tables").iterdir()}
    assert {"training.csv", "training-1.csv", "kernel-study.csv", "kernel-study-1.csv"} <= tables
    ids = page.values("id")
    assert len(ids) == len(set(ids))


def test_nothing_is_written_before_the_files_are_read(tmp_path: Path) -> None:
    damaged = write(tmp_path / "r.json", evaluation(GAINS) | {"count": "8"})
    for given, error in (([], UsageError), (["gone.json"], UsageError), ([damaged], UserError)):
        with pytest.raises(error):
            build(given, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_broken_picture_leaves_no_page(tmp_path: Path) -> None:
    document = evaluation(GAINS)
    keep_pictures(tmp_path, document)
    (tmp_path / document["per_image"][0]["pictures"]["restored"]).write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"restored\.png"):
        build([write(tmp_path / "r.json", document)], tmp_path / "out")
    assert not (tmp_path / "out" / "index.html").exists()
