"""Frames of a video file or of a folder of pictures, one after the other.

One frame is held at a time, whatever the length. A video's frames come upright (its rotation
applied) and as RGB by the colour matrix and range that it states; BT.601 and the limited range
where it states none, as FFmpeg takes them. Values stay as they are stored: no gamma is undone.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError
from deblur_jax.images.reading import read_rgb
from deblur_jax.images.suffixes import IMAGE_SUFFIXES

Frame = NDArray[np.uint8]

# Without the last two swscale makes 4:2:0 video, the usual kind, 1 to 2 grey levels too dark.
_SCALING = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
# Containers with exact times, whose header says how long the video is. In the others FFmpeg guesses
# that from the bit rate, which says nothing about a missing end.
_STATING_LENGTH = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"}
# A file whose packets end earlier than this, of the length it states, has lost its end: headers
# round, and differ by a frame or two.
_LOST_SHARE, _LOST_FRAMES = 0.02, 3
# A camera that drops a frame leaves a gap of two steps, and one that halves its rate in the dark,
# too; more than this is damage, over which nothing may be averaged.
_GAP_STEPS = 4


@dataclass(frozen=True)
class Frames:
    """A stream of frames; iterating opens the source anew each time.

    Attributes:
      path: the video file or the folder.
      rate: frames a second, or None where it is not known (a folder has none).
      expected: how many frames there should be, or None; a header may err.
    """

    path: Path
    rate: float | None
    expected: int | None
    _read: Callable[[Path], Iterator[Frame]]

    def __iter__(self) -> Iterator[Frame]:
        """Yields uint8[H, W, 3], all of one size.

        Raises:
          UserError: naming the path, when a frame cannot be read or has another size than the
            first, or the video ends before its time; the frames before have been yielded.
        """
        return self._read(self.path)


def open_frames(path: str | os.PathLike[str]) -> Frames:
    """The frames of a video file, or of the pictures of a folder (not below it).

    Pictures come in natural order, frame2 before frame10, at 8 bits and without alpha.

    Raises:
      UserError: naming the path: it is missing, no video that can be decoded, or a folder
        without pictures.
    """
    path = Path(path)
    if path.is_dir():
        return Frames(path, None, len(_pictures(path)), _folder_frames)
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        raise UserError(f"cannot read frames from {path}: it is one picture; name its folder")
    with _opened(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        expected = stream.frames or None
        if expected is None and rate and container.duration and _states_length(container):
            expected = round(container.duration / av.time_base * rate)
        return Frames(path, float(rate) if rate else None, expected, _video_frames)


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sorts names as people count: digits by their value, letters whatever their case."""
    parts = re.split(r"(\d+)", name.casefold())
    # Every second part is a number; pairs keep numbers and texts from being compared.
    return [(int(p), "") if i % 2 else (0, p) for i, p in enumerate(parts)], name


def _pictures(folder: Path) -> list[Path]:
    try:
        found = [
            child
            for child in folder.iterdir()
            if child.suffix.lower() in IMAGE_SUFFIXES
            and not child.name.startswith(".")
            and child.is_file()
        ]
    except OSError as error:
        raise UserError(f"cannot list {folder}: {reason(error)}") from error
    if not found:
        raise UserError(f"cannot read frames from {folder}: the folder holds no pictures")
    return sorted(found, key=lambda path: natural_key(path.name))


def _folder_frames(folder: Path) -> Iterator[Frame]:
    files = _pictures(folder)
    size: tuple[int, ...] = ()
    for file in files:
        frame = read_rgb(file)
        size = size or frame.shape
        if frame.shape != size:
            raise UserError(f"{file} is {_size(frame.shape)}, but {files[0]} is {_size(size)}")
        yield frame


