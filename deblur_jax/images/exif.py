"""The EXIF block of a picture: kept as it is but for what turning and restoring make untrue.

The block is changed in its place, not written anew: a camera's own notes point into it, and what is
in no standard survives. The orientation becomes 1 ('upright'), width and height are exchanged
where the picture was turned by a quarter, and the preview goes: it shows the picture as it was.
"""

import contextlib
import re
import struct
from dataclasses import dataclass

from PIL import Image, TiffTags

from deblur_jax.images import encoders

ORIENTATION, EXIF_IFD, GPS_IFD = 0x0112, 0x8769, 0x8825
DENSITIES = 0x011A, 0x011B  # across and down
SIDES = 0xA002, 0xA003  # width and height, in the EXIF directory
MAKER_NOTE = 0x927C  # in the EXIF directory
PREVIEW_START, PREVIEW_LENGTH = 0x0201, 0x0202  # in the second directory
PREFIX = b"Exif\0\0"
_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation(?:=["']|>)([1-8])["'<]""")
_FORMS = {1: "B", 3: "H", 4: "I"}  # struct's letters of the types that whole numbers may have


@dataclass(frozen=True)
class _Entry:
    """An entry of a directory: its tag, type and number of values, and where the four bytes stand
    that are its value, or say where that is."""

    tag: int
    kind: int
    count: int
    place: int


def exif_of(image: Image.Image) -> tuple[bytes | None, int]:
    """The EXIF block with the orientation reset, and the orientation that it had (1 to 8).

    Of a TIFF, before it is loaded; of other formats after: a PNG may have it behind the pixels.
    Where EXIF says nothing, XMP's orientation counts, as it does for Pillow.
    """
    with contextlib.suppress(Exception):  # a broken EXIF block must not cost the picture
        if image.format == "TIFF":
            return _of_tiff(image)
        block = _block(image)
        block, turn = upright(block) if block else (None, None)
        return block, turn or _xmp_orientation(image)
    return None, 1


def _block(image: Image.Image) -> bytes | None:
    block = image.info.get("exif")
    profile = image.info.get("Raw profile type exif")  # as ImageMagick puts it into PNG
    if block is None and isinstance(profile, str):
        return bytes.fromhex("".join(profile.split("\n")[3:]))
    return block


def _xmp_orientation(image: Image.Image) -> int:
    for key in ("XML:com.adobe.xmp", "xmp"):
        text = image.info.get(key, b"")
        found = _XMP_ORIENTATION.search(text.encode() if isinstance(text, str) else bytes(text))
        if found:
            return int(found[1])
    return 1


def _of_tiff(image: Image.Image) -> tuple[bytes | None, int]:
    """A TIFF's own tags that describe the picture, written as a block of EXIF."""
    theirs, exif = image.getexif(), Image.Exif()  # theirs is live: Pillow turns a TIFF by it
    turn = int(theirs.get(ORIENTATION, 1))
    for tag in theirs:
        if tag in encoders.DESCRIPTIVE_TAGS:
            exif[tag] = theirs.get_ifd(tag) if tag in TiffTags.TAGS_V2_GROUPS else theirs[tag]
    if ORIENTATION in exif:
        exif[ORIENTATION] = 1
    across, down = DENSITIES
    if turn >= 5 and across in exif and down in exif:
        exif[across], exif[down] = exif[down], exif[across]
    return (exif.tobytes() if len(exif) else None), turn


def upright(block: bytes) -> tuple[bytes | None, int | None]:
    """The block as it is for the upright picture, and its orientation, None where it has none.

    Args:
      block: EXIF as Pillow hands it out, with or without its prefix.

    Returns:
      The same with the prefix, which the formats' writers expect; None for a block that cannot be
      read at all.
    """
    body = bytearray(block.removeprefix(PREFIX))
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(body[:4]))
    if order is None:
        return None, None
    try:
        (first,) = struct.unpack_from(order + "I", body, 4)
        entries = _entries(body, order, first)
        turn = _reset(body, order, entries)
        if turn is not None and turn >= 5:
            _exchange(body, entries, DENSITIES)
            with contextlib.suppress(struct.error, KeyError):  # it has none, or it is cut short
                inner = _number(body, order, entries[EXIF_IFD])
                _exchange(body, _entries(body, order, inner), SIDES)
        _drop_preview(body, order, first)
    except struct.error:
        return None, None
    return PREFIX + bytes(body), turn


def _entries(body: bytearray, order: str, place: int) -> dict[int, _Entry]:
    """A directory's entries (EXIF 2.32, 4.6.2) by their tags."""
    (count,) = struct.unpack_from(order + "H", body, place)
    found = {}
    for start in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, values, _ = struct.unpack_from(order + "HHI4s", body, start)
        found[tag] = _Entry(tag, kind, values, start + 8)
    return found


def _number(body: bytearray, order: str, entry: _Entry) -> int:
    """The value of an entry that is one whole number; KeyError otherwise."""
    if entry.count != 1:
        raise KeyError(entry.tag)
    return int(struct.unpack_from(order + _FORMS[entry.kind], body, entry.place)[0])


def _reset(body: bytearray, order: str, entries: dict[int, _Entry]) -> int | None:
    """Makes the orientation 1; what it was, or None."""
    try:
        entry = entries[ORIENTATION]
        turn = _number(body, order, entry)
    except KeyError:
        return None
    struct.pack_into(order + _FORMS[entry.kind], body, entry.place, 1)
    return turn if 1 <= turn <= 8 else 1


def _exchange(body: bytearray, entries: dict[int, _Entry], tags: tuple[int, int]) -> None:
    """Exchanges the values of two entries of one form, if they are there."""
    left, right = (entries.get(tag) for tag in tags)
    if left and right and (left.kind, left.count) == (right.kind, right.count):
        one, other = (slice(entry.place, entry.place + 4) for entry in (left, right))
        body[one], body[other] = body[other], body[one]


def _drop_preview(body: bytearray, order: str, first: int) -> None:
    """Ends the chain of directories after the first; cuts the preview's bytes off the block's end,
    or blanks them where something comes behind."""
    (count,) = struct.unpack_from(order + "H", body, first)
    link = first + 2 + 12 * count
    if link + 4 > len(body):
        return
    (second,) = struct.unpack_from(order + "I", body, link)
    struct.pack_into(order + "I", body, link, 0)
    if not second:
        return
    with contextlib.suppress(struct.error, KeyError):
        preview = _entries(body, order, second)
        start = _number(body, order, preview[PREVIEW_START])
        length = _number(body, order, preview[PREVIEW_LENGTH])
        if link + 4 <= start <= len(body) - length:
            body[start : start + length] = bytes(length if start + length < len(body) else 0)


def without_notes(block: bytes | None, most: int) -> bytes | None:
    """The block if it has at most so many bytes; else without the camera's own notes (0x927C), or
    None where that is not enough."""
    if block is None or len(block) <= most:
        return block
    with contextlib.suppress(Exception):
        tags = Image.Exif()
        tags.load(block)
        tags.get_ifd(EXIF_IFD).pop(MAKER_NOTE, None)
        shorter = tags.tobytes()
        return shorter if len(shorter) <= most else None
    return None
