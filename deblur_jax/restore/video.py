"""Restoring a video: every frame, with its sound and all else that the file holds copied."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from deblur_jax.atomic import atomic_write
from deblur_jax.errors import UsageError, UserError
from deblur_jax.restore import video_encoding as encoding
from deblur_jax.restore.video_canvas import Canvas
from deblur_jax.restore.video_reading import Source, Step, is_still, opened
from deblur_jax.restore.video_threads import Behind, ahead
from deblur_jax.restore.video_writing import Output, copyable, display_matrix

Frame = NDArray[Any]
Restore = Callable[[Frame], Frame]
# Told of (frames finished, how many there should be or None) after each.
FrameProgress = Callable[[int, int | None], None]

_AHEAD = 2  # frames read before they are asked for, and frames that may wait to be written
_PATIENCE = 25  # frames that may fail one after the other before the first that is restored


@dataclass(frozen=True)
class VideoSummary:
    """What became of a video.

    Attributes:
      restored: frames restored.
      passed: frames that are broken, or could not be restored, and stand in the result as decoded.
      lost: frames that could not be decoded at all; the result has none in their place.
      left_out: what else of the source the result lacks, in words.
      notes: what else its owner should know, in words, such as that the file's end is missing.
      seconds: how long it took.
    """

    restored: int
    passed: int
    lost: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        parts = [f"{self.restored} frames restored"]
        if self.passed:
            parts.append(f"{self.passed} broken ones left as they were")
        if self.lost:
            parts.append(f"{self.lost} lost")
        left_out = [f"left out: {', '.join(self.left_out)}"] if self.left_out else []
        return "; ".join([", ".join(parts), *left_out, *self.notes])


def restore_video(
    source: Path,
    target: Path,
    restore: Restore,
    *,
    frame_progress: FrameProgress | None = None,
    compare: bool = False,
) -> VideoSummary:
    """Restores each frame of a video and writes the result, whole or not at all.

    Frames keep their times, size, turn, the meaning of their colours and, where the encoder can,
    their depth; sound, subtitles, tags and chapters are copied as they are. A few frames are in
    memory at a time, whatever the length: while one is restored, others are read and written.

    Args:
      source: the video.
      target: where the result goes; its extension, one of `video_encoding.CONTAINERS`, says how.
      restore: maps uint8[H, W, 3], or uint16 where more than 8 bits are kept, to the same. A frame
        comes as it is stored, before a player turns it. One for which it raises UserError is passed
        through.
      frame_progress: told of each frame.
      compare: also writes before and after side by side, without sound, STEM_compare.EXTENSION.

    Raises:
      UserError: the source cannot be read, no frame of it restored, or the target not written.
      UsageError: as `restore` raises it.
    """
    start = time.perf_counter()
    encoding.container_of(target)
    with opened(source) as video:
        copied, left_out = copyable(video, target)
        steps = video.steps({stream.index for stream in copied})
        early = _until_first_frame(video, steps)
        run = _Run(video, early[-1].frame, target, restore)
        with ExitStack() as stack:
            output = stack.enter_context(run.writing(target, copied))
            # Written whole before the other: where that exists, all of the file is done.
            place = target.with_name(f"{target.stem}_compare{target.suffix}")
            comparison = stack.enter_context(run.writing(place)) if compare else None
            run.through(chain(early, steps), output, comparison, frame_progress)
        if output.refused:
            left_out.append(f"{output.refused} damaged packets of sound or subtitles")
        return VideoSummary(
            restored=run.restored,
            passed=run.passed,
            lost=video.lost,
            left_out=tuple(left_out),
            notes=tuple(run.notes(copied)),
            seconds=time.perf_counter() - start,
        )


@dataclass
class _Shot:
    """A step with its frame in RGB: an av.VideoFrame, and its values, uint8 or uint16[H, W, 3]."""

    step: Step
    rgb: Any = None
    values: Any = None


class _Run:
    """One video on its way, with the count of its frames."""

    def __init__(self, video: Source, first: Any, target: Path, restore: Restore) -> None:
        self.restored = self.passed = 0
        self._video, self._restore, self._first = video, restore, first
        codec = video.stream.codec_context.name
        self._encoder = encoding.choose_encoder(target, codec, first.format)
        self._canvas = Canvas(first, self._encoder)
        self._turn = display_matrix(first)
        self._trouble = ""

    @contextmanager
    def writing(self, target: Path, copied: Sequence[Any] | None = None) -> Iterator[Output]:
        """A video that takes the place of `target` if the block ends well.

        With `copied`, these streams come along; without, it is a comparison.
        """
        sample = self._canvas.fitted(self._first)
        if copied is None:
            rgb = self._canvas.rgb(self._first)
            sample = self._canvas.beside(rgb, rgb.to_ndarray(), rgb.to_ndarray())
        with atomic_write(target) as file:
            output = Output(
                file,
                target,
                self._video,
                self._encoder,
                sample,
                turn=self._turn,
                copied=copied or (),
            )
            try:
                yield output
                output.finish()
            finally:
                output.abandon()

    def through(
        self,
        steps: Iterator[Step],
        output: Output,
        comparison: Output | None,
        tell: FrameProgress | None,
    ) -> None:
        """Restores and writes all frames; one thread reads and another writes meanwhile."""

        def read() -> _Shot | None:
            step = next(steps, None)
            if step is None or step.frame is None:
                return None if step is None else _Shot(step)
            rgb = self._canvas.rgb(step.frame)
            return _Shot(step, rgb, rgb.to_ndarray())

        def write(shot: _Shot, after: Frame | None) -> None:
            if comparison is not None and shot.rgb is not None:
                shown = shot.values if after is None else after
                comparison.write([], self._canvas.beside(shot.rgb, shot.values, shown))
            frame = shot.step.frame
            if frame is not None:
                canvas = self._canvas
                frame = canvas.fitted(frame) if after is None else canvas.painted(shot.rgb, after)
            output.write(shot.step.packets, frame)

        with Behind(_AHEAD) as written, ahead(read, _AHEAD) as shots:
            for shot in shots:
                after = None if shot.values is None else self._tried(shot)
                written.submit(write, shot, after)
                if tell is not None and shot.values is not None:
                    tell(self.restored + self.passed, self._video.expected)
        if not self.restored:
            raise UserError(self._trouble or f"cannot restore {self._video.path}: it is all broken")

    def _tried(self, shot: _Shot) -> Frame | None:
        """The frame restored; None where it is to be passed through."""
        try:
            after = None if shot.step.broken else self._restore(shot.values)
        except UsageError:
            raise
        except UserError as error:
            self._trouble = f"cannot restore {self._video.path}: {error}"
            if not self.restored and self.passed >= _PATIENCE:
                raise UserError(self._trouble) from error
            after = None
        if after is None:
            self.passed += 1
        elif (after.shape, after.dtype) != (shot.values.shape, shot.values.dtype):
            raise ValueError(f"a frame came back as {after.dtype}{list(after.shape)}")
        else:
            self.restored += 1
        return after

    def notes(self, copied: Sequence[Any]) -> Iterator[str]:
        """What the result's owner should know, once all is done."""
        if self._video.missing:
            yield f"the file is cut short: {self._video.missing}"
        if self._first.interlaced_frame:
            yield "it is interlaced: its two fields were restored as one picture"
        if encoding.has_alpha(self._first.format):
            yield "its transparency is not kept"
        kept = 8 if not self._canvas.deep else encoding.depth_of(self._first.format)
        if encoding.depth_of(self._first.format) > kept:
            yield f"it has {encoding.depth_of(self._first.format)} bits a value, the result 8"
        aspect = self._video.stream.sample_aspect_ratio or 1
        if self._encoder is encoding.VP9 and aspect != 1:
            yield f"its pixels are {aspect} as wide as high, which the result cannot say"
        if any(stream.type == "video" and not is_still(stream) for stream in copied):
            yield "it holds a second video, which is copied as it was"


def _until_first_frame(video: Source, steps: Iterator[Step]) -> list[Step]:
    """The steps up to the first with a frame; UserError if none has."""
    early = []
    for step in steps:
        early.append(step)
        if step.frame is not None:
            return early
    raise UserError(f"cannot read {video.path}: none of its frames can be decoded")
