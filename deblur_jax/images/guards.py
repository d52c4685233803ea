"""What is looked at in a file's bytes before a decoder is let at them.

Pillow checks the size of a picture, and how much compressed text unpacks to. What is checked here
can make it, libjpeg or libtiff work without end or take any memory although the picture is small.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from deblur_jax.errors import UserError
from deblur_jax.images.limits import refuse_large

MAX_SEGMENTS = 10_000  # of a JPEG before its picture: a profile has 255 at most, large XMP some 100
MAX_EXIF_SEGMENTS = 256  # Pillow joins them by copying
MAX_SCAN_PIXELS = 2**31  # of a JPEG, each scan counted: every one passes over all pixels
USUAL_SCANS = 20  # libjpeg's own progressive script makes 10
MAX_PAGES = 10_000  # of a TIFF
MAX_GIF_BLOCKS = 100_000  # before the picture, 25 MB of comments at most
MAX_CHUNKS, LEAST_CHUNK = 10_000, 256  # of a PNG: more than that many must hold so many bytes each
MAX_JUNK = 2**20  # bytes between a JPEG's segments, each of which Pillow passes over by itself
MAX_NUMBERS = 2**18  # that one tag of a TIFF lists, as the starts of strips: Pillow works on each
# A marker that ends a scan's data; 0xFF00 is data, 0xFFD0 to 0xFFD7 restart (ITU-T T.81, B.1.1.3).
_SCAN_END = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # struct's letters of TIFF's types
# Bytes of a value of TIFF's types; those of one byte are left out: they are kept as they are.
_TIFF_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def refuse_dangerous(name: str, data: bytes, most_pixels: int) -> None:
    """Raises UserError for a file of the format `name` that would cost far more than its picture.

    Also for many-page TIFF: all but its first page would be lost silently. What is damaged passes;
    the decoders know more about that.
    """
    if name == "PNG":
        _check_png(data)
    elif name == "JPEG":
        _check_jpeg(data)
    elif name == "WEBP":
        _check_webp(data, most_pixels)
    elif name == "GIF":
        _check_gif(data)
    elif name == "TIFF":
        _check_tiff(data)


def _check_png(data: bytes) -> None:
    """Counts the chunks (PNG specification, section 5.3)."""
    place, chunks, allowed = 8, 0, max(MAX_CHUNKS, len(data) // LEAST_CHUNK)
    while place + 8 <= len(data):
        place += 12 + int.from_bytes(data[place : place + 4], "big")
        chunks += 1
        if chunks > allowed:
            raise UserError("it has too many pieces of information in and around its picture")


def _check_jpeg(data: bytes) -> None:
    segments = exif = scans = pixels = junk = end = 0
    for marker, place, length in _jpeg_segments(data):
        junk += place - end if end and not scans else 0
        end = place + length
        if marker in _FRAMES and place + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, place + 5)
            pixels = height * width
        elif marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            exif += 1
        scans += marker == 0xDA
        segments += scans == 0
        if segments > MAX_SEGMENTS or exif > MAX_EXIF_SEGMENTS or junk > MAX_JUNK:
            raise UserError("it has too many pieces of information before its picture")
        if scans > USUAL_SCANS and scans * pixels > MAX_SCAN_PIXELS:
            raise UserError("it would be drawn over and over: it has too many scans")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each segment's marker, without its 0xFF, its start and its length, up to the picture's end.

    Junk between segments is skipped, as libjpeg and Pillow do.
    """
    place = 2
    while found := _SCAN_END.search(data, place):
        place, marker = found.start(), data[found.start() + 1]
        if marker == 0xD9:
            return
        length = 2
        if marker not in (0x01, 0xD8) and place + 4 <= len(data):
            length += struct.unpack_from(">H", data, place + 2)[0]
        yield marker, place, length
        place += length


def _check_webp(data: bytes, most_pixels: int) -> None:
    """Its decoder takes the canvas's memory as soon as the file is opened (RFC 9649, section 2)."""
    kind, head = data[12:16], int.from_bytes(data[20:30], "little")
    if len(data) < 30:
        return
    if kind == b"VP8X":
        width, height = (head >> 32 & 0xFFFFFF) + 1, (head >> 56) + 1
    elif kind == b"VP8L":
        width, height = (head >> 8 & 0x3FFF) + 1, (head >> 22 & 0x3FFF) + 1
    else:
        width, height = head >> 48 & 0x3FFF, head >> 64 & 0x3FFF
    refuse_large(width, height, 1, 4, most_pixels)


def _check_gif(data: bytes) -> None:
    """Counts the blocks before the first picture (GIF89a, sections 15 and 18 to 26)."""
    if len(data) < 13:
        return
    place, blocks = 13 + (3 << (data[10] & 7) + 1 if data[10] & 128 else 0), 0
    while place + 2 < len(data) and data[place : place + 1] != b",":
        if data[place : place + 1] != b"!":
            place += 1
            blocks += 1
        else:
            place += 2
            while place < len(data) and data[place]:
                place += data[place] + 1
                blocks += 1
                if blocks > MAX_GIF_BLOCKS:
                    break
            place += 1
        if blocks > MAX_GIF_BLOCKS:
            raise UserError("it has too many pieces of information before its picture")


@dataclass
class Directory:
    """A TIFF's directory: its whole numbers, tag -> values; where the next one is, 0 for none."""

    numbers: dict[int, tuple[int, ...]] = field(default_factory=dict)
    following: int = 0

    def first(self, tag: int, default: int = 0) -> int:
        return self.numbers.get(tag, (default,))[0]


def _check_tiff(data: bytes) -> None:
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")  # BigTIFF
    seen: set[int] = set()
    pages = 0
    try:
        place = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
        while place and place not in seen:
            seen.add(place)
            directory = _tiff_directory(data, place, order, big)
            pages += not directory.first(254) & 1  # a preview is no page
            if len(seen) == 1:
                _refuse_large_tiles(directory)
            if len(seen) > MAX_PAGES:
                break
            place = directory.following
    except (struct.error, OverflowError):
        pass  # it is cut short; the first page may be whole
    if pages > 1:
        raise UserError(f"it has {pages} pages, which is not supported")


def _tiff_directory(data: bytes, place: int, order: str, big: bool) -> Directory:
    """The directory at `place`; of values that lie elsewhere in the file none is read."""
    count_form, entry, number = ("Q", 20, "Q") if big else ("H", 12, "I")
    inline = 8 if big else 4
    (count,) = struct.unpack_from(order + count_form, data, place)
    place += struct.calcsize("=" + count_form)
    directory = Directory()
    for start in range(place, place + min(count, 65536) * entry, entry):
        tag, kind, values = struct.unpack_from(order + "HH" + number, data, start)
        if MAX_NUMBERS < values <= len(data) // _TIFF_SIZES.get(kind, len(data)):
            raise UserError("its TIFF directory is too large")
        letter = _WHOLE_NUMBERS.get(kind)
        if letter and 0 < values * struct.calcsize("=" + letter) <= inline:
            directory.numbers[tag] = struct.unpack_from(
                f"{order}{values}{letter}", data, start + entry - inline
            )
    (directory.following,) = struct.unpack_from(order + number, data, place + count * entry)
    return directory


def _refuse_large_tiles(directory: Directory) -> None:
    """A tile is unpacked whole, however little of it lies in the picture."""
    tile = directory.first(322) * directory.first(323)
    picture = directory.first(256) * directory.first(257)
    if tile > max(4 * picture, 2**20) and picture:
        raise UserError("its TIFF tiles are larger than the picture")
