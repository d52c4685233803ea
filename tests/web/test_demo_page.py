"""The before/after page: everything in it, everything escaped, nothing from elsewhere."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from deblur_jax.web import demo_page as page

NASTY = "<b>\"R&D'</b>"


class Elements(HTMLParser):
    """Collects (tag, attributes) and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def entry(name: str, blurred: dict, restored: dict) -> dict:
    return {
        "name": name, "scene": "", "height": 40, "width": 60, "seconds": 1.234,
        "blurred": blurred, "restored": restored,
    }  # fmt: skip


@pytest.fixture
def results() -> dict:
    return {
        "weights": {"name": NASTY, "sha256": "abc123"},
        "device": "cpu: <fast>",
        "count": 2,
        "blurred": {"psnr": 23.456, "ssim": 0.7},
        "restored": {"psnr": 25.321, "ssim": 0.81},
        "seconds_per_image": {"median": 1.5, "p90": 2.0, "first_with_compilation": 9.0},
        "per_image": [
            entry("cat", {"psnr": 23.456, "ssim": 0.7}, {"psnr": 25.321, "ssim": 0.6543}),
            entry(NASTY, {"psnr": 20.0, "ssim": 0.5}, {"psnr": None, "ssim": 1.0}),
            entry("clock", {"psnr": None, "ssim": None}, {"psnr": None, "ssim": None}),
        ],
    }


@pytest.fixture
def pictures() -> list[page.Shown]:
    return [
        page.Shown("cat", "blur/cat.png", "cat_restored.png", "sharp/cat.png", "cat_compare.png"),
        page.Shown(NASTY, 'a "b" #1.png', "c.png", "d.png", "e.png"),
        page.Shown("clock", "clock.png", "clock_restored.png", None, "clock_compare.png"),
    ]


def built(results: dict, pictures: list[page.Shown]) -> tuple[str, Elements]:
    text = page.build_page(results, pictures, title=f"Title {NASTY}", intro=f"Intro {NASTY}")
    return text, Elements(text)


def test_each_picture_stands_there_with_a_named_slider(results: dict, pictures: list) -> None:
    _, found = built(results, pictures)
    sources = [image["src"] for image in found.all("img")]
    assert sources[:3] == ["blur/cat.png", "cat_restored.png", "sharp/cat.png"]
    assert sources[6:] == ["clock.png", "clock_restored.png"]
    shown = [(image["data-layer"], image["class"]) for image in found.all("img")]
    assert shown[:3] == [("blurred", "left"), ("restored", "right"), ("sharp", "")]
    assert all(image["alt"] and image["width"] == "60" for image in found.all("img"))
    sliders = [slider for slider in found.all("input") if slider["type"] == "range"]
    assert [slider["aria-label"] for slider in sliders] == [
        f"{shown.name}: place of the line" for shown in pictures
    ]
    assert [link["href"] for link in found.all("a")] == [
        "cat_compare.png",
        "e.png",
        "clock_compare.png",
    ]


def test_scores_stand_there_rounded(results: dict, pictures: list) -> None:
    text, found = built(results, pictures)
    assert "PSNR 23.46 → 25.32 dB" in found.words
    assert "SSIM 0.7000 → 0.6543" in found.words
    assert '<b class="worse">0.6543</b>' in text
    assert '<b class="better">25.32</b>' in text
    assert "PSNR 20.00 → ∞ dB" in found.words
    assert "no sharp twin, so no score" in found.words
    assert "1.23 s" in found.words
    assert "1.50 s" in found.words
    assert "sha256 abc123" in found.words
    assert "cpu: <fast>" in found.words


def test_figures_that_look_equal_are_not_coloured(results: dict, pictures: list) -> None:
    results["per_image"][0]["restored"]["psnr"] = 23.459
    text, _ = built(results, pictures)
    assert 'PSNR 23.46 → <b class="same">23.46</b>' in text


def test_names_and_addresses_are_escaped(results: dict, pictures: list) -> None:
    text, found = built(results, pictures)
    assert NASTY not in text
    assert found.words.count(NASTY) >= 4
    assert found.all("img")[3]["src"] == "a%20%22b%22%20%231.png"
    assert found.all("img")[4]["alt"] == f"{NASTY}, restored"


def test_nothing_comes_from_elsewhere(results: dict, pictures: list) -> None:
    text, found = built(results, pictures)
    for word in ("http:", "https:", "//", "@import", "url("):
        assert word not in text, word
    assert not found.all("link")
    assert all("src" not in script for script in found.all("script"))


def test_the_choice_of_the_sharp_side_needs_a_sharp_side(results: dict, pictures: list) -> None:
    _, found = built(results, pictures)
    radios = [radio for radio in found.all("input") if radio["type"] == "radio"]
    assert [radio["value"] for radio in radios] == ["blurred", "restored", "sharp"] * 2
    assert [radio["value"] for radio in radios if "checked" in radio] == ["blurred", "restored"]
    _, alone = built(results, pictures[2:])
    assert not [radio for radio in alone.all("input") if radio["type"] == "radio"]


def test_a_picture_without_results_is_refused(results: dict) -> None:
    with pytest.raises(KeyError):
        built(results, [page.Shown("dog", "a", "b", None, "c")])


def test_write_page(results: dict, pictures: list, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    page.write_page(path, results, pictures, title="T", intro="I")
    assert path.read_text(encoding="utf-8") == page.build_page(
        results, pictures, title="T", intro="I"
    )
