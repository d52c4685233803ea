"""Which formats of pictures are known here, and how a file's first bytes tell them apart.

AVIF comes with Pillow's own wheels from 11.3 on. HEIC needs pillow-heif, an extra; it is only
imported when there is such a file.
"""

import contextlib
import ctypes
import functools
import importlib.util
import struct

from PIL import Image, features

from deblur_jax.errors import UserError
from deblur_jax.images.suffixes import FORMAT_OF

HEAD = 64  # bytes at the start that `sniff` looks at
ALWAYS = ("PNG", "JPEG", "WebP", "TIFF", "BMP", "GIF")
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}  # sizes of the second header, from OS/2 1 to BMP 5
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}


def sniff(head: bytes) -> str | None:
    """The format that a file's first 64 bytes begin, by Pillow's name, or None."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if (
        head[:2] == b"BM"
        and len(head) >= 18
        and struct.unpack_from("<I", head, 14)[0] in (_BMP_HEADERS)
    ):
        return "BMP"
    return _sniff_heif(head) if head[4:8] == b"ftyp" else None


def _sniff_heif(head: bytes) -> str | None:
    """By the brands of the file type box (ISO/IEC 23008-12, section 10): the major one, others."""
    end = min(struct.unpack_from(">I", head)[0], len(head))
    brands = [head[8:12], *(head[place : place + 4] for place in range(16, end - 3, 4))]
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return "AVIF"
        if brand in _HEIC_BRANDS:
            return "HEIF"
    return "HEIF" if brands[0] in (b"mif1", b"msf1") else None


@functools.cache
def has_avif() -> bool:
    """Whether this Pillow reads and writes AVIF."""
    return bool(features.check("avif"))


@functools.cache
def has_heic() -> bool:
    """Whether HEIC can be read here: pillow-heif is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


@functools.cache
def has_heic_encoder() -> bool:
    """Whether HEIC can be written here; some builds of pillow-heif only read it."""
    if not has_heic():
        return False
    make_ready("HEIF")
    Image.init()
    return "HEIF" in Image.SAVE


def words() -> str:
    """The formats known here, as 'PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF'."""
    names = [*ALWAYS, *["AVIF"] * has_avif(), *["HEIC"] * has_heic()]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def make_ready(name: str) -> None:
    """Lets Pillow know of the format; UserError that says what to install where that is missing."""
    if name == "AVIF" and not has_avif():
        raise UserError("it is an AVIF picture, for which Pillow 11.3 or newer is needed")
    if name == "TIFF":
        _silence_libtiff()
    if name == "HEIF":
        if not has_heic():
            raise UserError(
                "it is a HEIC picture, for which a library is missing: "
                "pip install 'deblur-jax[heic]'"
            )
        _register_heic()


@functools.cache
def _register_heic() -> None:
    import pillow_heif

    # Previews and maps of depth beside the picture are not wanted: nothing of them is decoded.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


@functools.cache
def _silence_libtiff() -> None:
    """libtiff prints what is wrong with a file onto the process's stderr, unless it is told not to;
    Pillow has no way to tell it. Where the library is not to be found, it goes on printing."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(Image.core.__file__)  # finds what that was linked with, too
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)


def can_write(suffix: str) -> bool:
    """Whether a picture can be written here to a file that ends in `suffix` (lower case)."""
    name = FORMAT_OF.get(suffix)
    if name in (None, "GIF"):  # 256 colours would spoil a photograph
        return False
    return has_heic_encoder() if name == "HEIF" else has_avif() if name == "AVIF" else True


def result_suffix(suffix: str) -> str:
    """The suffix that the result of an input with this suffix has by default.

    Itself, in lower case; '.png' for formats that cannot be written here, or not well: GIF with its
    256 colours, HEIC and AVIF without their encoders, and what is no picture's suffix.
    """
    suffix = suffix.lower()
    return suffix if can_write(suffix) else ".png"
