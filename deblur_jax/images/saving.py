"""What Pillow is told when it writes a picture of 8 bits: how well, how hard, and what beside.

The figures are of 2026-11-27, a GoPro frame of 1280x720 and a machine with two cores; measured by
`python tests/images/measuring.py PHOTOGRAPH.png`.
"""

import io
import struct
from dataclasses import dataclass
from typing import IO, Any

from PIL import Image

from deblur_jax.images.exif import without_notes
from deblur_jax.images.stored import Stored

JPEG_QUALITY = 95
# What was WebP of quality 75 and is written again at 95 loses 46.5 dB on the way, at 90 44.3; it
# becomes twice as large. AVIF of 75 at 90 loses 47.1 dB and becomes a third larger, 95 would win
# half a decibel. AVIF's colours are written at full resolution, a tenth slower, as restoring
# sharpens them, too.
WEBP_QUALITY = 95
AVIF_QUALITY = HEIC_QUALITY = 90
EXACT_ALPHA = {"alpha:lossless": "1"}  # an option of libaom, the encoder that Pillow's wheels have
# Level 6, Pillow's own, took 0.19 s for 1052 kB, 4 0.08 s for 1104 kB, 1 0.05 s for 1170 kB.
PNG_LEVEL = 4
# Here quality is effort: 50 with method 4 took 0.22 s for 694 kB, 20 with 3 0.11 s for 743 kB.
WEBP_LOSSLESS = {"lossless": True, "exact": True, "quality": 20, "method": 3}
MOST_JPEG_EXIF = 65533  # bytes: one segment


@dataclass(frozen=True)
class About:
    """What is written beside the pixels, as in `Picture`, and how they were stored, if known."""

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    stored: Stored | None = None


def save(
    stream: IO[bytes], image: Image.Image, kind: str, about: About, quality: int | None
) -> None:
    """Writes an 8-bit picture in the format `kind`, by Pillow's name, at 1 to 100 or its own."""
    options = _options(image, kind, about.stored, quality)
    if about.dpi and kind in ("PNG", "JPEG", "BMP"):
        options["dpi"] = about.dpi
    if kind != "BMP":
        exif = without_notes(about.exif, MOST_JPEG_EXIF) if kind == "JPEG" else about.exif
        options |= {"icc_profile": about.icc} | ({"exif": exif} if exif else {})
    if kind == "JPEG" and options.get("progressive"):
        _save_progressive(stream, image, options)
        return
    if kind in ("AVIF", "HEIF"):
        _save_patiently(stream, image, kind, options)
    else:
        image.save(stream, format=kind, **options)


def _options(
    image: Image.Image, kind: str, kept: Stored | None, quality: int | None
) -> dict[str, Any]:
    alike = kept if kept is not None and kept.format == kind else None
    if kind == "PNG":
        return {"compress_level": PNG_LEVEL}
    if kind == "WEBP":
        if quality is None and (alike is None or alike.lossless):
            return dict(WEBP_LOSSLESS)
        return {"quality": quality or WEBP_QUALITY, "exact": True, "method": 4}
    if kind == "AVIF":
        gray = image.mode in ("L", "LA")
        sampling = "4:0:0" if gray else "4:4:4"
        made = {"quality": quality or AVIF_QUALITY, "subsampling": sampling, "speed": 6}
        return made | ({"advanced": EXACT_ALPHA} if image.mode in ("LA", "RGBA") else {})
    if kind == "HEIF":
        return {"quality": quality or HEIC_QUALITY, "chroma": 444}
    return _jpeg_options(image, alike, quality) if kind == "JPEG" else {}


def _jpeg_options(image: Image.Image, alike: Stored | None, quality: int | None) -> dict[str, Any]:
    """The tables and subsampling of the JPEG that it was; 95 with 4:4:4 where it was none."""
    options: dict[str, Any] = {"progressive": alike is not None and alike.progressive}
    if quality is not None or alike is None or not alike.tables:
        return options | {"quality": quality or JPEG_QUALITY, "subsampling": 0}
    tables = alike.tables[:1] if image.mode == "L" else alike.tables
    return options | {
        "qtables": [list(table) for table in tables],
        "subsampling": 0 if image.mode == "L" else alike.subsampling,
    }


def _save_patiently(
    stream: IO[bytes], image: Image.Image, kind: str, options: dict[str, Any]
) -> None:
    """These encoders read the EXIF block, and a broken one must not cost the picture; another AVIF
    encoder than libaom does not know its option."""
    plainer: list[dict[str, Any]] = [options]
    for key in ("advanced", "exif"):
        if options.get(key):
            plainer.append({k: v for k, v in plainer[-1].items() if k != key})
    for number, tried in enumerate(plainer, start=1):
        whole = io.BytesIO()
        try:
            image.save(whole, format=kind, **tried)
        except (ValueError, TypeError, KeyError, RuntimeError, SyntaxError, OSError, struct.error):
            if number == len(plainer):
                raise
        else:
            stream.write(whole.getbuffer())
            return


def _save_progressive(stream: IO[bytes], image: Image.Image, options: dict[str, Any]) -> None:
    """Pillow guesses how much room a progressive JPEG needs; where it guessed low, a plain one."""
    whole = io.BytesIO()
    try:
        image.save(whole, format="JPEG", **options)
    except OSError:
        whole = io.BytesIO()
        image.save(whole, format="JPEG", **{**options, "progressive": False})
    stream.write(whole.getbuffer())
