"""The page in a real browser: drop, wait, slide, zoom, strength, download, cancel; by any means.

It needs Playwright and a Chromium, as `tests/web/test_pages_in_browser.py` does; without them these
tests are skipped.
"""

import base64
import io
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from serving import WAIT, Fake, Served, png, rgb, served, until

import deblur_jax
from deblur_jax import images
from deblur_jax.images import Picture
from deblur_jax.restore.sharpness import SHARP
from deblur_jax.restore.treatment import Treatment
from deblur_jax.web.serve import work
from deblur_jax.web.serve.limits import Limits
from deblur_jax.web.serve.pages import MOST_PICTURES

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium in PATH or at CHROMIUM")

PHONE = {"width": 375, "height": 740}
DESK = {"width": 1280, "height": 900}
NASTY = "../<img src=x onerror=alert(1)>.png"
LONG = "a-picture-of-a-name-that-nobody-would-read-to-its-end-on-a-telephone-screen.png"
DROP = """([files, kind]) => {
  const data = new DataTransfer();
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    data.items.add(new File([bytes], name, { type }));
  }
  const target = document.querySelector(".drop");
  if (kind === "paste") {
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    return;
  }
  for (const each of ["dragenter", "dragover", kind]) {
    const options = { dataTransfer: data, bubbles: true, cancelable: true };
    target.dispatchEvent(new DragEvent(each, options));
  }
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as started:
        # Containers have neither the rights for Chromium's sandbox nor much of /dev/shm.
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        opened = started.chromium.launch(executable_path=CHROMIUM, args=options)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(limits=Limits(megabytes=1, megapixels=2)) as running:
        yield running


@pytest.fixture
def opened(browser) -> Iterator:
    """Opens a server's page; in the end nothing may have gone wrong, or to anybody else."""
    contexts, wrong, expected = [], [], []

    def open_(server: Served, viewport: dict = DESK, said: str | None = None, **options):
        context = browser.new_context(viewport=viewport, accept_downloads=True, **options)
        contexts.append(context)
        home = f"http://127.0.0.1:{server.port}/"
        page = context.new_page()
        page.set_default_timeout(1000 * WAIT)
        expect.set_options(timeout=1000 * WAIT)
        if said:  # what the browser itself says, of a refusal for example
            expected.append(said)
        page.on(
            "console",
            lambda message: (
                None
                if any(words in message.text for words in expected)
                else wrong.append(message.text)
            ),
        )
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((home, "blob:" + home))
                else wrong.append(request.url)
            ),
        )
        page.goto(home)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def payload(name: str, body: bytes, kind: str = "image/png") -> dict:
    return {"name": name, "mimeType": kind, "buffer": body}


def choose(page, *files: dict) -> None:
    page.set_input_files("#files", list(files))


def done(page, count: int = 1) -> None:
    expect(page.locator(".card.done")).to_have_count(count)


def download(page, press: Callable[[], None]) -> tuple[str, bytes]:
    with page.expect_download() as event:
        press()
    return event.value.suggested_filename, Path(event.value.path()).read_bytes()


def save(page):
    return page.get_by_role("button", name="Download", exact=True)


def cut(page) -> float:
    """How much of the picture as it was shows, in percent of the box, as the browser clips it."""
    clip = page.locator(".before").first.evaluate("side => getComputedStyle(side).clipPath")
    right = clip.removeprefix("inset(").split(")")[0].split()[1]
    return 100 - float(right.removeprefix("calc(").removesuffix("%"))


def width(page) -> float:
    """The picture's width on the screen."""
    return float(page.locator(".over").first.bounding_box()["width"])


def corner(page) -> tuple[float, float]:
    box = page.locator(".over").first.bounding_box()
    return box["x"], box["y"]


def test_a_dropped_picture_is_restored_and_downloaded_under_its_name(opened, server) -> None:
    page = opened(server)
    expect(page.locator("#bar")).to_be_hidden()
    text = base64.b64encode(png()).decode()
    page.evaluate(DROP, [[["holiday.png", "image/png", text]], "drop"])
    done(page)
    state = page.locator(".card .state")
    assert "33 × 24 · PNG" in state.inner_text()
    assert state.inner_text().startswith("done in ")
    name, body = download(page, save(page).click)
    assert name == "holiday.png"
    assert body == server.restore(png()).body


