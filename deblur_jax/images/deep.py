"""Pictures of more than eight bits a channel, which Pillow alone cannot read whole.

Pillow decodes a 16-bit colour picture to its high bytes. Which byte it keeps is chosen by the raw
mode of the decoder, so two decodes, one for each byte order, give all 16 bits; every compression
that Pillow knows then works at every depth. What Pillow cannot open at all (float colour TIFF,
16-bit planar TIFF) is read by tifffile.
"""

import logging
import sys
import zlib
from typing import IO, Any

import numpy as np
from PIL import Image

from deblur_jax.errors import UserError
from deblur_jax.images.limits import refuse_large
from deblur_jax.images.picture import Array

DEFLATED = {8, 32946}  # TIFF's compressions by their numbers: both are zlib's
COMPRESSIONS = {1, 5, 32773} | DEFLATED  # none, LZW, PackBits
OTHER_BYTE = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}


def raw_mode(image: Image.Image) -> str:
    """The raw mode of Pillow's decoder before the picture is loaded, e.g. 'RGB;16B'; '' if none."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    args = tiles[0].args
    return args if isinstance(args, str) else str(args[0]) if args else ""


def is_deep_colour(image: Image.Image) -> bool:
    """Whether an opened, not yet loaded picture is 16-bit colour (or 16-bit gray with alpha)."""
    return ";16" in raw_mode(image) and image.mode in ("RGB", "RGBA")


def is_planar(image: Image.Image) -> bool:
    """Whether an opened TIFF keeps deep colours in separate planes, which Pillow cannot decode."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    return tags.get(284) == 2 and tags.get(277, 1) > 1 and max(tags.get(258, (1,))) > 8


def read_deep_colour(stream: IO[bytes], mode: str, high: Array) -> Array:
    """All 16 bits of a picture for which `is_deep_colour`.

    Args:
      stream: the file.
      mode: its raw mode, as `raw_mode` gives it.
      high: uint8[H, W, C], what Pillow has decoded.

    Returns:
      uint16[H, W, C]; C is 2 (gray, alpha), 3 or 4.
    """
    if mode.startswith("LA;"):  # four bytes a pixel: read as four channels, nothing is lost
        four = _decode(stream, "RGBA").astype(np.uint16)
        return four[..., 0::2] << 8 | four[..., 1::2]
    multiplied = mode.startswith("RGBa;")
    if multiplied:  # Pillow would divide the high bytes alone by alpha
        mode = mode.replace("RGBa", "RGBA")
        high = _decode(stream, mode)
    layout, order = mode.split(";")
    samples = high.astype(np.uint16)
    samples <<= 8
    samples |= _decode(stream, f"{layout};{OTHER_BYTE[order]}")
    return _unmultiplied(samples) if multiplied else samples


def _unmultiplied(samples: Array) -> Array:
    alpha = np.maximum(samples[..., 3:], 1).astype(np.float64)
    rgb = np.rint(samples[..., :3] * 65535.0 / alpha).clip(0, 65535).astype(np.uint16)
    return np.concatenate([rgb, samples[..., 3:]], axis=2)


def _decode(stream: IO[bytes], mode: str) -> Array:
    """One decode by the raw mode `mode`: uint8[H, W, C]."""
    stream.seek(0)
    with Image.open(stream, formats=("PNG", "TIFF")) as image:
        image.tile = [
            tile._replace(
                args=mode if isinstance(tile.args, str) else (mode, *(tile.args or ())[1:])
            )
            for tile in image.tile
        ]
        # Pillow turns a TIFF upright while loading, so both decodes come out upright.
        return np.asarray(image)


def read_tiff(stream: IO[bytes], most_pixels: int) -> tuple[Array, dict[int, Any]]:
    """The first page by tifffile: array[H, W, C], and its tags as {code: value}.

    Raises:
      UserError: it has more than `most_pixels`, or is what no picture tool here can read (a rare
        compression, a volume).
    """
    import tifffile  # few pictures need it, and its import takes a while

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # else it would go to stderr
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        page = file.pages.first
        if page.photometric not in (0, 1, 2):
            raise UserError("its TIFF colour space is not supported")
        _refuse_bombs(page, stream, most_pixels)
        array = page.asarray()
        tags = {tag.code: tag.value for tag in page.tags.values()}
        if page.axes.startswith("S"):
            array = np.moveaxis(array, 0, -1)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 2, 3, 4):
        raise UserError(f"its TIFF layout {array.shape} is not a picture")
    return array, tags


def _refuse_bombs(page: Any, stream: IO[bytes], most_pixels: int) -> None:
    """Refuses a page, by its header, that would unpack to more than its picture."""
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.imagedepth != 1 or not 1 <= samples <= 4 or not page.dtype or page.dtype.itemsize > 8:
        raise UserError("its TIFF layout is not a picture")
    refuse_large(width, height, page.dtype.itemsize, samples, most_pixels)
    if page.compression not in COMPRESSIONS:
        raise UserError("its TIFF compression is not supported")
    rows = page.tilelength if page.is_tiled else min(page.rowsperstrip or height, height)
    columns = page.tilewidth if page.is_tiled else width
    most = rows * columns * page.dtype.itemsize * (samples if page.planarconfig == 1 else 1)
    if page.compression not in DEFLATED:
        return  # LZW and PackBits make a strip 1400 and 64 times as large at most
    for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        stream.seek(offset)
        packed = stream.read(length)
        if len(zlib.decompressobj().decompress(packed, most + 1)) > most:
            raise UserError("a strip of it unpacks to more than its size")