def _video_frames(path: Path) -> Iterator[Frame]:
    done = 0
    size: tuple[int, ...] = ()
    with _opened(path) as (container, stream):
        to_rgb = VideoReformatter()
        frames = _decoded(container, stream)
        while True:
            try:
                raw = next(frames, None)
                if raw is None:
                    return
                frame = to_rgb.reformat(raw, format="rgb24", interpolation=_SCALING).to_ndarray()
            # A broken file can make a decoder fail in any way at all; each is the file's fault.
            except Exception as error:
                raise UserError(
                    f"cannot read {path} after {done} frames: {_words(error)}"
                ) from error
            # Contiguous, since what follows reads it many times over.
            upright: Frame = np.ascontiguousarray(
                np.rot90(frame, round(raw.rotation / 90)), np.uint8
            )
            size = size or upright.shape
            if upright.shape != size:
                raise UserError(
                    f"cannot read {path} after {done} frames: the next is {_size(upright.shape)}, "
                    f"but the first {_size(size)}"
                )
            yield upright
            done += 1


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The video's frames as FFmpeg gives them, then ValueError if that was not all of the video."""
    stream.thread_type = "AUTO"
    end, packets, seen, before = 0.0, 0, 0, None
    trouble, exact = "", _states_length(container)
    usual = step = 1 / float(stream.average_rate or stream.guessed_rate or 1)
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            # Of any stream: sound may outlast the picture.
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index != stream.index:
            continue
        packets += packet.size > 0
        if packet.is_corrupt:
            trouble = "the file is damaged or cut short there"
        for frame in stream.decode(None if trouble else packet):  # None: what is on its way
            if frame.is_corrupt:
                raise ValueError("the next one is damaged")
            if exact and before is not None and frame.time is not None:
                if frame.time - before > _GAP_STEPS * max(step, usual):
                    raise ValueError(f"no frames from {before:.2f} to {frame.time:.2f} seconds")
                step = frame.time - before
            yield frame
            before = frame.time
            seen += 1
        if trouble:
            raise ValueError(trouble)
    if packets and not seen:
        raise ValueError("none of its frames can be decoded")
    trouble = _lost_end(container, stream, packets, end)
    if trouble:
        raise ValueError(trouble)


def _lost_end(container: Any, stream: Any, packets: int, end: float) -> str:
    """How much is missing of what the header states, or ""."""
    if container.format.name == "avi" and stream.frames - packets > _LOST_FRAMES:
        return f"{stream.frames - packets} of {stream.frames} frames are missing"
    if container.duration is None or not _states_length(container):
        return ""
    # Some writers count from the first frame and some from 0, `end` does so always: where a video
    # starts later than at 0, a loss may pass, but nothing whole is taken for broken.
    stated = container.duration / av.time_base
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    if stated - end > max(_LOST_SHARE * stated, _LOST_FRAMES / rate if rate else 0.0):
        return f"the last {stated - end:.2f} of {stated:.2f} seconds are missing"
    return ""


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The open container and its video stream. UserError naming the path."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not an ordinary file")  # to open a pipe would wait for ever
        path.open("rb").close()
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    try:
        # FFmpeg would take 'a:b.mp4' and the like for a protocol. From a file that Python has open
        # it reads by callbacks, whose errors PyAV prints with their tracebacks.
        container = av.open(f"file:{path}", metadata_errors="replace")
    except Exception as error:
        raise UserError(f"cannot read {path}: {_words(error)}") from error
    with container:
        stream = container.streams.best("video")
        if stream is None:
            raise UserError(f"cannot read {path}: it holds no video")
        if stream.codec_context is None:
            raise UserError(f"cannot read {path}: its video codec is not known here")
        yield container, stream


def _states_length(container: Any) -> bool:
    return container.format.name in _STATING_LENGTH


def _words(error: BaseException) -> str:
    """FFmpeg's reason in a user's words."""
    if isinstance(error, av.error.InvalidDataError):
        return "it is damaged or no video that can be decoded"
    if isinstance(error, av.error.EOFError):
        return "it is empty or ends too early"
    return reason(error)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
