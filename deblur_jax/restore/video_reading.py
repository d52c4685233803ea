"""A video file read frame by frame, with what else it holds, as far as it can be read.

Unlike `images.frames`, which wants a whole video for training pairs, this takes what is there: a
packet that cannot be decoded is counted and passed over, and a file that breaks off ends there.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.codec.context import Flags
from av.stream import Discard, Disposition

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError

# Pictures that stand in a file as video streams of one frame: covers and the like
_STILLS = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# Sound without a picture for so many packets is handed on by itself, so that memory stays bounded.
_MOST_PACKETS = 500
# Frames come in order; one that comes late by more is no damage, but time that starts anew.
_MOST_BACK = 1.0  # seconds
# What is read after a failure is tried as often in a row.
_TRIES = 3
# Of the length that the header states, so much may be missing: headers round.
_LOST_SHARE, _LOST_FRAMES = 0.02, 3
# Containers whose header says how long the video is; elsewhere FFmpeg guesses that.
_STATING_LENGTH = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"}


@dataclass
class Step:
    """One decoded frame and the other streams' packets that stand before it in the file.

    frame: an av.VideoFrame, or None where packets come without one. broken: it is damaged, or made
    from frames that are.
    """

    packets: list[Any] = field(default_factory=list)
    frame: Any = None
    broken: bool = False


class Source:
    """An open video.

    Attributes:
      path: the file.
      container: PyAV's, opened for reading.
      stream: the video stream that is restored.
      missing: how much the end lacks, in words; "" where it is all there. Known after the last.
    """

    def __init__(self, path: Path, container: Any) -> None:
        self.path = path
        self.container = container
        self.stream = _moving_picture(container, path)
        self._undecoded = self._late = 0
        self.missing = ""
        self._is_avi = container.format.name == "avi"
        self._delay = 0  # of a frame's coming out after the packet with its data, in AVI
        # A damaged frame is to come out, marked as such, where the decoder can give one at all.
        self.stream.codec_context.flags |= int(Flags.output_corrupt)

    @property
    def lost(self) -> int:
        """Frames that could not be decoded so far, or came out of their order."""
        return self._undecoded + self._late

    @property
    def rate(self) -> Fraction:
        """Frames a second on average; 25 where the file does not say."""
        return self.stream.average_rate or self.stream.guessed_rate or Fraction(25)

    @property
    def expected(self) -> int | None:
        """How many frames there should be, or None; a header may err."""
        if self.stream.frames:
            return int(self.stream.frames)
        length = self._stated_length
        return round(length * self.rate) if length else None

    @property
    def others(self) -> list[Any]:
        """The other streams, without chapters' own: they are no stream where they are written."""
        streams = (s for s in self.container.streams if s.index != self.stream.index)
        chapters = bool(self.container.chapters())
        return [
            s for s in streams if not (chapters and s.type == "data" and s.discard == Discard.all)
        ]

    def steps(self, copied: Collection[int]) -> Iterator[Step]:
        """Yields every frame that can be decoded, in order, with its `pts` and `time_base` set.

        Args:
          copied: the indices of the streams whose packets come along.

        Raises:
          UserError: the file cannot be read any more, or its times jump back.
        """
        for stream in self.others:
            if stream.index not in copied:
                stream.discard = Discard.all
        try:
            yield from self._in_order(self._decoded(copied))
        except UserError:
            raise
        # A broken file can make a decoder fail in any way at all; each is the file's fault.
        except Exception as error:
            raise UserError(f"cannot read {self.path}: {words(error)}") from error

    def _in_order(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Gives each frame a time after the last one's; one that comes too late is lost."""
        before: int | None = None
        base = self.stream.time_base
        for step in steps:
            frame = step.frame
            if frame is not None:
                frame.time_base = base
                if self._is_avi:
                    # It stores no times of showing, only the order in which packets are decoded.
                    frame.pts = None if frame.dts is None else frame.dts - self._delay
                usual = frame.duration or max(1, round(1 / (self.rate * base)))
                if frame.pts is None:
                    frame.pts = (self.stream.start_time or 0) if before is None else before + usual
                if before is not None and frame.pts <= before:
                    if (before - frame.pts) * base > _MOST_BACK:
                        raise UserError(
                            f"cannot restore {self.path}: its times jump back from "
                            f"{float(before * base):.2f} to {float(frame.pts * base):.2f} seconds"
                        )
                    self._late += 1
                    step.frame = None
                else:
                    before = frame.pts
            yield step

    def _decoded(self, copied: Collection[int]) -> Iterator[Step]:
        """The frames as the decoder gives them, of packets that may be damaged."""
        step, suspect = Step(), False
        end, frames, passed_over, first = 0.0, 0, 0, None
        for packet in self._packets(copied):
            if packet is not None and packet.pts is not None:
                # Of any stream: sound may outlast the picture.
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet is not None and packet.stream.index != self.stream.index:
                step.packets.append(packet)
                if len(step.packets) >= _MOST_PACKETS:
                    yield step
                    step = Step()
                continue
            if packet is not None:
                passed_over += packet.is_discard  # cut off by the file's edit list
                suspect = suspect or packet.is_corrupt
            try:
                decoded = self.stream.codec_context.decode(packet)
            except av.error.FFmpegError:
                self._undecoded += 1
                suspect = True
                continue
            if first is None and packet is not None:
                first = packet.dts
            for frame in decoded:
                if not frames and None not in (first, frame.dts):
                    self._delay = frame.dts - first
                frames += 1
                # Those after a loss are made from what was lost, until one stands by itself.
                suspect = suspect and not frame.key_frame
                yield Step(step.packets, frame, bool(suspect or frame.is_corrupt))
                step = Step()
        if step.packets:
            yield step
        short = (self.stream.frames or 0) - passed_over - frames
        if short > (_LOST_FRAMES if self._is_avi else 0):  # AVI counts empty packets as well
            self._undecoded = max(self._undecoded, short)
        # Sound that is not read may be what lasts to the end that the header states.
        if all(s.index in copied for s in self.others if s.type == "audio"):
            self.missing = self._missing(end)

    def _packets(self, copied: Collection[int]) -> Iterator[Any]:
        """The packets of the video and of `copied`, then None, which empties the decoder."""
        wanted = [s for s in self.container.streams if s.index in copied]
        failures = 0
        while failures < _TRIES:
            try:
                for packet in self.container.demux([self.stream, *wanted]):
                    if packet.size:  # without data: a frame left out, or the end of a stream
                        failures = 0
                        yield packet
                break
            except av.error.FFmpegError:
                failures += 1
        yield None

    @property
    def _stated_length(self) -> float:
        """Seconds that the header states; 0.0 where it states none."""
        if self._is_avi:  # whose length FFmpeg works out from what is there
            return float(self.stream.frames / self.rate)
        if self.container.format.name not in _STATING_LENGTH or not self.container.duration:
            return 0.0
        return float(self.container.duration) / av.time_base

    def _missing(self, end: float) -> str:
        stated = self._stated_length
        # Some headers count from the first frame and some from 0: nothing whole is called broken.
        if stated - end > max(_LOST_SHARE * stated, _LOST_FRAMES / float(self.rate)):
            return f"the last {stated - end:.2f} of {stated:.2f} seconds are missing"
        return ""


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The video at `path`. UserError, naming it, if it is none that can be decoded."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not an ordinary file")  # to open a pipe would wait for ever
        path.open("rb").close()
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    try:
        # FFmpeg would take 'a:b.mp4' and the like for a protocol. Titles that are no UTF-8 pass as
        # the bytes that they are.
        container = av.open(f"file:{path}", metadata_errors="surrogateescape")
    except Exception as error:
        raise UserError(f"cannot read {path}: {words(error)}") from error
    with container:
        yield Source(path, container)


def _moving_picture(container: Any, path: Path) -> Any:
    """The stream to be restored: FFmpeg's choice, or the first that is no cover picture."""
    moving = [s for s in container.streams.video if not is_still(s)]
    if not moving:
        raise UserError(f"cannot read {path}: it holds no video")
    best = container.streams.best("video")
    stream = next((s for s in moving if best is not None and s.index == best.index), moving[0])
    if stream.codec_context is None:
        raise UserError(f"cannot read {path}: its video codec is not known here")
    return stream


def is_still(stream: Any) -> bool:
    """Whether a video stream is a cover or another single picture."""
    return bool(stream.disposition & _STILLS)


def words(error: BaseException) -> str:
    """Why reading failed, in a user's words: whatever FFmpeg's decoders say, it is the file."""
    if isinstance(error, av.error.EOFError):
        return "it is empty or ends too early"
    if isinstance(error, av.error.FFmpegError):
        return "it is damaged or no video that can be decoded"
    return reason(error)