def test_sharpness_is_told(opened, server, monkeypatch) -> None:
    monkeypatch.setattr(work, "measure", lambda picture: float(picture.flat[0]) / 255)
    assert 0.2 < SHARP < 0.8
    page = opened(server)
    choose(page, payload("soft.png", png(51)), payload("sharp.png", png(204)))
    done(page, 2)
    about = page.locator(".about")
    expect(about.nth(0)).to_have_text("sharpness 0.20 → 0.80")
    expect(about.nth(1)).to_have_text(
        "sharpness 0.80 → 0.20; it seems to be sharp already, so there is little to gain"
    )


def test_the_download_is_what_the_command_line_makes(opened) -> None:
    restorer = deblur_jax.load("default")
    body = png(9, 64, 64)
    with served(lambda: restorer) as server:
        page = opened(server)
        choose(page, payload("a.png", body))
        done(page)
        _, whole = download(page, save(page).click)
        page.get_by_role("slider", name="Strength, a.png").fill("40")
        _, part = download(page, save(page).click)
    picture = images.from_bytes(body)
    assert whole == images.to_bytes(restorer.restore_picture(picture), ".png")
    assert part == images.to_bytes(restorer.restore_picture(picture, Treatment(0.4)), ".png")


def test_a_pasted_picture(opened, server) -> None:
    page = opened(server)
    text = base64.b64encode(png()).decode()
    page.evaluate(DROP, [[["image.png", "image/png", text]], "paste"])
    done(page)


def test_where_to_drop_shows_while_something_is_dragged(opened, server) -> None:
    page = opened(server)
    text = base64.b64encode(png()).decode()
    page.evaluate(DROP, [[["a.png", "image/png", text]], "dragover"])
    expect(page.locator("body.dropping")).to_have_count(1)
    page.evaluate(DROP, [[["a.png", "image/png", text]], "drop"])
    expect(page.locator("body.dropping")).to_have_count(0)
    done(page)


def test_several_are_a_queue_with_progress(opened) -> None:
    steps = threading.Semaphore(0)
    fake = Fake(threading.Event(), tiles=4)
    fake.gate.wait = lambda _seconds: steps.acquire(timeout=WAIT)  # type: ignore[method-assign]
    with served(lambda: fake) as server:
        page = opened(server)
        choose(page, *(payload(f"{n}.png", png(n)) for n in range(4)))
        states = page.locator(".state")
        for place, words in enumerate(
            ["restoring", "waiting: 1 ahead", "waiting: 2 ahead", "waiting: 3 ahead"]
        ):
            expect(states.nth(place)).to_have_text(words)
        expect(page.locator("#count")).to_have_text("4 pictures, 4 to go")
        assert page.title() == "(4) Deblur photographs"
        steps.release()
        expect(states.nth(0)).to_have_text("restoring, 25 %")
        expect(page.locator("progress").nth(0)).to_have_js_property("value", 25)
        for _ in range(15):
            steps.release()
        done(page, 4)
        assert fake.begun == [0, 1, 2, 3]
        expect(page.locator("#said")).to_have_text(re.compile(r"\d\.png: done in .* · PNG"))
        expect(page.locator("#count")).to_have_text("4 pictures, 4 restored")
        assert page.title() == "Deblur photographs"


def test_all_are_downloaded_at_once(opened, server) -> None:
    page = opened(server)
    choose(page, payload("a.png", png(1)), payload("b.png", png(2)))
    done(page, 2)
    found = []
    page.on("download", lambda event: found.append(event.suggested_filename))
    page.get_by_role("button", name="Download all").click()
    until_in(page, lambda: sorted(found) == ["a.png", "b.png"])
    page.get_by_role("button", name="Remove all").click()
    expect(page.locator(".card")).to_have_count(0)
    expect(page.locator("#choose")).to_be_focused()


def until_in(page, true: Callable[[], bool]) -> None:
    """`until`, but the browser's events are heard meanwhile."""
    for _ in range(200):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen")


