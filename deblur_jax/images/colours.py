"""From the modes that Pillow decodes to, to gray or RGB samples with or without alpha.

Colours of another kind are taken to sRGB: CMYK through its own profile where it has one that works,
LAB by its definition (D50). The profile of a picture travels on only where it describes what came
of it: RGB, or gray for a gray picture.
"""

import io
from typing import Any

import numpy as np
from PIL import Image

from deblur_jax.errors import UserError
from deblur_jax.images.picture import Array

_SCALE = {"L;2": 85, "L;4": 17}  # PNG's gray of 2 and 4 bits is spread over 0..255, its tRNS is not


def samples_of(image: Image.Image, raw_mode: str) -> Array:
    """A loaded picture's samples.

    Args:
      image: as Pillow decodes it, at 8 bits a channel, or one channel of 16 or 32.
      raw_mode: the raw mode that its decoder had.

    Returns:
      uint8, uint16 or float32 [H, W, C]; C is 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
    """
    mode, clear = image.mode, image.info.get("transparency")
    if mode.startswith("I;16") or mode in ("I", "F"):
        return _deep_gray(image, clear)
    if mode == "CMYK":
        return np.asarray(_from_inks(image))
    if mode == "LAB":
        return np.asarray(_from_lab(image))
    if mode in ("1", "L") and isinstance(clear, int):
        gray = np.asarray(image.convert("L"))
        return np.stack([gray, _alpha(gray == clear * _SCALE.get(raw_mode, 1))], axis=2)
    if mode in ("1", "L"):
        return np.asarray(image if mode == "L" else image.convert("L"))[..., None]
    if mode in ("LA", "La"):
        return np.asarray(image if mode == "LA" else image.convert("LA"))
    if mode in ("RGBA", "RGBa", "PA") or clear is not None:
        return np.asarray(image if mode == "RGBA" else image.convert("RGBA"))
    return np.asarray(image if mode == "RGB" else image.convert("RGB"))


def clear_colour(samples: Array, clear: Any) -> Array:
    """Deep RGB with the alpha that PNG's one transparent colour means (its section 11.3.2.1)."""
    if samples.shape[2] != 3 or not isinstance(clear, tuple):
        return samples
    where = (samples == np.array(clear, np.uint16)).all(axis=2)
    return np.concatenate([samples, _alpha(where, np.uint16)[..., None]], axis=2)


def kept_profile(icc: bytes | None, gray: bool) -> bytes | None:
    """The profile if it is one of RGB, or of gray for gray samples (ICC.1:2022, 7.2.6)."""
    space = icc[16:20] if icc and len(icc) >= 128 else b""
    return bytes(icc) if icc and (space == b"RGB " or (space == b"GRAY" and gray)) else None


def _alpha(clear: Array, dtype: Any = np.uint8) -> Array:
    return np.where(clear, 0, np.iinfo(dtype).max).astype(dtype)


def _deep_gray(image: Image.Image, clear: Any) -> Array:
    values = np.asarray(image)[..., None]
    if image.mode == "F":
        return values
    if image.mode == "I":
        if values.min() < 0 or values.max() > 65535:
            raise UserError("it holds whole numbers of 32 bits, which are not supported")
        values = values.astype(np.uint16)
    values = values.astype(np.uint16)  # in the machine's own order of bytes
    if image.format == "TIFF" and image.tag_v2.get(262) == 0:  # type: ignore[attr-defined]
        values = np.iinfo(np.uint16).max - values  # white is zero
    if isinstance(clear, int):
        values = np.concatenate([values, _alpha(values == clear, np.uint16)], axis=2)
    return values


def _from_inks(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    icc = image.info.get("icc_profile")
    if icc and icc[16:20] == b"CMYK":
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            made = ImageCms.profileToProfile(
                image,
                own,
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,  # or paper's black would be gray
            )
            if made is not None:
                return made
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile must not cost the picture
    return image.convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    transform = ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
    made = ImageCms.applyTransform(image, transform)
    assert made is not None
    return made
