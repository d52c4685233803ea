"""What a file is, by its first bytes: never by its name or what the client says it is."""

from deblur_jax.images import formats
from deblur_jax.images.suffixes import FORMAT_OF
from deblur_jax.web.serve.problem import Problem

ENOUGH = formats.HEAD  # bytes that tell every format
MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".avif": "image/avif",
    ".heic": "image/heic",
}
SUFFIX_OF = {FORMAT_OF[suffix]: suffix for suffix in MEDIA_TYPES}


def suffix_of(start: bytes) -> str:
    """The suffix of the format that a file's first `ENOUGH` bytes show, such as '.jpg'.

    Raises:
      Problem: 415, for anything else.
    """
    name = formats.sniff(start[:ENOUGH])
    if name not in SUFFIX_OF:
        raise Problem(415, f"this is not a {formats.words()} picture")
    return SUFFIX_OF[name]


def written() -> dict[str, str]:
    """The formats that can be written here: their names in the API, and their suffixes."""
    names = {suffix: kind.removeprefix("image/") for suffix, kind in MEDIA_TYPES.items()}
    return {name: suffix for suffix, name in names.items() if formats.can_write(suffix)}
