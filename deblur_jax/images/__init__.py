"""Reading and writing pictures: PNG, JPEG, WebP, TIFF and BMP at 8, 16 and 32 bits a channel.

What a picture has beside its colours travels with it: alpha, the ICC profile, EXIF. The EXIF
orientation is applied while reading and reset to 'upright'. Gray pictures are read as RGB and
written as gray again (ITU-R BT.601 luma); palette, CMYK and two-level pictures become RGB.
XMP is dropped, since it may repeat the orientation.
"""

from deblur_jax.images.picture import Picture, convert_depth
from deblur_jax.images.reading import MAX_PIXELS, from_bytes, read, read_rgb
from deblur_jax.images.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from deblur_jax.images.writing import to_bytes, write

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "VIDEO_SUFFIXES",
    "Picture",
    "convert_depth",
    "from_bytes",
    "read",
    "read_rgb",
    "to_bytes",
    "write",
]
