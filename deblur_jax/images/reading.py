"""Reading pictures: one way in for every format, at the depth that the file has."""

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError
from deblur_jax.images import colours, deep, encoders, formats, guards, opening
from deblur_jax.images.exif import EXIF_IFD, GPS_IFD, ORIENTATION, exif_of
from deblur_jax.images.limits import MAX_PIXELS, in_megapixels, refuse_large
from deblur_jax.images.picture import Array, Picture, convert_depth
from deblur_jax.images.silence import without_warnings
from deblur_jax.images.stored import Stored, stored

# Pillow's guard against small files that unpack to gigabytes: an error above twice this. Ours
# stands at once this, after the header is read.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# What a profile or text in a PNG may unpack to: a printer's profile takes more than Pillow's 1 MB.
PngImagePlugin.MAX_TEXT_CHUNK = 2**24
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its words would go to stderr

UPRIGHT: dict[int, Callable[[Array], Array]] = {  # EXIF 2.32, tag 0x0112, on [H, W, C]
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def read(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Reads a picture at its own depth, upright.

    Args:
      path: an ordinary file; its content tells the format, whatever its name.
      max_pixels: a picture with more is refused before it is decoded.

    Raises:
      UserError: naming the path.
    """
    path = Path(path)
    with _explained(str(path), max_pixels):
        return decode(io.BytesIO(opening.file_bytes(path)), max_pixels=max_pixels)


def from_bytes(data: bytes, name: str = "the picture", *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Reads a picture from a file's bytes, as `read`. Raises UserError with `name` in it."""
    with _explained(name, max_pixels):
        opening.refuse_unknown(data[: formats.HEAD])
        return decode(io.BytesIO(data), max_pixels=max_pixels)


def read_rgb(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Reads any picture as uint8[H, W, 3], upright, without alpha. UserError naming the path."""
    return convert_depth(read(path).rgb, "uint8")


@contextlib.contextmanager
def _explained(name: str, max_pixels: int) -> Iterator[None]:
    """Whatever goes wrong while reading, as a UserError that names what was read."""
    try:
        yield
    except UserError as error:
        raise UserError(f"cannot read {name}: {error}") from error
    except Image.DecompressionBombError as error:
        most = in_megapixels(min(max_pixels, MAX_PIXELS))
        raise UserError(f"cannot read {name}: it has more than {most}") from error
    except Image.UnidentifiedImageError as error:
        raise UserError(f"cannot read {name}: it is damaged or cut short") from error
    except MemoryError as error:
        raise UserError(f"cannot read {name}: not enough memory") from error
    # A broken file can make a decoder fail in any way at all; each is the file's fault.
    except Exception as error:
        raise UserError(f"cannot read {name}: {_words(error)}") from error


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return reason(error)
    if str(error).startswith("Decompressed data too large"):  # Pillow's words for MAX_TEXT_CHUNK
        return "its text or its colour profile is too large"
    # What other errors say is of Python's or a decoder's insides.
    said = f" ({reason(error)})" if isinstance(error, (OSError, ValueError)) else ""
    return f"it is damaged or cut short{said}"


def decode(stream: IO[bytes], *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Reads a picture from a file that is open; what Pillow raises passes through, unlike `read`.

    Raises:
      PIL.UnidentifiedImageError: for what is no picture, or one whose header is broken.
      UserError: for what is no single picture, too large, or of a kind that is not supported.
    """
    data = stream.read()
    name = formats.sniff(data[: formats.HEAD])
    if name is None:
        raise Image.UnidentifiedImageError("it is not a picture")
    formats.make_ready(name)
    guards.refuse_dangerous(name, data, max_pixels)
    with without_warnings():
        return _decode(io.BytesIO(data), data, name, max_pixels)


def _decode(stream: IO[bytes], data: bytes, name: str, max_pixels: int) -> Picture:
    try:
        image = Image.open(stream, formats=[name])
    except Image.UnidentifiedImageError:
        if name != "TIFF":
            raise
        return _from_tiff(stream, max_pixels)
    with image:
        itemsize = 2 if ";16" in deep.raw_mode(image) else 4 if image.mode == "F" else 1
        refuse_large(*image.size, itemsize, len(image.getbands()), max_pixels)
        _refuse_animation(image)
        if name == "TIFF" and deep.is_planar(image):
            return _from_tiff(stream, max_pixels)
        raw_mode, deep_colour = deep.raw_mode(image), deep.is_deep_colour(image)
        if name == "TIFF":  # Pillow turns it upright while loading, and forgets that it did
            exif, turn = exif_of(image)
            image.load()
        else:
            image.load()
            exif, turn = exif_of(image)
        kept = stored(image, data, turn)
        if deep_colour:
            samples = deep.read_deep_colour(stream, raw_mode, np.asarray(image))
            samples = colours.clear_colour(samples, image.info.get("transparency"))
        else:
            samples = colours.samples_of(image, raw_mode)
        icc = image.info.get("icc_profile")
        if image.mode in ("CMYK", "LAB"):
            icc = None  # whatever it is of, it does not describe the sRGB that came of these
    samples = samples if name == "TIFF" else _upright(samples, turn)
    return _picture(samples, icc, exif, kept)


def _refuse_animation(image: Image.Image) -> None:
    """Refuses what would lose all but its first frame silently; a GIF's first is asked for."""
    frames = getattr(image, "n_frames", 1) if image.format in ("PNG", "WEBP", "AVIF") else 1
    if frames > 1:
        raise UserError(f"it is an animation of {frames} frames, which is not supported")


def _from_tiff(stream: IO[bytes], max_pixels: int) -> Picture:
    """A TIFF that Pillow cannot read; of its tags the plain ones are kept, not EXIF and GPS."""
    samples, tags = deep.read_tiff(stream, max_pixels)
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
    elif samples.dtype not in (np.uint8, np.uint16):
        raise UserError(f"its TIFF values are {samples.dtype}, which is not supported")
    turn = int(tags.get(ORIENTATION, 1))
    exif = Image.Exif()
    for tag in (set(tags) & encoders.DESCRIPTIVE_TAGS) - {ORIENTATION, EXIF_IFD, GPS_IFD}:
        if isinstance(tags[tag], (str, int)):
            exif[tag] = tags[tag]
    block = exif.tobytes() if len(exif) else None
    return _picture(_upright(samples, turn), tags.get(34675), block, Stored("TIFF"))


def _picture(samples: Array, icc: bytes | None, exif: bytes | None, kept: Stored) -> Picture:
    if samples.dtype == np.float32 and not np.isfinite(samples).all():
        raise UserError("it holds values that are not finite")
    channels = samples.shape[-1]
    gray = channels < 3
    rgb = np.repeat(samples[..., :1], 3, axis=2) if gray else samples[..., :3]
    alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
    icc = colours.kept_profile(icc, gray)
    return Picture(np.ascontiguousarray(rgb), alpha, gray, icc, exif, kept)


def _upright(samples: Array, turn: int) -> Array:
    return UPRIGHT[turn](samples) if turn in UPRIGHT else samples
