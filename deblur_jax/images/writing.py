"""Writing pictures: whole or not at all, with as little loss as the format allows."""

import io
import os
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from deblur_jax.atomic import atomic_write, reason
from deblur_jax.errors import UserError
from deblur_jax.images import encoders
from deblur_jax.images.picture import PEAKS, Array, Picture, luma
from deblur_jax.images.suffixes import IMAGE_SUFFIXES

JPEG_QUALITY = 95


def write(path: str | os.PathLike[str], picture: Picture | Array) -> None:
    """Writes a picture (or an array [H, W, 3] or gray [H, W]) in the format of the path's suffix.

    The file appears whole or not at all. PNG, TIFF, BMP and WebP lose nothing (lossy WebP would
    halve the colours' resolution); JPEG is written at quality 95 with full colour resolution.
    JPEG, WebP and BMP hold 8 bits, PNG 16; deeper pictures are rounded to that. Raises UserError
    naming the path: no space, no right, a format that cannot hold transparency or this size.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise UserError(f"cannot write {path}: '{suffix}' is not a picture's extension known here")
    if not isinstance(picture, Picture):
        gray = picture.ndim == 2
        picture = Picture(np.repeat(picture[..., None], 3, axis=2) if gray else picture, gray=gray)
    with atomic_write(path) as stream:
        _encode_named(stream, picture, suffix, str(path))


def to_bytes(picture: Picture, suffix: str, name: str = "the picture") -> bytes:
    """What `write` would put into a file that ends in `suffix`; UserError with `name` in it."""
    stream = io.BytesIO()
    _encode_named(stream, picture, suffix.lower(), name)
    return stream.getvalue()


def _encode_named(stream: IO[bytes], picture: Picture, suffix: str, name: str) -> None:
    try:
        _encode(stream, picture, suffix)
    except (ValueError, KeyError, TypeError, struct.error, MemoryError) as error:
        raise UserError(f"cannot write {name}: {reason(error)}") from error


def _encode(stream: IO[bytes], picture: Picture, suffix: str) -> None:
    if suffix not in (".tif", ".tiff"):
        deepest = "uint16" if suffix == ".png" and picture.rgb.dtype != np.uint8 else "uint8"
        picture = picture.at_depth(deepest)
    rgb, alpha = picture.rgb, picture.alpha
    if alpha is not None and suffix in (".jpg", ".jpeg", ".bmp"):
        if (alpha < PEAKS[alpha.dtype.name]).any():
            raise ValueError(f"a {suffix} file cannot hold transparency, .png can")
        alpha = None
    samples = luma(rgb)[..., None] if picture.gray else rgb
    if alpha is not None:
        samples = np.concatenate([samples, alpha[..., None]], axis=2)
    if suffix in (".tif", ".tiff"):
        encoders.write_tiff(stream, samples, picture.icc, picture.exif)
    elif samples.dtype == np.uint16:
        encoders.write_png16(stream, samples, picture.icc, picture.exif)
    else:
        _save_by_pillow(stream, samples, picture, suffix)


def _save_by_pillow(stream: IO[bytes], samples: Array, picture: Picture, suffix: str) -> None:
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[samples.shape[-1]]
    image = Image.fromarray(samples[..., 0] if mode == "L" else np.ascontiguousarray(samples))
    kind = {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}.get(suffix, "JPEG")
    options: dict[str, Any] = {
        "PNG": {},
        "WEBP": {"lossless": True, "exact": True, "quality": 50},  # here quality is effort
        "BMP": {},
        "JPEG": {"quality": JPEG_QUALITY, "subsampling": 0},
    }[kind]
    if kind != "BMP":
        options |= {"icc_profile": picture.icc, "exif": picture.exif or b""}
    if kind == "WEBP" and mode in ("L", "LA"):  # WebP has no gray
        image = image.convert("RGB" if mode == "L" else "RGBA")
    image.save(stream, format=kind, **options)