def test_cancel_and_try_again(opened) -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake) as server:
        page = opened(server)
        choose(page, payload("a.png", png(1)), payload("b.png", png(2)))
        cards = page.locator(".card")
        expect(cards.nth(1).locator(".state")).to_have_text("waiting: 1 ahead")
        page.get_by_role("button", name="Cancel b.png").click()
        expect(cards.nth(1).locator(".state")).to_have_text("cancelled")
        until_in(page, lambda: server.queue["served"] == 1)
        page.get_by_role("button", name="Cancel a.png").click()
        until_in(page, lambda: server.queue["served"] == 0)
        fake.gate.set()
        cards.nth(1).get_by_role("button", name="Try again").click()
        done(page, 1)
        page.get_by_role("button", name="Remove a.png").click()
        expect(cards).to_have_count(1)
        assert fake.begun == [1, 2]


def test_a_closed_tab_is_dropped(opened) -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake) as server:
        page = opened(server)
        choose(page, payload("a.png", png(1)), payload("b.png", png(2)))
        expect(page.locator(".state").nth(1)).to_have_text("waiting: 1 ahead")
        page.close()
        until(lambda: server.queue["served"] == 0)
        fake.gate.set()
    assert fake.begun == [1]


def test_what_is_no_picture_says_so(opened, server) -> None:
    page = opened(server, said="status of 415")
    choose(
        page,
        payload("a.svg", b"<svg><script>alert(1)</script></svg>", "image/svg+xml"),
        payload(NASTY, b"\x89PNG\r\n\x1a\n" + bytes(99)),
        payload("empty.png", b""),
        payload("large.png", bytes(1_000_001)),
    )
    states = page.locator(".state")
    expect(states.nth(0)).to_contain_text("failed: this is not a PNG, JPEG")
    expect(states.nth(1)).to_contain_text("failed: cannot read the picture")
    expect(states.nth(2)).to_have_text("failed: the file is empty, or a folder")
    expect(states.nth(3)).to_have_text(
        "failed: the file is larger than 1 MB, the most that is taken"
    )
    assert page.locator("h3").nth(1).inner_text() == NASTY
    assert page.get_by_role("button", name="Try again").count() == 0
    page.get_by_role("button", name="Remove a.svg").click()
    expect(states).to_have_count(3)


def test_too_many_are_left_out(opened, server) -> None:
    page = opened(server)
    choose(page, *(payload(f"{n}.png", png()) for n in range(MOST_PICTURES + 3)))
    expect(page.get_by_role("alert")).to_have_text(
        f"{MOST_PICTURES} pictures at a time are the most; 3 were left out"
    )
    expect(page.locator(".card")).to_have_count(MOST_PICTURES)
    done(page, MOST_PICTURES)


def test_a_busy_server_is_asked_again(opened) -> None:
    fake = Fake(threading.Event())
    with served(lambda: fake, Limits(waiting=1)) as server:
        page = opened(server, said="status of 503")
        choose(page, payload("a.png", png(1)))
        expect(page.locator(".state").first).to_have_text("restoring")
        choose(page, payload("b.png", png(2)))
        expect(page.locator(".state").nth(1)).to_contain_text("the server is busy, tries again in")
        fake.gate.set()
        done(page, 2)


def test_a_server_that_is_gone_says_so_and_can_be_tried_again(opened) -> None:
    with served() as server:
        page = opened(server, said="net::ERR_FAILED")
        page.route("**/api/restore*", lambda route: route.abort())
        choose(page, payload("a.png", png(1)))
        expect(page.locator(".state")).to_have_text("failed: the server cannot be reached")
        page.unroute("**/api/restore*")
        page.get_by_role("button", name="Try again").click()
        done(page)


def test_the_mouse_moves_the_line(opened, server) -> None:
    page = opened(server)
    choose(page, payload("a.png", png(1, 240, 330)))
    done(page)
    assert cut(page) == 50
    box = page.locator(".compare").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.click(box["x"] + 0.25 * box["width"], y)
    assert cut(page) == pytest.approx(25, abs=1)
    page.mouse.move(box["x"] + 0.25 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], y, steps=5)
    page.mouse.up()
    assert cut(page) == pytest.approx(80, abs=1)
    handle = page.locator(".handle").bounding_box()
    middle = handle["x"] + handle["width"] / 2
    assert middle == pytest.approx(box["x"] + 0.8 * box["width"], abs=0.01 * box["width"])


