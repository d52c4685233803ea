"""What is done with a picture, in a line's thread: read, restored or only shown, and written."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.images import Picture, formats
from deblur_jax.images.limits import in_megapixels
from deblur_jax.images.suffixes import FORMAT_OF
from deblur_jax.images.writing import LOSSY
from deblur_jax.restore.sharpness import measure
from deblur_jax.restore.treatment import Treatment
from deblur_jax.web.serve import kinds
from deblur_jax.web.serve.limits import Limits
from deblur_jax.web.serve.line import Job
from deblur_jax.web.serve.options import Options
from deblur_jax.web.serve.problem import Problem


class Restores(Protocol):
    """What the server needs of a `Restorer`."""

    def restore_picture(
        self,
        picture: Picture,
        treatment: Treatment = ...,
        *,
        watch: Callable[[float], None] | None = None,
    ) -> Picture: ...


@dataclass(frozen=True)
class Made:
    """A picture as it goes out.

    Attributes:
      body: the file's bytes.
      media_type: such as 'image/jpeg'.
      width, height: in pixels.
      seconds: from the first byte that was read to the last that was written.
      sharpness: before and after, as `restore.sharpness` measures it; None where nothing was done.
    """

    body: bytes
    media_type: str
    width: int
    height: int
    seconds: float
    sharpness: tuple[float, float] | None = None


def restore(
    pieces: list[bytes],
    options: Options,
    restorer: Callable[[], Restores],
    limits: Limits,
    job: Job,
) -> Made:
    """Restores a picture, as the command line does.

    Args:
      pieces: the file's bytes; the list is emptied.
      options: how.
      restorer: gives what restores, once it is loaded.
      limits: of the pixels.
      job: told how far it is; what `job.watch` raises ends the work.

    Raises:
      Problem: 415 for what cannot be read, 413 for too many pixels, 422 for what the format cannot
        hold, 500 where the weights fail.
    """
    began = time.monotonic()
    picture, suffix = _read(pieces, limits, job)
    suffix = options.suffix or suffix
    if options.quality is not None and FORMAT_OF[suffix] not in LOSSY:  # before work in vain
        raise Problem(422, f"{suffix} files lose nothing: they have no quality to choose")
    model = restorer()
    try:
        restored = model.restore_picture(picture, options.treatment, watch=job.watch)
    except UserError as error:
        raise Problem(500, str(error)) from None
    sharpness = measure(picture.rgb), measure(restored.rgb)
    del picture
    job.watch(job.share)
    made = _written(restored, suffix, began, options.quality)
    return replace(made, sharpness=sharpness, seconds=time.monotonic() - began)


def show(pieces: list[bytes], limits: Limits, job: Job) -> Made:
    """The same picture in a form that every browser shows: 8-bit JPEG, or PNG with transparency.

    Args and Raises as `restore`.
    """
    began = time.monotonic()
    picture, _ = _read(pieces, limits, job)
    shallow = picture.at_depth("uint8")
    return _written(shallow, ".jpg" if picture.alpha is None else ".png", began)


def _read(pieces: list[bytes], limits: Limits, job: Job) -> tuple[Picture, str]:
    """The picture, and the suffix of the format that it is to be written in."""
    data = b"".join(pieces)
    pieces.clear()
    suffix = kinds.suffix_of(data)
    try:
        picture = images.from_bytes(data, max_pixels=limits.pixels)
    except UserError as error:
        large = in_megapixels(limits.pixels) in str(error)
        raise Problem(413 if large else 415, str(error)) from None
    height, width = picture.rgb.shape[:2]
    job.pixels = height * width
    job.watch(0.0)
    return picture, formats.result_suffix(suffix)


def _written(picture: Picture, suffix: str, began: float, quality: int | None = None) -> Made:
    height, width = picture.rgb.shape[:2]
    try:
        body = images.to_bytes(picture, suffix, quality=quality)
    except UserError as error:
        raise Problem(422, str(error)) from None
    seconds = time.monotonic() - began
    return Made(body, kinds.MEDIA_TYPES[suffix], width, height, seconds)
