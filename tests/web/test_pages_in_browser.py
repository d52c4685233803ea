"""The pages in a real browser, opened from files: sliders, choices, sorting, sizes, colours.

They need Playwright (`pip install playwright`) and a Chromium of the system's own, such as
Debian's, at CHROMIUM or in PATH; without them they are skipped.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))  # its made-up files
from report_files import evaluation, keep_pictures, latency, scores, study, write

from deblur_jax import images
from deblur_jax.report.build import build
from deblur_jax.web import demo_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium in PATH or at CHROMIUM")

PHONE = {"width": 375, "height": 740}
DESK = {"width": 1280, "height": 900}
LONG = "a/picture-of-a-name-that-nobody-would-read-to-its-end-on-a-telephone.png"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as started:
        # Containers have neither the rights for Chromium's sandbox nor much of /dev/shm.
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        opened = started.chromium.launch(executable_path=CHROMIUM, args=options)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report_page(tmp_path_factory) -> Path:
    """A report of two models with pictures, other kinds, a study, times and a run."""
    folder = tmp_path_factory.mktemp("report")
    files = []
    for name, gains in (
        ("default", {LONG: 2.0, "b/2.png": -0.5, "c/10.png": 10.25, "d/9.png": -3.0}),
        ("other", {LONG: 1.0, "b/2.png": 0.5, "c/10.png": -10.0, "d/9.png": 0.3}),
    ):
        document = evaluation(gains, name=name)
        if name == "other":
            document["per_image"][3]["restored"] = scores(None, 1.0)  # no gain, sorted last
        keep_pictures(folder / name, document, seed=len(name))
        files.append(write(folder / name / "results.json", document))
    kinds = evaluation({"logo": 0.5, "page": -0.5}, dataset="kinds")
    keep_pictures(folder / "kinds", kinds)
    files.append(write(folder / "kinds" / "results.json", kinds))
    files.append(write(folder / "study.json", study()))
    files.append(write(folder / "latency.json", latency(72, 128, 0.0123)))
    (folder / "run").mkdir()
    log = folder / "run" / "metrics.jsonl"
    log.write_text("".join(json.dumps({"step": n, "loss/generator": 1 / n}) + "\n" for n in (1, 2)))
    return build([*files, str(log)], folder / "out")


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A demo of two pictures, the second without a sharp twin."""
    folder = tmp_path_factory.mktemp("demo")
    layers = {"blurred": 40, "restored": 120, "sharp": 200}
    for layer, grey in layers.items():
        for name in ("cat", "clock"):
            images.write(folder / f"{name}_{layer}.png", np.full((40, 60, 3), grey, np.uint8))
    results = evaluation({"cat": 1.0, "clock": 1.0})
    shown = [
        demo_page.Shown("cat", "cat_blurred.png", "cat_restored.png", "cat_sharp.png", "c.png"),
        demo_page.Shown("clock", "clock_blurred.png", "clock_restored.png", None, "d.png"),
    ]
    demo_page.write_page(folder / "index.html", results, shown, title="Demo", intro="Intro")
    return folder / "index.html"


@pytest.fixture
def opened(browser) -> Iterator:
    """Opens a page of a file; at the end nothing may have gone wrong or to the network."""
    contexts, wrong = [], []

    def open_(path: Path, viewport: dict = DESK, scheme: str = "light"):
        context = browser.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
            ),
        )
        page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url[:90]}"))
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(params=["report", "demo"])
def either(request, report_page: Path, demo: Path) -> Path:
    return report_page if request.param == "report" else demo


def cut(box) -> float:
    """How much of the left picture shows, in percent of its width, as the browser clips it."""
    clip = box.locator("img.left").evaluate("image => getComputedStyle(image).clipPath")
    # inset(0px 75% 0px 0px): three quarters are cut off at the right.
    right = clip.removeprefix("inset(").split()[1].removesuffix(")")
    if right.startswith("calc("):
        raise AssertionError(clip)
    return 100 - float(right.removesuffix("%"))


def test_every_picture_loads(opened, either: Path) -> None:
    page = opened(either)
    page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
    widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    assert len(widths) >= 5
    assert min(widths) > 0


