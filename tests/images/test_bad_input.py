"""What is no picture, or would do harm: one sentence that names it, soon and cheaply."""

import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from damaged import Reader
from PIL import Image

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.images import formats, guards, opening


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        images.read(path)
    said = str(caught.value)
    assert said.startswith(f"cannot read {path}: ") and "\n" not in said and "Errno" not in said
    return said.removeprefix(f"cannot read {path}: ")


def png(rgb: np.ndarray | None = None) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8) if rgb is None else rgb).save(stream, "PNG")
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("suffix", sorted(images.IMAGE_SUFFIXES))
def test_what_is_no_picture_is_told_with_what_would_be(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    for text in (
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!DOCTYPE html><html></html>",
        b"BMW is a car, GIF8 a joke, II a number",
        b"\x7fELF" + bytes(400),
        bytes(5000),
        b"%PDF-1.7",
        b"\0",
    ):
        path.write_bytes(text)
        said = refusal(path)
        assert said == f"it is not a {formats.words()} picture"
    assert "PNG, JPEG, WebP, TIFF, BMP, GIF" in formats.words()
    path.write_bytes(b"")
    assert refusal(path) == "it is empty"
    with pytest.raises(UserError, match=r"cannot read upload 3: it is empty"):
        images.from_bytes(b"", "upload 3")


def test_content_counts_and_not_the_name(tmp_path, rng):
    rgb = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for suffix in images.IMAGE_SUFFIXES:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(png(rgb))
        np.testing.assert_array_equal(images.read(path).rgb, rgb)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_is_no_ordinary_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert refusal(tmp_path / "pipe.png") == "it is not an ordinary file"
    (tmp_path / "one.png").symlink_to(tmp_path / "two.png")
    (tmp_path / "two.png").symlink_to(tmp_path / "one.png")
    assert "symbolic links" in refusal(tmp_path / "one.png")
    (tmp_path / "folder.png").mkdir()
    assert refusal(tmp_path / "folder.png") == "is a directory"
    assert refusal(tmp_path / "none.png") == "no such file or directory"
    assert refusal(Path("/dev/zero")) == "it is not an ordinary file"


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    path.write_bytes(png())

    def refused(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")  # rights do not bind every user

    monkeypatch.setattr(os, "open", refused)
    assert refusal(path) == "permission denied"


@pytest.mark.parametrize("change", ["grows", "shrinks", "is written anew"])
def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch, change):
    path = tmp_path / "a.png"
    path.write_bytes(png() + bytes(100))
    look = opening.refuse_unknown

    def meanwhile(head):
        data = path.read_bytes()
        data = {"grows": data + b"more", "shrinks": data[:60], "is written anew": data}[change]
        path.write_bytes(data)
        os.utime(path, ns=(0, 1))
        return look(head)

    monkeypatch.setattr(opening, "refuse_unknown", meanwhile)
    assert refusal(path) == "it changed while it was read"


def test_a_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "large.png"
    with path.open("wb") as stream:
        stream.write(png())
        stream.truncate(opening.MAX_FILE_BYTES + 1)  # a hole, which takes no room
    assert refusal(path) == "its file is larger than 2 GB"


def jpeg(*options, **kwargs) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(stream, "JPEG", *options, **kwargs)
    return stream.getvalue()


def tiff(samples: np.ndarray, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, samples, metadata=None, **options)
    return stream.getvalue()


def patched_tiff(data: bytes, **values: int) -> bytes:
    """A little-endian TIFF with other values of single numbers: t256=70000 for the width."""
    made = bytearray(data)
    (place,) = struct.unpack_from("<I", made, 4)
    for start in range(place + 2, place + 2 + 12 * made[place], 12):
        tag = struct.unpack_from("<H", made, start)[0]
        if f"t{tag}" in values:
            struct.pack_into("<HII", made, start + 2, 4, 1, values[f"t{tag}"])
    return bytes(made)


def bombs() -> dict[str, tuple[bytes, str]]:
    """Small files that ask for much: the file and a part of the sentence; '' if it may be read."""
    zeros = zlib.compress(bytes(200 * 2**20), 9)
    start, header, rest = png()[:8], png()[8:33], png()[33:]
    large = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    head = jpeg()
    progressive = jpeg(progressive=True)
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    huge = progressive.replace(struct.pack(">HH", 16, 16), struct.pack(">HH", 16000, 16000))
    gif_large = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
    gif_frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x08\x02\0\x01\0;"
    floats = tiff(np.zeros((8, 8, 3), np.float32), photometric="rgb", compression="zlib")
    strip = tifffile.TiffFile(io.BytesIO(floats)).pages.first.dataoffsets[0]
    rgb = tiff(np.zeros((8, 8, 3), np.uint8), photometric="rgb")
    tiles = tiff(np.zeros((32, 32, 3), np.uint8), photometric="rgb", tile=(16, 16))
    packed = tiff(np.zeros((8, 8, 3), np.uint8), photometric="rgb", compression="zlib")
    long_list = 2**18 + 1
    made = {
        "png size": (start + chunk(b"IHDR", large) + rest, "268 megapixels"),
        "png profile": (
            start + header + chunk(b"iCCP", b"a\0\0" + zeros) + rest,
            "profile is too large",
        ),
        "png text": (start + header + chunk(b"zTXt", b"a\0\0" + zeros) + rest, "too large"),
        "png words": (start + header + chunk(b"iTXt", b"a\0\1\0\0\0" + zeros) + rest, "too large"),
        "png pixels": (start + header + chunk(b"IDAT", zeros) + chunk(b"IEND", b""), ""),
        "png chunks": (start + header + chunk(b"abCd", b"") * 400_000 + rest, "pieces"),
        "png none": (start + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)), ""),
        "jpeg size": (
            head.replace(struct.pack(">HH", 16, 16), struct.pack(">HH", 65000, 65000)),
            "268 megapixels",
        ),
        "jpeg scans": (huge[:-2] + scan * 30_000 + b"\xff\xd9", "scans"),
        "jpeg junk": (head[:2] + b"\xff\xe0\0\2" + bytes(2**25) + head[2:], "pieces"),
        "jpeg segments": (head[:2] + b"\xff\xfe\0\2" * 2**20 + head[2:], "pieces"),
        "jpeg exif": (head[:2] + b"\xff\xe1\0\x0aExif\0\0ab" * 2**20 + head[2:], "pieces"),
        "gif size": (gif_large + gif_frame, "268 megapixels"),
        "gif blocks": (gif_large + b"!\xfe" + b"\1a" * 2**23 + b"\0" + gif_frame, "pieces"),
        "bmp size": (
            b"BM"
            + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 2**30, 2**30, 1, 24, *[0] * 6),
            "268 megapixels",
        ),
        "tiff size": (patched_tiff(rgb, t256=200_000, t257=200_000), "268 megapixels"),
        "tiff rows": (patched_tiff(packed, t278=2**32 - 1), ""),
        "tiff strip": (patched_tiff(packed, t279=2**31), ""),
        "tiff tile": (patched_tiff(tiles, t322=2**20, t323=2**20), "tiles"),
        "tiff list": (
            patched_tiff(rgb, t305=1)[:4]
            + struct.pack(
                "<IHHHIIHHIIHHIII", 8, 3, 256, 4, 1, 9, 257, 4, 1, 9, 273, 4, long_list, 64, 0
            )
            + bytes(4 * long_list + 64),
            "directory",
        ),
        "tiff pages": (
            b"II*\0\x08\0\0\0"
            + b"".join(struct.pack("<HI", 0, 8 + 6 * k) for k in range(1, 300_000)),
            "pages",
        ),
        "tiff loop": (b"II*\0\x08\0\0\0" + struct.pack("<HI", 0, 8), ""),
        "float size": (patched_tiff(floats, t256=100_000, t257=100_000), "268 megapixels"),
        "float strip": (
            patched_tiff(floats, t273=len(floats), t279=len(zeros)) + zeros,
            "unpacks to more",
        ),
        "webp size": (
            b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff" * 6,
            "",
        ),
    }
    assert strip < len(floats)
    return made


