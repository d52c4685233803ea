"""Reading pictures: one way in for every format, at the depth that the file has."""

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffTags

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError
from deblur_jax.images import deep, encoders
from deblur_jax.images.picture import Array, Picture, convert_depth

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
MAX_PIXELS = 2**28  # 268 megapixels: the largest phone cameras take 200; 0.8 GB as 8-bit RGB
ORIENTATION = 0x0112

# Pillow's guard against small files that unpack to gigabytes: it warns above this (an error here).
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

UPRIGHT: dict[int, Callable[[Array], Array]] = {  # EXIF 2.32, tag 0x0112, on [H, W, C]
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def read(path: str | os.PathLike[str]) -> Picture:
    """Reads a picture at its own depth, upright. Raises UserError naming the path."""
    path = Path(path)
    with _explained(str(path)):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UserError("it is not an ordinary file")  # to open a pipe would wait for ever
        with path.open("rb") as stream:
            return decode(stream)


def from_bytes(data: bytes, name: str = "the picture") -> Picture:
    """Reads a picture from a file's bytes, as `read`. Raises UserError with `name` in it."""
    with _explained(name):
        return decode(io.BytesIO(data))


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Whatever goes wrong while reading, as a UserError that names what was read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UserError as error:
        raise UserError(f"cannot read {name}: {error}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UserError(
            f"cannot read {name}: it has more than {MAX_PIXELS // 10**6} megapixels"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UserError(
            f"cannot read {name}: it is not a PNG, JPEG, WebP, TIFF or BMP picture"
        ) from error
    # A broken file can make a decoder fail in any way at all; each is the file's fault.
    except Exception as error:
        raise UserError(f"cannot read {name}: {reason(error)}") from error


def read_rgb(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Reads any picture as uint8[H, W, 3], upright, without alpha. UserError naming the path."""
    return convert_depth(read(path).rgb, "uint8")


def decode(stream: IO[bytes]) -> Picture:
    """Reads a picture from a file that is open; what Pillow raises passes through, unlike `read`.

    Raises:
      UserError: for what is no single picture, or of a depth that is not supported.
    """
    try:
        image = Image.open(stream, formats=FORMATS)
    except Image.UnidentifiedImageError:
        stream.seek(0)
        if stream.read(2) not in (b"II", b"MM"):
            raise
        return _from_tiff(stream)
    with image:
        _refuse_several(image)
        if image.format == "TIFF" and deep.is_planar(image):
            return _from_tiff(stream)
        deep_colour = deep.is_deep_colour(image)
        icc, transparent = image.info.get("icc_profile"), "transparency" in image.info
        exif, turn = _exif(image)
        if image.mode in ("CMYK", "LAB"):
            icc = None  # it describes inks or another space, not the RGB that comes of them
        if deep_colour:
            samples = deep.read_deep_colour(stream)
        else:
            image.load()
            samples = _samples(image, transparent)
        if image.format == "TIFF":
            turn = 1  # Pillow turns a TIFF upright while loading
    return _picture(_upright(samples, turn), icc, exif)


def _samples(image: Image.Image, transparent: bool) -> Array:
    """The loaded picture as array[H, W, C]: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA."""
    mode = image.mode
    if mode.startswith("I;16") or mode in ("I", "F"):
        values = np.asarray(image)[..., None]
        if mode == "I":
            if values.min() < 0 or values.max() > 65535:
                raise UserError("it holds whole numbers of 32 bits, which are not supported")
            values = values.astype(np.uint16)
        values = values.astype(values.dtype.newbyteorder("="))
        inverted = image.format == "TIFF" and image.tag_v2.get(262) == 0  # type: ignore[attr-defined]
        return np.iinfo(np.uint16).max - values if inverted and mode != "F" else values
    if mode == "L" and not transparent:
        return np.asarray(image)[..., None]
    if mode in ("L", "LA", "La"):
        return np.asarray(image.convert("LA"))
    if mode in ("RGBA", "RGBa", "PA") or transparent:
        return np.asarray(image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def _from_tiff(stream: IO[bytes]) -> Picture:
    """A TIFF that Pillow cannot read; of its tags the plain ones are kept, not EXIF and GPS."""
    samples, tags = deep.read_tiff(stream)
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
    elif samples.dtype not in (np.uint8, np.uint16):
        raise UserError(f"its TIFF values are {samples.dtype}, which is not supported")
    turn = int(tags.get(ORIENTATION, 1))
    exif = Image.Exif()
    for tag in (set(tags) & encoders.DESCRIPTIVE_TAGS) - {ORIENTATION, 34665, 34853}:
        if isinstance(tags[tag], (str, int)):
            exif[tag] = tags[tag]
    block = exif.tobytes() if len(exif) else None
    icc = tags.get(34675)
    return _picture(_upright(samples, turn), icc, block)


def _picture(samples: Array, icc: bytes | None, exif: bytes | None) -> Picture:
    if samples.shape[0] * samples.shape[1] > MAX_PIXELS:
        raise UserError(f"it has more than {MAX_PIXELS // 10**6} megapixels")
    if samples.dtype == np.float32 and not np.isfinite(samples).all():
        raise UserError("it holds values that are not finite")
    channels = samples.shape[-1]
    gray = channels < 3
    rgb = np.repeat(samples[..., :1], 3, axis=2) if gray else samples[..., :3]
    alpha = np.ascontiguousarray(samples[..., -1]) if channels in (2, 4) else None
    return Picture(np.ascontiguousarray(rgb), alpha, gray, bytes(icc) if icc else None, exif)


def _upright(samples: Array, turn: int) -> Array:
    return UPRIGHT[turn](samples) if turn in UPRIGHT else samples


def _refuse_several(image: Image.Image) -> None:
    """Refuses animations and many-page files: all but the first page would be lost silently."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format in ("PNG", "WEBP"):
        raise UserError(f"it is an animation of {frames} frames, which is not supported")
    if frames > 1 and image.format == "TIFF":
        pages = 0
        for page in range(frames):
            image.seek(page)
            pages += not image.tag_v2.get(254, 0) & 1  # type: ignore[attr-defined]  # not a preview
        if pages > 1:
            raise UserError(f"it has {pages} pages, which is not supported")
        image.seek(0)


def _exif(image: Image.Image) -> tuple[bytes | None, int]:
    """The EXIF block with its orientation reset, and the orientation that it had (1 to 8)."""
    try:
        theirs, exif = image.getexif(), Image.Exif()  # theirs is live: Pillow turns a TIFF by it
        turn = int(theirs.get(ORIENTATION, 1))
        for tag in theirs:
            if image.format != "TIFF" or tag in encoders.DESCRIPTIVE_TAGS:
                exif[tag] = theirs.get_ifd(tag) if tag in TiffTags.TAGS_V2_GROUPS else theirs[tag]
        if ORIENTATION in exif:
            exif[ORIENTATION] = 1
        return (exif.tobytes() if len(exif) else None), turn
    except Exception:  # a broken EXIF block must not cost the picture
        return None, 1
