"""A result is kept as well as its input was: tables, subsampling, lossy or not; or as one says."""

import dataclasses
import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin

from deblur_jax import images
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import Picture, formats
from deblur_jax.images.exif import upright


def photograph(height: int = 96, width: int = 144) -> np.ndarray:
    """uint8[H, W, 3], soft with edges, as photographs are."""
    rng = np.random.default_rng(3)
    small = Image.fromarray(rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def saved(kind: str, picture: np.ndarray | None = None, **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(photograph() if picture is None else picture).save(
        stream, format=kind, **options
    )
    return stream.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def psnr(left: np.ndarray, right: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((left.astype(float) - right) ** 2))


@pytest.mark.parametrize("quality", [20, 75, 95, 100])
@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_written_with_the_tables_it_had(quality, sampling, progressive):
    data = saved("JPEG", quality=quality, subsampling=sampling, progressive=progressive)
    picture = images.from_bytes(data)
    sharper = picture.with_rgb(255 - picture.rgb)
    again = opened(images.to_bytes(sharper, ".jpg"))
    first = opened(data)
    for theirs, ours in zip(first.layer, again.layer, strict=True):
        assert again.quantization[ours[3]] == first.quantization[theirs[3]]
    assert JpegImagePlugin.get_sampling(again) == sampling
    assert bool(again.info.get("progressive")) is progressive


def test_tables_that_differ_for_cb_and_cr_stay_where_they_were():
    tables = [[3 + k % 7 for k in range(64)], [9] * 64, [30] * 64]
    data = saved("JPEG", qtables=tables)
    again = opened(images.to_bytes(images.from_bytes(data), ".jpg"))
    assert [again.quantization[layer[3]] for layer in again.layer] == tables


def test_a_turned_picture_has_turned_tables():
    table = list(range(1, 65))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved("JPEG", qtables=[table], exif=exif.tobytes(), subsampling=1)
    again = opened(images.to_bytes(images.from_bytes(data), ".jpg"))
    assert again.size == (96, 144)
    np.testing.assert_array_equal(
        np.reshape(again.quantization[0], (8, 8)), np.reshape(table, (8, 8)).T
    )
    assert JpegImagePlugin.get_sampling(again) == 0  # halving along columns alone is not to be had


def test_gray_jpeg_keeps_its_one_table():
    data = saved("JPEG", photograph()[..., 0], quality=40)
    again = opened(images.to_bytes(images.from_bytes(data), ".jpeg"))
    assert again.mode == "L" and again.quantization == opened(data).quantization


def test_what_was_no_such_jpeg_is_written_at_95():
    expected = opened(saved("JPEG", quality=95, subsampling=0))
    stream = io.BytesIO()
    Image.fromarray(photograph()).convert("CMYK").save(stream, format="JPEG", quality=30)
    rgb = saved("JPEG", quality=30, keep_rgb=True)
    for data in (saved("PNG"), saved("WEBP"), stream.getvalue(), rgb):
        again = opened(images.to_bytes(images.from_bytes(data), ".jpg"))
        assert again.quantization == expected.quantization
        assert JpegImagePlugin.get_sampling(again) == 0


def test_a_progressive_jpeg_of_noise_has_room(rng):
    """At the highest quality noise takes more bytes than Pillow leaves room for."""
    noise = rng.integers(0, 256, (400, 400, 3), dtype=np.uint8)
    data = saved("JPEG", noise, quality=100, subsampling=0)
    picture = images.from_bytes(data)
    assert picture.stored is not None
    picture = dataclasses.replace(
        picture, stored=dataclasses.replace(picture.stored, progressive=True)
    )
    again = images.from_bytes(images.to_bytes(picture, ".jpg"))
    assert psnr(again.rgb, noise) > 40


def test_webp_stays_lossy_or_lossless():
    lossless = saved("WEBP", lossless=True, icc_profile=srgb())  # as an extended file, VP8X
    picture = images.from_bytes(lossless)
    np.testing.assert_array_equal(
        np.asarray(opened(images.to_bytes(picture, ".webp"))), photograph()
    )
    for options in ({"quality": 60}, {"quality": 60, "icc_profile": srgb()}):
        picture = images.from_bytes(saved("WEBP", **options))
        data = images.to_bytes(picture, ".webp")
        assert b"VP8 " in data and b"VP8L" not in data
        at_85 = opened(saved("WEBP", picture.rgb, quality=85))
        assert psnr(np.asarray(opened(data)), picture.rgb) > psnr(np.asarray(at_85), picture.rgb)
        assert len(data) < len(lossless)
    png = images.from_bytes(saved("PNG"))
    assert b"VP8L" in images.to_bytes(png, ".webp")


def test_alpha_is_exact_in_lossy_formats(rng):
    samples = np.concatenate(
        [photograph(), rng.integers(0, 256, (96, 144, 1), dtype=np.uint8)], axis=2
    )
    for kind, suffix in [("WEBP", ".webp"), *[("AVIF", ".avif")] * formats.has_avif()]:
        picture = images.from_bytes(saved(kind, samples, quality=80))
        again = np.asarray(opened(images.to_bytes(picture, suffix)))
        np.testing.assert_array_equal(again[..., 3], picture.alpha)


@pytest.mark.filterwarnings("ignore")  # what Pillow says of the broken block
@pytest.mark.skipif(not formats.has_avif(), reason="this Pillow has no AVIF")
def test_avif_is_written_well_and_with_full_colours():
    picture = images.from_bytes(saved("AVIF", quality=75))
    assert picture.stored is not None and picture.stored.format == "AVIF"
    data = images.to_bytes(picture, ".avif")
    assert psnr(np.asarray(opened(data)), picture.rgb) > 42
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    broken = dataclasses.replace(picture, exif=exif.tobytes()[:-12])
    assert opened(images.to_bytes(broken, ".avif")).size == (144, 96)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_a_quality_that_is_asked_for_is_taken(suffix):
    if not formats.can_write(suffix):
        pytest.skip("this Pillow has no AVIF")
    picture = images.from_bytes(saved("JPEG", quality=85, subsampling=2))
    low, high = (images.to_bytes(picture, suffix, quality=quality) for quality in (10, 95))
    assert len(low) < len(high) / 2
    if suffix == ".jpg":
        assert opened(low).quantization == opened(saved("JPEG", quality=10)).quantization
    for wrong in (0, 101, -3):
        with pytest.raises(UsageError, match="1 to 100"):
            images.to_bytes(picture, suffix, quality=wrong)


def test_formats_that_lose_nothing_have_no_quality(tmp_path):
    picture = Picture(photograph())
    for suffix in (".png", ".tif", ".bmp"):
        with pytest.raises(UsageError, match="no quality"):
            images.write(tmp_path / f"a{suffix}", picture, quality=90)
    assert not list(tmp_path.iterdir())


def test_how_it_was_stored_travels_with_the_picture():
    picture = images.from_bytes(saved("JPEG", quality=50, dpi=(300, 300)))
    assert picture.stored is not None and picture.stored.dpi == (300, 300)
    assert picture.with_rgb(255 - picture.rgb).stored == picture.stored
    assert picture.at_depth("uint16").stored == picture.stored
    assert Picture(photograph()).stored is None


def test_result_suffix():
    for suffix in (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"):
        assert images.result_suffix(suffix) == suffix
    assert images.result_suffix(".JPG") == ".jpg"
    assert images.result_suffix(".gif") == ".png"
    for suffix in (".avif", ".heic", ".heif"):
        kept = images.result_suffix(suffix)
        assert kept == (suffix if formats.can_write(suffix) else ".png")


def test_gif_is_read_and_not_written(tmp_path):
    frames = [Image.fromarray(photograph()[shift:]).quantize(50) for shift in (0, 0)]
    frames[1].putpixel((3, 4), 7)
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=50)
    with Image.open(tmp_path / "moving.gif") as theirs:
        assert theirs.n_frames == 2
        theirs.seek(0)
        expected = np.asarray(theirs.convert("RGB"))
    picture = images.read(tmp_path / "moving.gif")
    np.testing.assert_array_equal(picture.rgb, expected)
    with pytest.raises(UserError, match=r"b\.gif: '\.gif' files are only read here, \.png"):
        images.write(tmp_path / "b.gif", picture)


def test_the_first_of_two_pictures_in_a_camera_jpeg_is_taken(tmp_path):
    first, second = Image.fromarray(photograph()), Image.fromarray(255 - photograph())
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    with Image.open(tmp_path / "a.jpg") as theirs:
        assert theirs.format == "MPO" and theirs.n_frames == 2
        expected = np.asarray(theirs)
        tables = theirs.quantization
    picture = images.read(tmp_path / "a.jpg")
    np.testing.assert_array_equal(picture.rgb, expected)
    assert opened(images.to_bytes(picture, ".jpg")).quantization == tables


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def inks_profile(light: np.ndarray) -> bytes:
    """A printer's profile (ICC.1:2001, 6.5.8, lut8Type): Lab at the 16 corners of CMYK.

    Args:
      light: uint8[16, 3], Lab of the corners as the type encodes it, K running fastest.
    """
    curve = bytes(range(256))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + curve * 4 + light.tobytes()
    table += curve * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    words = b"text" + bytes(4) + b"none\0" + bytes(3)
    body, entries, place = b"", b"", 128 + 4 + 12 * 4
    for name, data in ((b"A2B0", table), (b"wtpt", white), (b"desc", words), (b"cprt", words)):
        data += bytes(-len(data) % 4)
        entries += name + struct.pack(">II", place + len(body), len(data))
        body += data
    head = struct.pack(
        ">I4sI4s4s4s", place + len(body), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return head + struct.pack(">I", 4) + entries + body


def test_inks_go_through_their_own_profile():
    """Every ink is gray here, black or white by the first ink alone: no formula would say so."""
    corners = np.full((16, 3), 128, np.uint8)
    corners[:, 0] = np.where(np.arange(16) // 8 == 1, 0, 255)  # C is the slowest of the four
    profile = inks_profile(corners)
    values = np.zeros((2, 3, 4), np.uint8)
    values[1, :, 0] = 255  # full cyan
    values[0, :, 1:] = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]  # full magenta, yellow, black
    for kind in ("TIFF", "JPEG"):
        stream = io.BytesIO()
        Image.fromarray(values, "CMYK").save(stream, format=kind, icc_profile=profile, quality=100)
        picture = images.from_bytes(stream.getvalue())
        assert picture.icc is None
        assert picture.rgb[0].min() >= 250 and picture.rgb[1].max() <= 5
    stream = io.BytesIO()
    Image.fromarray(values, "CMYK").save(stream, format="TIFF", icc_profile=profile[:600])
    picture = images.from_bytes(stream.getvalue())  # a profile that does not work
    np.testing.assert_array_equal(picture.rgb[1], [[0, 255, 255]] * 3)


def test_only_profiles_that_describe_the_pixels_travel():
    gray_profile = bytearray(srgb())
    gray_profile[16:20] = b"GRAY"
    data = saved("PNG", photograph()[..., 0], icc_profile=bytes(gray_profile))
    picture = images.from_bytes(data)
    assert picture.icc == bytes(gray_profile)
    assert opened(images.to_bytes(picture, ".jpg")).info["icc_profile"] == bytes(gray_profile)
    assert "icc_profile" not in opened(images.to_bytes(picture, ".webp")).info  # it has no gray
    for useless in (bytes(gray_profile), b"short"):
        assert images.from_bytes(saved("PNG", icc_profile=useless)).icc is None


def test_a_large_profile_survives_in_png():
    """A printer's profile of 3 MB, as a JPEG may have it; of noise, which packs badly."""
    rng = np.random.default_rng(0)
    profile = srgb()[:128] + rng.bytes(3 * 2**20)
    picture = images.from_bytes(saved("JPEG", icc_profile=profile))
    assert picture.icc == profile
    for deep in (picture, picture.at_depth("uint16")):
        assert images.from_bytes(images.to_bytes(deep, ".png")).icc == profile


def camera_block(order: str) -> tuple[bytes, bytes]:
    """EXIF as a camera writes it, and its notes: orientation 8, sides, a preview behind all."""
    notes, preview = b"pointing-at-0x0123", b"\xff\xd8 the picture as it was \xff\xd9"
    first, second, third = 8, 8 + 2 + 24 + 4, 8 + 2 + 24 + 4 + 2 + 36 + 4
    at_notes = third + 2 + 24 + 4
    block = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, first)
    block += struct.pack(
        order + "HHHIHxxHHII", 2, 0x0112, 3, 1, 8, 0x8769, 4, 1, second
    ) + struct.pack(order + "I", third)
    block += struct.pack(
        order + "HHHIIHHIIHHIII",
        3,
        0x927C,
        7,
        len(notes),
        at_notes,
        0xA002,
        4,
        1,
        144,
        0xA003,
        4,
        1,
        96,
        0,
    )
    block += struct.pack(
        order + "HHHIIHHIII", 2, 0x0201, 4, 1, at_notes + len(notes), 0x0202, 4, 1, len(preview), 0
    )
    return b"Exif\0\0" + block + notes + preview, notes


@pytest.mark.parametrize("order", ["<", ">"])
def test_camera_notes_stay_in_their_place_and_the_preview_goes(order):
    block, notes = camera_block(order)
    data = saved("JPEG", exif=block)
    picture = images.from_bytes(data)
    assert picture.rgb.shape == (144, 96, 3) and picture.exif is not None
    assert picture.exif.index(notes) == block.index(notes)
    assert b"as it was" not in picture.exif and len(picture.exif) == block.index(notes) + len(notes)
    exif = opened(images.to_bytes(picture, ".jpg")).getexif()
    assert exif[0x0112] == 1
    inner = exif.get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003], inner[0x927C]) == (96, 144, notes)
    assert not exif.get_ifd(1)


@pytest.mark.filterwarnings("ignore")  # what Pillow says of it
def test_damaged_exif_never_costs_the_picture():
    block, _ = camera_block("<")
    for end in range(0, len(block), 3):
        picture = images.from_bytes(saved("JPEG", exif=block[:end]) if end else saved("JPEG"))
        assert sorted(picture.rgb.shape) == [3, 96, 144]
        for suffix in (".jpg", ".png", ".tif", ".webp"):
            assert opened(images.to_bytes(picture, suffix)).size == picture.rgb.shape[1::-1]
    assert upright(b"Exif\0\0no directory") == (None, None)


def test_exif_that_a_jpeg_cannot_hold_loses_the_notes_only():
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif.get_ifd(0x8769)[0x927C] = bytes(70_000)
    picture = images.from_bytes(saved("PNG", exif=exif.tobytes()))
    with_notes = opened(images.to_bytes(picture, ".png")).getexif().get_ifd(0x8769)
    assert len(with_notes[0x927C]) == 70_000
    kept = opened(images.to_bytes(picture, ".jpg")).getexif()
    assert kept[0x010F] == "A camera" and 0x927C not in kept.get_ifd(0x8769)
