"""Writing pictures: whole or not at all, with as little loss as the format allows."""

import io
import os
import struct
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from deblur_jax.atomic import atomic_write, reason
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import colours, encoders, formats, saving
from deblur_jax.images.picture import PEAKS, Array, Picture, luma
from deblur_jax.images.silence import without_warnings
from deblur_jax.images.suffixes import FORMAT_OF

LOSSY = ("JPEG", "WEBP", "AVIF", "HEIF")


def write(
    path: str | os.PathLike[str], picture: Picture | Array, *, quality: int | None = None
) -> None:
    """Writes a picture (or an array [H, W, 3] or gray [H, W]) in the format of the path's suffix.

    The file appears whole or not at all. PNG, TIFF and BMP lose nothing, nor does WebP unless the
    picture was read from lossy WebP. JPEG is written with the tables and the subsampling of the
    JPEG that the picture was read from, otherwise at quality 95 with full colour resolution; AVIF
    and HEIC at `saving`'s. JPEG, WebP, BMP, AVIF and HEIC hold 8 bits, PNG 16; deeper pictures are
    rounded to that.

    Args:
      path: where to; its folder is made if need be.
      picture: what to write.
      quality: 1 to 100 for JPEG, WebP, AVIF and HEIC, in place of the above.

    Raises:
      UserError: naming the path: no space, no right, a format that cannot be written here, or
        cannot hold transparency or this size.
      UsageError: a quality that is no such number, or for a format that has none.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    _refuse_suffix(suffix, str(path))
    _refuse_quality(suffix, quality)
    if not isinstance(picture, Picture):
        gray = picture.ndim == 2
        picture = Picture(np.repeat(picture[..., None], 3, axis=2) if gray else picture, gray=gray)
    with atomic_write(path) as stream:
        _encode_named(stream, picture, suffix, str(path), quality)


def to_bytes(
    picture: Picture, suffix: str, name: str = "the picture", *, quality: int | None = None
) -> bytes:
    """What `write` would put into a file that ends in `suffix`; raises as it, with `name`."""
    suffix = suffix.lower()
    _refuse_suffix(suffix, name)
    _refuse_quality(suffix, quality)
    stream = io.BytesIO()
    _encode_named(stream, picture, suffix, name, quality)
    return stream.getvalue()


def _refuse_suffix(suffix: str, name: str) -> None:
    if suffix not in FORMAT_OF:
        raise UserError(f"cannot write {name}: '{suffix}' is not a picture's extension known here")
    if not formats.can_write(suffix):
        kept = formats.result_suffix(suffix)
        raise UserError(f"cannot write {name}: '{suffix}' files are only read here, {kept} can be")


def _refuse_quality(suffix: str, quality: int | None) -> None:
    if quality is None:
        return
    if FORMAT_OF[suffix] not in LOSSY:
        raise UsageError(f"{suffix} files lose nothing: they have no quality to choose")
    if not 1 <= quality <= 100:
        raise UsageError(f"the quality is a number from 1 to 100, not {quality}")


def _encode_named(
    stream: IO[bytes], picture: Picture, suffix: str, name: str, quality: int | None
) -> None:
    try:
        with without_warnings():
            _encode(stream, picture, suffix, quality)
    except (ValueError, KeyError, TypeError, RuntimeError, struct.error, MemoryError) as error:
        raise UserError(f"cannot write {name}: {reason(error)}") from error


def _encode(stream: IO[bytes], picture: Picture, suffix: str, quality: int | None) -> None:
    kind = FORMAT_OF[suffix]
    if kind != "TIFF":
        deepest = "uint16" if kind == "PNG" and picture.rgb.dtype != np.uint8 else "uint8"
        picture = picture.at_depth(deepest)
    rgb, alpha = picture.rgb, picture.alpha
    if alpha is not None and kind in ("JPEG", "BMP"):
        if (alpha < PEAKS[alpha.dtype.name]).any():
            raise ValueError(f"a {suffix} file cannot hold transparency, .png can")
        alpha = None
    gray = picture.gray and kind not in ("WEBP", "HEIF")  # these have no gray
    samples = luma(rgb)[..., None] if picture.gray else rgb
    if picture.gray and not gray:
        samples = np.repeat(samples, 3, axis=2)
    if alpha is not None:
        samples = np.concatenate([samples, alpha[..., None]], axis=2)
    icc = colours.kept_profile(picture.icc, gray)
    dpi = picture.stored.dpi if picture.stored is not None else None
    if kind == "TIFF":
        encoders.write_tiff(stream, samples, icc, picture.exif, dpi)
    elif samples.dtype == np.uint16:
        encoders.write_png16(stream, samples, icc, picture.exif, dpi)
    else:
        layout = samples[..., 0] if samples.shape[2] == 1 else np.ascontiguousarray(samples)
        about = saving.About(icc, picture.exif, dpi, picture.stored)
        saving.save(stream, Image.fromarray(layout), kind, about, quality)
