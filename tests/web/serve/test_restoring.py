"""`POST /api/restore` and `/api/preview`: what goes in, and what comes out."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
import tifffile
from PIL import Image
from serving import Served, pixels, png, rgb, served

import deblur_jax
from deblur_jax import images
from deblur_jax.images import Picture
from deblur_jax.web.serve import work


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as running:
        yield running


def test_a_picture_comes_back_restored(server: Served) -> None:
    answer = server.restore(png())
    assert answer.status == 200
    assert np.array_equal(rgb(answer.body), 255 - pixels())  # the fake inverts
    assert answer.headers["content-type"] == "image/png"
    assert (answer.headers["x-width"], answer.headers["x-height"]) == ("33", "24")
    assert 0 < float(answer.headers["x-seconds"]) < 20
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".jpg", "JPEG"), (".webp", "WEBP"), (".tif", "TIFF"), (".bmp", "BMP"), (".png", "PNG")],
)
def test_the_format_is_the_pictures_own(server: Served, suffix: str, kind: str) -> None:
    flat = np.full((16, 16, 3), (200, 40, 90), np.uint8)
    answer = server.restore(images.to_bytes(Picture(flat), suffix))
    with Image.open(io.BytesIO(answer.body)) as image:
        assert image.format == kind
        assert answer.headers["content-type"] == Image.MIME[kind]
        error = np.abs(np.asarray(image.convert("RGB")).astype(int) - (55, 215, 165))
    assert error.max() <= (3 if kind == "JPEG" else 0)


@pytest.mark.parametrize(
    ("name", "kind"), [("jpg", "JPEG"), ("JPEG", "JPEG"), ("tif", "TIFF"), ("bmp", "BMP")]
)
def test_another_format_can_be_asked_for(server: Served, name: str, kind: str) -> None:
    answer = server.restore(png(), f"?format={name}")
    with Image.open(io.BytesIO(answer.body)) as image:
        assert image.format == kind


def test_quality_costs_bytes(server: Served) -> None:
    small, large = (server.restore(png(), f"?format=jpeg&quality={each}") for each in (20, 95))
    assert len(small.body) < 0.6 * len(large.body)
    answer = server.restore(png(), "?quality=50")  # of a PNG
    assert (answer.status, "no quality" in answer.error) == (422, True)


def test_what_the_client_calls_it_does_not_matter(server: Served) -> None:
    answer = server.restore(png(), **{"Content-Type": "text/html"})
    assert answer.headers["content-type"] == "image/png"


def test_strength_is_a_mean_of_both(server: Served) -> None:
    before = pixels().astype(float)
    answer = server.restore(png(), "?strength=0.25")
    assert np.abs(rgb(answer.body) - (0.75 * before + 0.25 * (255 - before))).max() <= 0.51
    assert np.array_equal(rgb(server.restore(png(), "?strength=0").body), pixels())


@pytest.mark.parametrize("value", ["1", "true", "True"])
def test_luminance_only_moves_all_channels_alike(server: Served, value: str) -> None:
    grey = np.full((16, 16, 3), (100, 120, 140), np.uint8)
    body = images.to_bytes(Picture(grey), ".png")
    after = rgb(server.restore(body, f"?luminance_only={value}").body)[0, 0].astype(float)
    luma = 0.299 * 100 + 0.587 * 120 + 0.114 * 140
    assert after == pytest.approx(np.array([100, 120, 140]) + (255 - 2 * luma), abs=0.51)


def test_sixteen_bits_stay_sixteen(server: Served) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (9, 11, 3), np.uint16)
    answer = server.restore(images.to_bytes(Picture(deep), ".tif"))
    assert np.array_equal(tifffile.imread(io.BytesIO(answer.body)), 65535 - deep)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("strenght=1", "did you mean strength?"),
        ("name=../../etc/passwd", "there is no option 'name'"),
        ("strength=2", "it can be 0 to 1"),
        ("strength=nan", "it can be 0 to 1"),
        ("strength=much", "it can be 0 to 1"),
        ("strength=1&strength=0", "more than once"),
        ("luminance_only=maybe", "true or false"),
        ("format=svg", "it can be png"),
        ("format=../x", "it can be png"),
        ("quality=0", "1 to 100"),
        ("quality=101", "1 to 100"),
        ("quality=9999999999999", "1 to 100"),
        ("quality=-1", "1 to 100"),
    ],
)
def test_a_wrong_option_is_named(server: Served, query: str, words: str) -> None:
    answer = server.restore(png(), f"?{query}")
    assert answer.status == 422
    assert words in answer.error


def test_a_format_that_cannot_hold_the_picture_is_named(server: Served) -> None:
    clear = Picture(pixels(), np.zeros((24, 33), np.uint8))
    answer = server.restore(images.to_bytes(clear, ".png"), "?format=jpeg")
    assert answer.status == 422
    assert "transparency" in answer.error


def test_sharpness_is_told_before_and_after(server: Served, monkeypatch) -> None:
    monkeypatch.setattr(work, "measure", lambda picture: float(picture.flat[0]) / 255)
    told = server.restore(png(51)).headers
    assert (told["x-sharpness-before"], told["x-sharpness-after"]) == ("0.200", "0.800")


def test_the_bytes_are_the_command_lines() -> None:
    restorer = deblur_jax.load("default")
    body = png(9, 64, 64)
    picture = restorer.restore_picture(images.from_bytes(body))
    assert not np.array_equal(picture.rgb, pixels(9, 64, 64))
    with served(lambda: restorer) as server:
        assert server.restore(body).body == images.to_bytes(picture, ".png")
        told = server.ask("GET", "/healthz").json["weights"]
    assert (told["name"], told["sha256"]) == ("default", restorer.weights.sha256)


def test_a_preview_is_a_picture_for_browsers(server: Served) -> None:
    ramp = np.linspace(0, 65535, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint16)
    answer = server.ask("POST", "/api/preview", images.to_bytes(Picture(ramp), ".tif"))
    assert answer.headers["content-type"] == "image/jpeg"
    assert (answer.headers["x-width"], answer.headers["x-height"]) == ("64", "48")
    assert np.abs(rgb(answer.body) - ramp / 257).max() < 6


def test_a_preview_keeps_transparency(server: Served) -> None:
    alpha = np.random.default_rng(2).integers(0, 256, (24, 33), np.uint8)
    body = images.to_bytes(Picture(pixels(), alpha), ".tif")
    answer = server.ask("POST", "/api/preview", body)
    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.body)) as image:
        assert np.array_equal(np.asarray(image)[..., 3], alpha)
        assert np.array_equal(np.asarray(image)[..., :3], pixels())


def test_a_preview_has_no_options(server: Served) -> None:
    assert server.ask("POST", "/api/preview?strength=1", png()).status == 422


def test_weights_that_fail_are_one_sentence() -> None:
    class Failing:
        def restore_picture(self, *_arguments: object, **_options: object) -> Picture:
            raise ZeroDivisionError("a\nb")

    with served(Failing) as server:
        answer = server.restore(png())
        assert answer.status == 500
        assert answer.error == "internal error, ZeroDivisionError: a b"
        assert server.restore(png()).status == 500  # the thread lives on