def test_the_mouse_moves_the_line(opened, either: Path) -> None:
    page = opened(either)
    box = page.locator(".compare").first
    box.scroll_into_view_if_needed()
    assert cut(box) == 50
    place = box.bounding_box()
    y = place["y"] + place["height"] / 2
    for share in (0.25, 0.8):
        page.mouse.click(place["x"] + share * place["width"], y)
        assert cut(box) == pytest.approx(100 * share, abs=2)
        handle = box.locator(".handle").bounding_box()
        middle = handle["x"] + handle["width"] / 2
        assert middle == pytest.approx(
            place["x"] + share * place["width"], abs=0.02 * place["width"]
        )
    page.mouse.move(place["x"] + 0.8 * place["width"], y)
    page.mouse.down()
    page.mouse.move(place["x"] + 0.1 * place["width"], y, steps=5)
    page.mouse.up()
    assert cut(box) == pytest.approx(10, abs=2)
    assert cut(page.locator(".compare").nth(1)) == 50  # each picture has its own


def test_keys_move_the_line(opened, either: Path) -> None:
    page = opened(either)
    box = page.locator(".compare").first
    slider = box.locator("input")
    assert slider.get_attribute("aria-label").endswith("place of the line")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert cut(box) == 51
    page.keyboard.press("Home")
    assert cut(box) == 0
    page.keyboard.press("End")
    assert cut(box) == 100


def shown(box, side: str) -> str:
    """The layer on one side of the line; its tag must say the same."""
    (layer,) = box.locator(f"img.{side}").evaluate_all("all => all.map(i => i.dataset.layer)")
    assert box.locator(f".tag.{side[0]}").inner_text() == layer
    return layer


def test_the_choice_of_layers_changes_all_pictures_of_its_group(opened, report_page: Path) -> None:
    page = opened(report_page)
    group, others = page.locator("#set-0"), page.locator("#kinds")
    boxes = group.locator(".compare").all()
    assert len(boxes) == 4
    assert [(shown(box, "left"), shown(box, "right")) for box in boxes] == [
        ("blurred", "default")
    ] * 4
    group.locator(".choice[data-side=left]").get_by_label("sharp").check()
    group.locator(".choice[data-side=right]").get_by_label("other").check()
    assert [(shown(box, "left"), shown(box, "right")) for box in boxes] == [("sharp", "other")] * 4
    visible = boxes[0].evaluate(
        """box => [...box.querySelectorAll("img")]
             .filter(image => getComputedStyle(image).visibility == "visible")
             .map(image => image.dataset.layer)"""
    )
    assert sorted(visible) == ["other", "sharp"]
    assert shown(others.locator(".compare").first, "left") == "blurred"


def test_a_picture_without_the_chosen_layer_keeps_its_own(opened, demo: Path) -> None:
    page = opened(demo)
    cat, clock = page.locator(".compare").all()
    page.locator(".choice[data-side=right]").get_by_label("sharp").check()
    assert (shown(cat, "right"), shown(clock, "right")) == ("sharp", "restored")
    page.locator(".choice[data-side=left]").get_by_label("restored").check()
    assert (shown(cat, "left"), shown(clock, "left")) == ("restored", "restored")


def test_what_stands_below_a_picture_can_be_clicked(opened, either: Path) -> None:
    page = opened(either)
    for below in page.locator("figure:has(.compare) figcaption :is(a, button)").all():
        below.click(trial=True, timeout=3000)  # fails if something lies over it


def test_pictures_enlarge(opened, report_page: Path) -> None:
    page = opened(report_page)
    figure = page.locator("#set-0 figure:has(.compare)").first
    before = figure.bounding_box()["width"]
    button = figure.get_by_role("button", name="enlarge")
    button.click()
    assert figure.bounding_box()["width"] > 1.5 * before
    button = figure.get_by_role("button", name="smaller")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert figure.bounding_box()["width"] == before