def test_both_sides_and_the_strength_show_the_servers_own_pixels(opened, server) -> None:
    page = opened(server)
    before = np.random.default_rng(3).integers(0, 256, (12, 16, 3), np.uint8)
    before = before.repeat(16, 0).repeat(16, 1)  # squares: their insides do not mix
    body = images.to_bytes(Picture(before), ".png")
    choose(page, payload("a.png", body))
    done(page)
    line = page.get_by_role("slider", name="a.png: place of the line")
    line.focus()
    page.keyboard.press("1")  # one pixel of the picture on each of the screen
    for share in (100, 60, 0):
        page.get_by_role("slider", name="Strength, a.png").fill(str(share))
        after = rgb(server.restore(body, f"?strength={share / 100}").body)
        for side, wanted in (("100", before), ("0", after)):
            line.fill(side)
            shot = shown(page, 256, 192)
            error = np.abs(shot.astype(int) - wanted)[8::16, 8::16]
            away = [4 < (16 * n + 8) < 252 for n in range(16)]  # from the line itself, at an edge
            assert error[:, away][2:-2].max() <= 1, (share, side)


def shown(page, wide: int, high: int) -> np.ndarray:
    """What the screen shows of the first picture, uint8[high, wide, 3]."""
    page.locator(".compare").first.scroll_into_view_if_needed()
    box = page.locator(".over").first.bounding_box()
    clip = {"x": box["x"], "y": box["y"], "width": wide, "height": high}
    return rgb(page.screenshot(clip=clip))


def test_transparency_is_mixed_as_the_server_does(opened, server) -> None:
    page = opened(server)
    colour = np.full((160, 160, 3), (200, 40, 90), np.uint8)
    alpha = np.full((160, 160), 128, np.uint8)
    choose(page, payload("a.png", images.to_bytes(Picture(colour, alpha), ".png")))
    done(page)
    line = page.get_by_role("slider", name="a.png: place of the line")
    line.fill("0")
    page.get_by_role("slider", name="Strength, a.png").fill("50")
    middle = np.mean([(200, 40, 90), (55, 215, 165)], axis=0)
    ground = page.locator(".compare").evaluate("box => getComputedStyle(box).backgroundColor")
    below = np.array([float(part) for part in ground.removeprefix("rgb(").rstrip(")").split(",")])
    seen = shown(page, 60, 60)[30, 50].astype(float)
    assert seen == pytest.approx(middle * 128 / 255 + below * 127 / 255, abs=2)


def test_keys_do_everything_and_the_focus_shows(opened, server) -> None:
    page = opened(server)
    choosers: list = []
    # Long before the key: the browser has to be told that somebody listens.
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.keyboard.press("Tab")
    expect(page.locator("#choose")).to_be_focused()
    assert outline(page, "#choose") != "none"
    page.keyboard.press("Enter")
    until_in(page, lambda: choosers)
    choosers[0].set_files([payload("a.png", png(1, 240, 330))])
    done(page)
    page.keyboard.press("Tab")
    line = page.get_by_role("slider", name="a.png: place of the line")
    expect(line).to_be_focused()
    assert outline(page, ".card") != "none"
    page.keyboard.press("ArrowRight")
    assert cut(page) == 51
    page.keyboard.press("Home")
    assert cut(page) == 0
    page.keyboard.press("End")
    assert cut(page) == 100
    names = []
    for _ in range(8):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText")
        )
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert [name for name in names if name][:3] == ["smaller", names[1], "larger"]
    assert names[1].startswith("zoom, ")
    assert "Strength, a.png" in names
    assert "Download" in names
    assert "Remove a.png" in names
    page.get_by_role("slider", name="Strength, a.png").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".card output")).to_have_text("99 %")
    page.get_by_role("button", name="Remove a.png").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(0)
    expect(page.locator("#choose")).to_be_focused()


def outline(page, selector: str) -> str:
    return page.locator(selector).first.evaluate("it => getComputedStyle(it).outlineStyle")


