"""How large a picture may be. Looked at in its header, before anything is decoded."""

from deblur_jax.errors import UserError

MAX_PIXELS = 2**28  # 268 megapixels: the largest phone cameras take 200; 0.8 GB as 8-bit RGB
MAX_BYTES = 2**31  # of the picture in memory: the most pixels at 16 bits with alpha


def refuse_large(width: int, height: int, itemsize: int, channels: int, most_pixels: int) -> None:
    """Raises UserError for a picture without pixels, with too many, or of too many bytes.

    Args:
      width, height: in pixels.
      itemsize: bytes a value, 1, 2 or 4.
      channels: with alpha; gray is held as three equal ones.
      most_pixels: the caller's own limit, at most MAX_PIXELS.
    """
    if width < 1 or height < 1:
        raise UserError("it has no pixels")
    if width * height > min(most_pixels, MAX_PIXELS):
        raise UserError(f"it has more than {in_megapixels(min(most_pixels, MAX_PIXELS))}")
    if width * height * itemsize * (4 if channels in (2, 4) else 3) > MAX_BYTES:
        raise UserError(f"it would take more than {MAX_BYTES // 2**30} GB of memory")


def in_megapixels(pixels: int) -> str:
    """A number of pixels in words: '268 megapixels', and '1199 pixels' where it is below one."""
    return f"{pixels // 10**6} megapixels" if pixels >= 10**6 else f"{pixels} pixels"
