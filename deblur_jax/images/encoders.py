"""PNG at 16 bits and TIFF at 8, 16 and 32, which Pillow alone cannot write; zlib is enough."""

import contextlib
import struct
import zlib
from typing import IO

import numpy as np
from PIL import Image, TiffImagePlugin, TiffTags

from deblur_jax.images.picture import BLOCK, Array

# TIFF keeps the camera's tags among those that describe the file's own layout. Only these travel
# (TIFF 6.0 section 8, and the pointers to the EXIF and GPS directories).
DESCRIPTIVE_TAGS = frozenset(
    {270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 316, 33432, 34665, 34853}
    | set(range(0x9C9B, 0x9CA0))
)


def write_png16(
    stream: IO[bytes],
    samples: Array,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Writes uint16[H, W, C] as a 16-bit PNG; C is 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA."""
    height, width, channels = samples.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(kind: bytes, body: bytes) -> None:
        stream.write(struct.pack(">I", len(body)) + kind + body)
        stream.write(struct.pack(">I", zlib.crc32(kind + body)))

    stream.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
    if icc:
        chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    if exif:
        chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    if dpi:
        across, down = (round(value / 0.0254) for value in dpi)  # by the metre
        chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    packer = _packer(samples)
    above = np.zeros((width, 2 * channels), np.uint8)
    for start in range(0, height, BLOCK):
        block = samples[start : start + BLOCK].astype(">u2").view(np.uint8)
        block = block.reshape(-1, width, 2 * channels)
        packed = packer.compress(_filtered(block, above).data)
        if packed:
            chunk(b"IDAT", packed)
        above = block[-1]
    chunk(b"IDAT", packer.flush())
    chunk(b"IEND", b"")


def _packer(samples: Array) -> "zlib._Compress":
    """zlib as it suits the samples.

    The low bytes of a restored 16-bit picture are noise, in which a search for repetitions finds
    nothing. Measured on 2026-11-27 by `python tests/images/measuring.py` on a GoPro frame of
    1280x720: 16 bits under PNG's filter 4 took 0.23 s and 4.56 MB at level 6, 0.09 s and 4.50 MB by
    runs alone (1.55 MB instead of 1.23 where there are only 8 bits to tell). 8 bits under TIFF's
    predictor took 0.14 s and 1.14 MB at level 6, 0.04 s and 1.20 MB at level 4.
    """
    if samples.dtype == np.uint16:
        return zlib.compressobj(6, strategy=zlib.Z_RLE)
    return zlib.compressobj(4)


def _filtered(rows: Array, above: Array) -> Array:
    """Rows under PNG's filter 4, each behind the filter's number (its sections 9.2 and 9.4).

    Args:
      rows: uint8[R, W, bytes per pixel]. above: the row before them, uint8[W, bytes per pixel].

    Returns:
      uint8[R, 1 + W * bytes per pixel].
    """
    up = np.concatenate([above[None], rows[:-1]])
    left, corner = np.zeros_like(rows), np.zeros_like(rows)
    left[:, 1:], corner[:, 1:] = rows[:, :-1], up[:, :-1]
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    guess = np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))
    lines = np.empty((len(rows), 1 + rows[0].size), np.uint8)
    lines[:, 0] = 4
    lines[:, 1:] = (rows - guess).reshape(len(rows), -1)
    return lines


def write_tiff(
    stream: IO[bytes],
    samples: Array,
    icc: bytes | None = None,
    exif: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> None:
    """Writes uint8, uint16 or float32 [H, W, C] as a deflated TIFF; C as for PNG."""
    height, width, channels = samples.shape
    samples = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    whole = samples.dtype.kind == "u"
    rows = max(1, 2**18 // max(1, width * channels * samples.itemsize))  # strips of some 256 KiB
    strips = []
    for start in range(0, height, rows):
        strip = samples[start : start + rows]
        if whole:  # predictor 2: differences along the row (TIFF 6.0 section 14)
            strip = np.concatenate([strip[:, :1], strip[:, 1:] - strip[:, :-1]], axis=1)
            strip = strip.astype(samples.dtype)
        packer = _packer(samples)
        strips.append(packer.compress(strip.tobytes()) + packer.flush())
    lengths = [len(strip) for strip in strips]
    if sum(lengths) > 2**32 - 2**24:
        raise ValueError("it is too large for a TIFF file")

    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    if exif:
        with contextlib.suppress(Exception):  # a broken EXIF block must not cost the picture
            _copy_tags(exif, directory)
    if dpi and 282 not in directory:
        directory[282], directory[283], directory[296] = *dpi, 2  # by the inch
    if icc:
        directory[34675] = icc
    directory[256], directory[257] = width, height
    directory[258] = (8 * samples.itemsize,) * channels
    directory[259] = 8  # deflate
    directory[262] = 1 if channels < 3 else 2
    directory[277], directory[278], directory[284] = channels, rows, 1
    if whole:
        directory[317] = 2
    if channels in (2, 4):
        directory[338] = 2  # alpha, colours not multiplied by it
    directory[339] = (1 if whole else 3,) * channels
    for tag, values in ((273, np.cumsum([0, *lengths[:-1]]).tolist()), (279, lengths)):
        directory.tagtype[tag] = TiffTags.LONG
        directory[tag] = tuple(values)
    directory.save(stream)  # writes the header, and moves 273 (where each strip starts) behind it
    stream.writelines(strips)


def _copy_tags(exif: bytes, directory: TiffImagePlugin.ImageFileDirectory_v2) -> None:
    """Takes over the tags that describe the picture; one that is broken is left out."""
    tags = Image.Exif()
    tags.load(exif)
    for tag in set(tags) & DESCRIPTIVE_TAGS:
        with contextlib.suppress(Exception):
            alone = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
            value = tags.get_ifd(tag) if tag in TiffTags.TAGS_V2_GROUPS else tags[tag]
            alone[tag] = value
            alone.tobytes()
            directory[tag] = value