def test_keys_zoom_to_real_pixels_and_back(opened, server) -> None:
    page = opened(server)
    choose(
        page, payload("a.png", images.to_bytes(Picture(np.zeros((900, 2000, 3), np.uint8)), ".png"))
    )
    done(page)
    whole = width(page)
    assert whole == pytest.approx(page.locator(".compare").bounding_box()["width"], abs=1)
    level = page.locator(".level")
    expect(level).to_have_text(f"{round(100 * whole / 2000)} %")
    page.get_by_role("slider", name="place of the line").focus()
    page.keyboard.press("1")
    assert width(page) == 2000
    expect(level).to_have_text("100 %")
    for _ in range(2):
        page.keyboard.press("+")
    assert width(page) == 4000
    x, y = corner(page)
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    assert corner(page) == (x + 48, y + 48)
    assert cut(page) == 50  # these keys moved the picture alone
    page.keyboard.press("-")
    assert width(page) == 3000
    page.keyboard.press("0")
    assert width(page) == pytest.approx(whole, abs=0.1)
    for _ in range(30):
        page.keyboard.press("+")
    assert width(page) == 16000
    for _ in range(30):
        page.keyboard.press("-")
    assert width(page) == pytest.approx(whole, abs=0.1)


def test_pointer_and_wheel_zoom_around_themselves(opened, server) -> None:
    page = opened(server)
    choose(
        page, payload("a.png", images.to_bytes(Picture(np.zeros((900, 2000, 3), np.uint8)), ".png"))
    )
    done(page)
    box = page.locator(".compare").bounding_box()
    x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"]
    page.mouse.move(x, y)
    page.mouse.wheel(0, 60)  # nothing is chosen yet: this is the page's
    until_in(page, lambda: page.evaluate("scrollY") == 60)
    assert width(page) == pytest.approx(box["width"], abs=1)
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    page.mouse.click(x, y)
    before, place = width(page), corner(page)
    page.mouse.wheel(0, -300)
    until_in(page, lambda: width(page) > 1.3 * before)
    ratio = width(page) / before
    assert corner(page)[0] == pytest.approx(x - (x - place[0]) * ratio, abs=1.5)
    assert corner(page)[1] == pytest.approx(y - (y - place[1]) * ratio, abs=1.5)
    line = cut(page)
    place = corner(page)
    page.mouse.move(x + 200, y)
    page.mouse.down()
    page.mouse.move(x + 160, y - 15, steps=4)
    page.mouse.up()
    assert corner(page) == pytest.approx((place[0] - 40, place[1] - 15), abs=1)
    assert cut(page) == line
    page.mouse.dblclick(x + 100, y)
    assert width(page) == pytest.approx(before, abs=0.1)
    page.mouse.dblclick(x + 100, y)
    assert width(page) == 2000
    page.get_by_role("button", name="larger").click()
    assert width(page) == 3000
    page.locator(".level").click()
    assert width(page) == pytest.approx(before, abs=0.1)


