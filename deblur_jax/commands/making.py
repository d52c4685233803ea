"""Making blurred copies and pairs."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deblur_jax.blur import blur_picture
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import Picture
from deblur_jax.restore.files import Made, Progress, Summary, process_files

if TYPE_CHECKING:
    from deblur_jax.data.video.scenes import Scene

PROBE_SIDE = 96  # pixels; every method takes a picture of this size


def blur(
    inputs: Sequence[str],
    output: str,
    *,
    method: str = "trajectory",
    kernel_size: int | None = None,
    seed: int = 0,
    constants: str | None = None,
    light: str | None = None,
    exposure: float | None = None,
    noise: tuple[float, float] | None = None,
    jpeg: int | None = None,
    compat: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Summary:
    """Makes blurred copies; each picture's path is drawn from the seed and the picture's name.

    Pictures of more than 8 bits keep their depth, but what they are blurred from is 8-bit.
    The options are those of `blur_picture`.

    Raises:
      UsageError: an unknown method, or an option or value that the method cannot have.
    """

    def apply(image: np.ndarray, number: int) -> np.ndarray:
        return blur_picture(
            image,
            method,
            kernel_size=kernel_size,
            seed=number,
            constants=constants,
            light=light,
            exposure=exposure,
            noise=noise,
            jpeg=jpeg,
            compat=compat,
        )

    def refuse_wrong_call() -> None:
        side = max(PROBE_SIDE, kernel_size or 0)
        apply(np.zeros((side, side, 3), np.uint8), 0)

    tried = False

    def function(picture: Picture, name: str) -> Made:
        nonlocal tried
        tried = True
        shallow = picture.at_depth("uint8")
        try:
            blurred = apply(shallow.rgb, seed_of(seed, name))
        except UsageError as error:
            refuse_wrong_call()  # otherwise the fault lies in this picture
            raise UserError(str(error)) from error
        same_depth = Picture(blurred).at_depth(picture.rgb.dtype.name).rgb
        return Made(picture.with_rgb(same_depth))

    summary = process_files(inputs, output, function, overwrite=overwrite, progress=progress)
    if not tried:  # all are there already, or none could be read: the options were not looked at
        refuse_wrong_call()
    return summary


def make_pairs(
    inputs: Sequence[str],
    output: str,
    *,
    frames: str = "7,9,11,13",
    blurred: str = "both",
    **options: Any,
) -> "list[Scene]":
    """Makes pairs of videos; `frames` lists numbers of frames, the options are `make_scenes`'s.

    Raises:
      UsageError: `frames` are not odd numbers of 3 or more, or what `make_scenes` refuses.
      UserError: a file is where the output's folder should be.
    """
    from deblur_jax.data.video.pairs import BLURRED
    from deblur_jax.data.video.scenes import make_scenes  # loads FFmpeg, which others need not

    try:
        lengths = [int(number) for number in frames.split(",")]
    except ValueError as error:
        raise UsageError(f"--frames {frames}: name odd numbers, such as 7,9,11,13") from error
    kinds = BLURRED if blurred == "both" else (blurred,)
    return make_scenes(inputs, output, lengths=lengths, kinds=kinds, **options)


def seed_of(seed: int, name: str) -> int:
    """A picture's own seed, below 2^31: the same for the same seed and name on any machine."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
