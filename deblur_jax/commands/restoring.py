"""Restoring pictures and videos."""

from collections.abc import Callable, Sequence
from pathlib import Path

from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import Picture, formats
from deblur_jax.images.suffixes import FORMAT_OF, IMAGE_SUFFIXES
from deblur_jax.restore import preview as previews
from deblur_jax.restore import sharpness
from deblur_jax.restore.files import Made, Progress, Summary, process_files
from deblur_jax.restore.inputs import Job
from deblur_jax.restore.restorer import Restorer
from deblur_jax.restore.treatment import Treatment
from deblur_jax.weights import registry

FrameProgress = Callable[[Job, int, int | None], None]  # frames done, and how many there should be


def deblur(
    inputs: Sequence[str],
    output: str,
    *,
    weights: str = "default",
    precision: str = "float32",
    tile: str | int = "auto",
    max_memory: str | int | None = None,
    dropout: int | None = None,
    self_ensemble: int = 1,
    strength: float = 1.0,
    luminance_only: bool = False,
    preview: int | None = None,
    compare: bool = False,
    format: str | None = None,
    quality: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    frame_progress: FrameProgress | None = None,
) -> Summary:
    """Restores pictures and videos; see `process_files` for the files.

    Args:
      inputs, output, compare, quality, overwrite, progress: of `process_files`.
      weights: a shipped name, a weights file or a workdir.
      precision, tile, max_memory, dropout, self_ensemble: of `Restorer`.
      strength, luminance_only: of `Treatment`.
      preview: restores only the middle of each picture, this many pixels square, and writes it
        beside its original as NAME_preview.png.
      format: of the results, such as 'png'; None keeps each input's.
      frame_progress: told of each frame of a video.

    Raises:
      UsageError: an option that does not exist or does not go with another.
      UserError: weights that cannot be loaded, a blocked output.
    """
    treatment = Treatment(strength, luminance_only)
    suffix = _suffix(format, output)
    if preview is not None:
        previews.check(preview)
        if compare or suffix:
            raise UsageError("a preview is a comparison in PNG already: leave out the other option")
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"a quality of {quality} is not possible; it can be 1 to 100")
    restorer = Restorer(
        registry.load(weights),
        precision=precision,
        tile=tile,
        max_memory=max_memory,
        dropout=dropout,
        self_ensemble=self_ensemble,
    )

    def restore(picture: Picture, _name: str) -> Made:
        if preview is not None:
            return previews.make(picture, restorer, treatment, preview)
        restored = restorer.restore_picture(picture, treatment)
        return Made(restored, sharpness.compare(picture.rgb, restored.rgb))

    def restore_video(job: Job) -> str:
        if preview is not None:
            raise UserError(f"cannot preview {job.source}: it is a video")
        from deblur_jax.restore import video  # loads FFmpeg, which pictures do not need

        told = None if frame_progress is None else lambda *of: frame_progress(job, *of)
        summary = video.restore_video(
            job.source,
            job.target,
            lambda frame: restorer.restore_picture(Picture(frame), treatment).rgb,
            frame_progress=told,
            compare=compare,
        )
        return str(summary)

    return process_files(
        inputs,
        output,
        restore,
        video=restore_video,
        compare=compare,
        suffix=".png" if preview is not None else suffix,
        tail="" if preview is None else "_preview",
        quality=quality,
        overwrite=overwrite,
        progress=progress,
    )


def _suffix(format: str | None, output: str) -> str | None:
    """The suffix of results of a format by name; UsageError if `output` says another one."""
    if format is None:
        return None
    suffix = f".{format.lower()}"
    if suffix not in FORMAT_OF:
        raise UsageError(f"there is no format {format!r} here")
    if not formats.can_write(suffix):
        raise UsageError(f"{format} cannot be written here; docs/restoring.md says what it needs")
    own = Path(output).suffix.lower()
    if own in IMAGE_SUFFIXES and FORMAT_OF[own] != FORMAT_OF[suffix] and not Path(output).is_dir():
        raise UsageError(f"{output} ends in {own}, but the format is to be {format}")
    return suffix