def toucher(page) -> Callable[..., None]:
    """Puts fingers on the screen (touchStart), moves them (touchMove), lifts them (touchEnd)."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    return touch


def test_fingers_move_the_line_and_pinch(opened, server) -> None:
    page = opened(server, PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    choose(
        page, payload("a.png", images.to_bytes(Picture(np.zeros((900, 1200, 3), np.uint8)), ".png"))
    )
    done(page)
    touch = toucher(page)
    box = page.locator(".compare").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.touchscreen.tap(box["x"] + 0.2 * box["width"], y)
    assert cut(page) == pytest.approx(20, abs=1)
    touch("touchStart", (box["x"] + 0.2 * box["width"], y))
    for share in (0.3, 0.5, 0.7):
        touch("touchMove", (box["x"] + share * box["width"], y))
    touch("touchEnd")
    assert cut(page) == pytest.approx(70, abs=2)
    before = width(page)
    touch("touchStart", (x - 30, y), (x + 30, y))
    for apart in (40, 60, 80, 90):
        touch("touchMove", (x - apart, y), (x + apart, y))
    touch("touchEnd")
    assert width(page) == pytest.approx(3 * before, rel=0.1)
    assert page.evaluate("visualViewport.scale") == 1  # the picture was zoomed, not the page
    place = corner(page)
    touch("touchStart", (x - 60, y))
    touch("touchMove", (x - 60 + 25, y + 10))
    touch("touchEnd")
    assert corner(page) == pytest.approx((place[0] + 25, place[1] + 10), abs=1)


def test_keep_colours_asks_the_server_once(opened, server) -> None:
    page = opened(server)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    choose(page, payload("a.png", png()))
    done(page)
    switch = page.get_by_role("switch", name="Keep colours")
    switch.check()
    done(page)
    until_in(page, lambda: any("luminance_only=true" in each for each in asked))
    expect(page.locator(".card.busy")).to_have_count(0)
    _, body = download(page, save(page).click)
    assert body == server.restore(png(), "?luminance_only=true").body
    switch.uncheck()
    _, body = download(page, save(page).click)
    assert body == server.restore(png()).body
    assert sum("api/restore" in each for each in asked) == 2


@pytest.mark.parametrize(("suffix", "saved"), [(".tif", "scan.tif"), (".gif", "scan.png")])
def test_what_browsers_do_not_show_is_shown_by_the_server(
    opened, server, suffix: str, saved: str
) -> None:
    page = opened(server)
    colour = np.full((40, 60, 3), (200, 40, 90), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(colour).save(stream, {".tif": "TIFF", ".gif": "GIF"}[suffix])
    kind = {".tif": "image/tiff", ".gif": "image/gif"}[suffix]
    choose(page, payload(f"scan{suffix}", stream.getvalue(), kind))
    done(page)
    line = page.get_by_role("slider", name="place of the line")
    for side, wanted in (("100", (200, 40, 90)), ("0", (55, 215, 165))):
        line.fill(side)
        middle = shown(page, 60, 60)[30, 40].astype(float)
        assert middle == pytest.approx(np.array(wanted), abs=6)
    name, body = download(page, save(page).click)
    assert name == saved
    assert body == server.restore(stream.getvalue()).body


def test_on_a_phone_nothing_is_cut_off(opened, server) -> None:
    page = opened(server, PHONE, has_touch=True, is_mobile=True, said="status of 415")
    choose(
        page,
        payload(LONG, png(1, 300, 900)),
        payload("b.png", png(2, 900, 100)),
        payload("c", b"x" * 99),
    )
    done(page, 2)
    expect(page.locator(".card.failed")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    cut_off = page.evaluate(
        """[...document.querySelectorAll("body *")]
             .filter(e => !e.closest(".compare, .unseen, script, template, h3"))
             .filter(e => e.getBoundingClientRect().right > innerWidth)
             .map(e => e.outerHTML.slice(0, 90))"""
    )
    assert cut_off == []
    small = page.evaluate(
        """[...document.querySelectorAll(".card button, #choose")]
             .filter(e => e.offsetParent && e.getBoundingClientRect().height < 40)
             .map(e => e.outerHTML)"""
    )
    assert small == []  # for a finger


def test_dark_follows_the_reader(opened, server) -> None:
    colours = []
    for scheme in ("light", "dark"):
        page = opened(server, color_scheme=scheme)
        choose(page, payload("a.png", png()))
        done(page)
        colours.append(
            page.evaluate(
                """[document.body, document.querySelector(".card")].map(
                     e => getComputedStyle(e).backgroundColor)"""
            )
        )
    assert colours[0] == ["rgb(246, 245, 242)", "rgb(255, 255, 255)"]
    assert colours[1] == ["rgb(20, 20, 19)", "rgb(29, 28, 27)"]


def test_what_is_removed_is_let_go(opened, server) -> None:
    page = opened(server)
    page.add_init_script(
        """const [make, drop] = [URL.createObjectURL, URL.revokeObjectURL];
           window.alive = new Set();
           URL.createObjectURL = (it) => { const a = make.call(URL, it); alive.add(a); return a; };
           URL.revokeObjectURL = (a) => { alive.delete(a); drop.call(URL, a); };"""
    )
    page.reload()
    choose(page, payload("a.png", png()))
    done(page)
    assert page.evaluate("alive.size") == 2
    page.get_by_role("button", name="Remove a.png").click()
    assert page.evaluate("alive.size") == 0


def test_the_policy_holds(opened, server) -> None:
    page = opened(server, said="Content Security Policy")
    assert page.evaluate(
        """() => new Promise((resolve) => {
             const hear = (event) => resolve(event.blockedURI);
             document.addEventListener("securitypolicyviolation", hear);
             fetch("http://127.0.0.1:9/").catch(() => {});
           })"""
    ).startswith("http://127.0.0.1:9")


def test_the_apis_page_reads_well_on_a_phone(opened, server) -> None:
    page = opened(server, PHONE)
    page.get_by_role("link", name="The API").click()
    expect(page.get_by_role("heading", name="POST /api/restore")).to_be_visible()
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
