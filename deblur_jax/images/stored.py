"""How a file kept its picture, so that a result can be kept in the same way."""

from dataclasses import dataclass

from PIL import Image

Table = tuple[int, ...]


@dataclass(frozen=True)
class Stored:
    """How a file kept its picture.

    format: 'PNG', 'JPEG', 'WEBP', 'TIFF', 'BMP', 'GIF', 'AVIF' or 'HEIF', as Pillow names them.
    tables: a JPEG's quantisation tables of luminance and, in colour, of Cb and Cr, each of 64
      values in rows (ITU-T T.81, B.2.4.1, not in zigzag); empty for other formats, and for JPEG
      whose channels are no Y, Cb and Cr: those tables were made for something else.
    subsampling: of a JPEG's colours: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0 (Pillow's numbers).
    progressive: whether a JPEG was.
    lossless: whether nothing was lost; of AVIF and HEIC it is not known and said to be False.
    dpi: pixels an inch across and down, or None.
    """

    format: str
    tables: tuple[Table, ...] = ()
    subsampling: int = 0
    progressive: bool = False
    lossless: bool = True
    dpi: tuple[float, float] | None = None


def stored(image: Image.Image, data: bytes, turn: int) -> Stored:
    """How `data`, which `image` was opened from, keeps its picture.

    A picture that was turned by a quarter (EXIF orientation 5 to 8) has its rows and columns
    exchanged: so are its tables and densities, and 4:2:2, which halves along rows alone, is not
    available any more and becomes 4:4:4.
    """
    name = "JPEG" if image.format == "MPO" else str(image.format)
    dpi = _density(image.info.get("dpi"))
    if name == "JPEG" and image.info.get("jfif_unit") not in (1, 2):
        dpi = None  # what Pillow says then comes from EXIF, where it stays, or is a guess
    if turn >= 5 and dpi is not None:
        dpi = dpi[::-1]
    if name == "JPEG":
        tables, subsampling = _jpeg_quality(image)
        if turn >= 5:
            tables = tuple(_transposed(table) for table in tables)
            subsampling = 0 if subsampling == 1 else subsampling
        return Stored(name, tables, subsampling, "progressive" in image.info, False, dpi)
    lossy = name in ("AVIF", "HEIF") or (name == "WEBP" and not _is_lossless_webp(data))
    return Stored(name, lossless=not lossy, dpi=dpi)


def _jpeg_quality(image: Image.Image) -> tuple[tuple[Table, ...], int]:
    """The tables of Y, Cb and Cr, the last ones left out where they repeat, and the subsampling."""
    layers, known = image.layer, image.quantization  # type: ignore[attr-defined]
    rgb = len(layers) == 3 and image.info.get("adobe_transform") == 0
    if len(layers) == 4 or rgb or any(layer[3] not in known for layer in layers):
        return (), 0
    tables = [tuple(known[layer[3]]) for layer in layers]
    if any(not all(1 <= value <= 65535 for value in table) for table in tables):
        return (), 0
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()
    sampling = tuple(number for layer in layers for number in layer[1:3])
    # What Pillow cannot write (4:1:1, 4:4:0) becomes full resolution, which loses nothing.
    return tuple(tables), {(2, 1, 1, 1, 1, 1): 1, (2, 2, 1, 1, 1, 1): 2}.get(sampling, 0)


def _transposed(table: Table) -> Table:
    return tuple(table[8 * column + row] for row in range(8) for column in range(8))


def _is_lossless_webp(data: bytes) -> bool:
    """Whether the first picture's chunk is 'VP8L' (RFC 9649, section 2.6)."""
    place = 12
    while place + 8 <= len(data):
        kind = data[place : place + 4]
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8L"
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2
    return False


def _density(dpi: object) -> tuple[float, float] | None:
    """Pixels an inch where both numbers make sense: some programs write 0 or 1 for 'unknown'."""
    try:
        across, down = (float(value) for value in dpi)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 < across < 65536 and 1 < down < 65536 else None
