"""Pictures of more than eight bits a channel, which Pillow alone cannot read whole.

Pillow decodes a 16-bit colour picture to its high bytes. Which byte it keeps is chosen by the raw
mode of the decoder, so two decodes, one for each byte order, give all 16 bits; every compression
that Pillow knows then works at every depth. What Pillow cannot open at all (float colour TIFF,
16-bit planar TIFF) is read by tifffile.
"""

import sys
from typing import IO, Any

import numpy as np
import tifffile
from PIL import Image

from deblur_jax.images.picture import Array

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


def read_deep_colour(stream: IO[bytes]) -> Array:
    """uint16[H, W, C] of a picture for which `is_deep_colour`; C is 2 (gray, alpha), 3 or 4."""
    high, mode = _decode(stream, None)
    if mode.startswith("LA;"):  # four bytes a pixel: read as four channels, nothing is lost
        four = _decode(stream, "RGBA")[0].astype(np.uint16)
        return four[..., 0::2] << 8 | four[..., 1::2]
    multiplied = mode.startswith("RGBa;")
    if multiplied:  # Pillow would divide the high bytes alone by alpha
        mode = mode.replace("RGBa", "RGBA")
        high = _decode(stream, mode)[0]
    layout, order = mode.split(";")
    low = _decode(stream, f"{layout};{OTHER_BYTE[order]}")[0]
    samples = high.astype(np.uint16) << 8 | low
    return _unmultiplied(samples) if multiplied else samples


def _unmultiplied(samples: Array) -> Array:
    alpha = np.maximum(samples[..., 3:], 1).astype(np.float64)
    rgb = np.rint(samples[..., :3] * 65535.0 / alpha).clip(0, 65535).astype(np.uint16)
    return np.concatenate([rgb, samples[..., 3:]], axis=2)


def _decode(stream: IO[bytes], mode: str | None) -> tuple[Array, str]:
    """One decode, by the raw mode `mode` if given: (uint8[H, W, C], the file's own raw mode)."""
    stream.seek(0)
    with Image.open(stream) as image:
        own = raw_mode(image)
        if mode is not None:
            image.tile = [
                tile._replace(
                    args=mode if isinstance(tile.args, str) else (mode, *(tile.args or ())[1:])
                )
                for tile in image.tile
            ]
        # Pillow turns a TIFF upright while loading, so both decodes come out upright.
        return np.asarray(image), own


def read_tiff(stream: IO[bytes]) -> tuple[Array, dict[int, Any]]:
    """The first page by tifffile: array[H, W, C], and its tags as {code: value}.

    Raises ValueError for what no picture tool here can read (a rare compression, a volume).
    """
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        page = file.pages.first
        array = page.asarray()
        tags = {tag.code: tag.value for tag in page.tags.values()}
        if page.axes.startswith("S"):
            array = np.moveaxis(array, 0, -1)
        if page.photometric not in (0, 1, 2):
            raise ValueError("its TIFF colour space is not supported")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 2, 3, 4):
        raise ValueError(f"its TIFF layout {array.shape} is not a picture")
    return array, tags