def column(table, title: str) -> list[str]:
    heads = [text.strip("\xa0↑↓") for text in table.locator("th").all_inner_texts()]
    place = heads.index(title) + 1
    return table.locator(f"tbody td:nth-child({place})").all_inner_texts()


def test_a_table_sorts_by_numbers_both_ways_and_by_name(opened, report_page: Path) -> None:
    page = opened(report_page)
    page.locator("#set-0 summary", has_text="Gain of every picture").click()
    table = page.locator("#gains-0")
    head = table.locator("th", has_text="default")
    assert column(table, "default") == ["+2.00", "−0.50", "+10.25", "−3.00"]
    assert head.get_attribute("aria-sort") is None
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(table, "default") == ["+10.25", "+2.00", "−0.50", "−3.00"]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(table, "default") == ["−3.00", "−0.50", "+2.00", "+10.25"]

    other = table.locator("th", has_text="other")
    other.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert (other.get_attribute("aria-sort"), head.get_attribute("aria-sort")) == (
        "descending", None,
    )  # fmt: skip
    assert column(table, "other") == ["+1.00", "+0.50", "−10.00", "–"]
    page.keyboard.press("Space")
    assert column(table, "other") == ["−10.00", "+0.50", "+1.00", "–"]  # none stays last

    table.locator("th", has_text="picture").get_by_role("button").click()
    assert column(table, "picture") == [LONG, "b/2.png", "c/10.png", "d/9.png"]


def test_infinity_is_the_greatest(opened, report_page: Path) -> None:
    page = opened(report_page)
    page.locator("#set-0 summary", has_text="other on frames, full: every picture").click()
    table = page.locator("#pictures-0-1")
    button = table.locator("th", has_text="PSNR restored").get_by_role("button")
    button.click()
    assert column(table, "PSNR restored") == ["∞", "21.50", "21.00", "12.00"]
    button.click()
    assert column(table, "PSNR restored") == ["12.00", "21.00", "21.50", "∞"]


def test_on_a_phone_nothing_is_cut_off(opened, either: Path) -> None:
    page = opened(either, PHONE)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    # What is wider than the page lies in a box that scrolls by itself.
    cut_off = page.evaluate(
        """[...document.querySelectorAll("body *")]
             .filter(e => !e.closest(".scroll, svg, script, style"))
             .filter(e => e.getBoundingClientRect().right > innerWidth)
             .map(e => e.outerHTML.slice(0, 90))"""
    )
    assert cut_off == []
    box = page.locator(".compare").first.bounding_box()
    assert box["width"] > 0.5 * PHONE["width"]


def test_a_wide_table_scrolls_and_keeps_its_first_column(opened, report_page: Path) -> None:
    page = opened(report_page, PHONE)
    scroll = page.locator(".scroll:has(#scores)")
    assert scroll.evaluate("box => box.scrollWidth > box.clientWidth")
    first = page.locator("#scores tbody td").first
    before = first.bounding_box()["x"]
    scroll.evaluate("box => { box.scrollLeft = 200 }")
    assert first.bounding_box()["x"] == pytest.approx(before, abs=1)
    assert page.locator("#scores tbody td").nth(1).bounding_box()["x"] < before


def test_dark_follows_the_reader(opened, either: Path) -> None:
    def colours(scheme: str) -> list[str]:
        page = opened(either, scheme=scheme)
        found = page.evaluate(
            """[...document.querySelectorAll("body, figure, svg.plot text")].flatMap(
                 e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color,
                       getComputedStyle(e).fill]).join("|")"""
        )
        body = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return [body, found]

    (light, all_light), (dark, all_dark) = colours("light"), colours("dark")
    assert light == "rgb(246, 245, 242)"
    assert dark == "rgb(20, 20, 19)"
    assert all_light != all_dark


def test_a_plot_is_readable_in_the_dark(opened, report_page: Path) -> None:
    page = opened(report_page, scheme="dark")
    fill = page.locator("svg.plot text").first.evaluate("text => getComputedStyle(text).fill")
    red, green, blue = (int(part) for part in fill.removeprefix("rgb(").rstrip(")").split(","))
    assert min(red, green, blue) > 120  # on a ground of 29
