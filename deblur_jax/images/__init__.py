"""Reading and writing pictures: PNG, JPEG, WebP, TIFF, BMP, AVIF, HEIC, and GIF's first frame.

What a picture has beside its colours travels with it: alpha, the ICC profile, EXIF, its density,
and how its file kept it. The EXIF orientation is applied while reading and reset to 'upright'; the
preview in EXIF is dropped, since it shows the picture as it was. Gray and two-level pictures are
read as RGB and written as gray again (ITU-R BT.601 luma); palette, CMYK and LAB pictures become
RGB. XMP is dropped, since it may repeat the orientation.
"""

from deblur_jax.images.formats import result_suffix
from deblur_jax.images.limits import MAX_PIXELS
from deblur_jax.images.picture import Picture, convert_depth
from deblur_jax.images.reading import from_bytes, read, read_rgb
from deblur_jax.images.stored import Stored
from deblur_jax.images.suffixes import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from deblur_jax.images.writing import to_bytes, write

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "VIDEO_SUFFIXES",
    "Picture",
    "Stored",
    "convert_depth",
    "from_bytes",
    "read",
    "read_rgb",
    "result_suffix",
    "to_bytes",
    "write",
]