def test_bombs_cost_neither_memory_nor_time():
    reader = Reader(1000, 30.0, most_pixels=images.MAX_PIXELS)
    try:
        for name, (data, words) in bombs().items():
            outcome = reader(data)
            assert outcome.kind in (("refused",) if words else ("refused", "read")), (name, outcome)
            assert words in outcome.said, (name, outcome.said)
            assert outcome.seconds < 10, (name, outcome)  # each takes well under a second
            assert outcome.peak_mb < 600, (name, outcome)
    finally:
        reader.close()


def test_the_size_of_webp_is_known_before_its_decoder():
    rgb = np.zeros((300, 500, 3), np.uint8)
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    for options in ({}, {"lossless": True}, {"exif": exif.tobytes()}):  # VP8, VP8L and VP8X
        stream = io.BytesIO()
        Image.fromarray(rgb).save(stream, "WEBP", **options)
        data = stream.getvalue()
        assert images.from_bytes(data, max_pixels=150_000).rgb.shape == (300, 500, 3)
        with pytest.raises(UserError, match="more than 149999 pixels"):
            images.from_bytes(data, max_pixels=149_999)
        with pytest.raises(UserError, match="more than 149999 pixels"):
            guards.refuse_dangerous("WEBP", data, 149_999)


def test_deep_pictures_count_by_their_bytes():
    floats = tiff(np.zeros((8, 8, 3), np.float32), photometric="rgb")
    with pytest.raises(UserError, match=r"a\.tif: it would take more than 2 GB of memory"):
        images.from_bytes(patched_tiff(floats, t256=2**14, t257=2**14), "a.tif")


def test_reading_in_many_threads_leaves_the_warnings_as_they_were():
    """Also where one is still reading as another is done."""
    stream = io.BytesIO()
    Image.new("P", (300, 300)).save(stream, "PNG", transparency=bytes(9))
    data = stream.getvalue()
    before = list(warnings.filters)
    faults = []

    def work():
        for _ in range(20):
            try:
                images.from_bytes(data)
            except Exception as error:
                faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and warnings.filters == before


def test_nothing_is_printed_about_a_damaged_file(capfd, rng):
    rgb = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "TIFF", compression="tiff_lzw")
    whole = stream.getvalue()
    for place in range(100, len(whole), 997):
        data = bytearray(whole)
        data[place : place + 40] = bytes(40)
        try:
            images.from_bytes(bytes(data))
        except UserError as error:
            assert "\n" not in str(error)
    assert capfd.readouterr() == ("", "")
