"""A restored video as it is written: frames encoded, the other streams' packets copied."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from av.codec.context import Flags
from av.sidedata.sidedata import Type

from deblur_jax.errors import UserError
from deblur_jax.restore.video_encoding import Encoder, container_of
from deblur_jax.restore.video_reading import Source

# Tags of a stream, or of a file, that are true only of what it was
_STALE = (
    *("duration", "bps", "number_of_", "_statistics", "encoder"),
    *("major_brand", "minor_version", "compatible_brands"),
)
# AVI's header says how many bytes of sound are a step of time. What a reader tells of these codecs
# is not what a header needs, but what an encoder states is; it is never given any sound.
_ENCODERS_IN_AVI = {"mp3": "libmp3lame", "mp3float": "libmp3lame", "ac3": "ac3"}
# Rates that MPEG-2 knows (ITU-T H.262, table 6-4); frames keep their own times whatever it says.
_MPEG2_RATES = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001)]
_MPEG2_RATES += [Fraction(30), Fraction(50), Fraction(60000, 1001), Fraction(60)]


class Output:
    """A video that is being written, frame by frame.

    Attributes:
      refused: packets of other streams that the container would not take.
    """

    def __init__(
        self,
        file: IO[bytes],
        target: Path,
        source: Source,
        encoder: Encoder,
        sample: Any,
        *,
        turn: list[int] | None = None,
        copied: Sequence[Any] = (),
    ) -> None:
        """Sets up the streams; the header is written with the first frame.

        Args:
          file: open for writing and seekable.
          target: what it will be called; its extension is the container's.
          source: whose tags, chapters and times are taken over.
          encoder: of the frames.
          sample: an av.VideoFrame such as will come; the size, pixels and colours of all.
          turn: how a player turns the picture; see `display_matrix`.
          copied: streams of the source whose packets come along; see `copyable`.

        Raises:
          UserError: the encoder or the container cannot be set up so.
        """
        self.target = target
        self.refused = 0
        # Where the encoder counts: the times of the frames that are still within it.
        self._times: dict[int, tuple[int, int]] = {}
        self._count = None if encoder.keeps_time else 0
        self._base = source.stream.time_base
        with self._told():
            self._container = _new(file, container_of(target), source)
            self._container.metadata.update(_kept(source.container.metadata))
            self._container.set_chapters(source.container.chapters())
            self._copies = {}
            for stream in sorted([source.stream, *copied], key=lambda each: each.index):
                if stream.index != source.stream.index:
                    self._copies[stream.index] = _add_copy(self._container, stream)
                    continue
                self._stream = self._add_video(source, encoder, sample)
                if turn is not None:
                    self._stream.set_display_matrix(turn)

    def _add_video(self, source: Source, encoder: Encoder, sample: Any) -> Any:
        rate = source.rate
        if encoder.name == "mpeg2video":
            rate = min(_MPEG2_RATES, key=lambda known: abs(known - rate))
        stream = self._container.add_stream(encoder.name, rate=rate, options=encoder.options)
        stream.time_base = self._base
        stream.metadata.update(_kept(source.stream.metadata))
        stream.disposition = int(source.stream.disposition)
        context = stream.codec_context
        context.width, context.height = sample.width, sample.height
        context.pix_fmt = sample.format.name
        context.time_base = self._base if encoder.keeps_time else 1 / rate
        if source.stream.sample_aspect_ratio:
            context.sample_aspect_ratio = source.stream.sample_aspect_ratio
        context.colorspace, context.color_range = sample.colorspace, sample.color_range
        context.color_primaries, context.color_trc = sample.color_primaries, sample.color_trc
        context.flags |= int(Flags.frame_duration)
        if encoder.quantizer is not None:
            context.qscale, context.global_quality = True, encoder.quantizer
            context.max_b_frames = 0
        if encoder.tag:
            context.codec_tag = encoder.tag
        return stream

    def write(self, packets: list[Any], frame: Any) -> None:
        """Copies packets of the source and encodes a frame, either of which may be missing.

        Raises:
          UserError: the encoder or the container refuses the frame.
          OSError: of the file, such as a full disk.
        """
        with self._told():
            self._container.start_encoding()
            for packet in packets:
                self._copy(packet)
            if frame is not None:
                if self._count is not None:
                    self._times[self._count] = frame.pts, frame.duration
                    frame.pts, frame.time_base = self._count, self._stream.codec_context.time_base
                    self._count += 1
                self._mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Writes what is still within the encoder, and the end. Raises as `write` does."""
        with self._told():
            self._mux(self._stream.encode(None))
            self._container.close()

    def abandon(self) -> None:
        """Lets go of a video that will not be finished, whatever state it is in."""
        with contextlib.suppress(Exception):
            self._container.close()

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            if self._count is not None:
                pts, packet.duration = self._times.pop(packet.pts)
                packet.pts = packet.dts = pts
                packet.time_base = self._base
            self._container.mux(packet)

    def _copy(self, packet: Any) -> None:
        copy = self._copies.get(packet.stream.index)
        if copy is None:
            return
        packet.stream = copy
        try:
            self._container.mux(packet)
        # What a container refuses is a packet that is damaged or stands twice.
        except (av.error.InvalidDataError, av.error.ArgumentError):
            self.refused += 1

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """FFmpeg's errors as a sentence; those of the file itself pass."""
        try:
            yield
        except (av.error.FFmpegError, ValueError) as error:
            why = str(getattr(error, "strerror", None) or error).lower()
            raise UserError(
                f"cannot write {self.target}: FFmpeg refuses a frame or a packet ({why})"
            ) from error


def display_matrix(frame: Any) -> list[int] | None:
    """How a player turns a frame, as FFmpeg's nine numbers; None where it does not."""
    try:
        return np.frombuffer(frame.side_data[Type.DISPLAYMATRIX], np.int32).tolist()
    except KeyError:
        return None


def copyable(source: Source, target: Path) -> tuple[list[Any], list[str]]:
    """Which of the source's other streams the container of `target` takes as they are.

    Returns:
      Those streams; and for each of the rest what it is, and that it is not taken, in words.
    """
    copied, left_out = [], []
    for stream in source.others:
        if stream.type == "data" and "timecode" in source.stream.metadata:
            continue  # QuickTime's time code: its writer makes the track anew from that tag
        # Each is tried alone in a file that is thrown away: only a header tells what is taken.
        trial = _new(io.BytesIO(), container_of(target), source)
        try:
            _add_copy(trial, stream)
            trial.start_encoding()
            copied.append(stream)
        except (av.error.FFmpegError, ValueError):
            left_out.append(f"{_described(stream)}, which {target.suffix} files do not take")
        with contextlib.suppress(Exception):
            trial.close()
    return copied, left_out


def _new(file: IO[bytes], name: str, source: Source) -> Any:
    # QuickTime and MP4 keep tags such as com.apple.quicktime.make only where they are told to.
    own = any(key.startswith("com.") for key in source.container.metadata)
    options = {"movflags": "use_metadata_tags"} if own and name in ("mp4", "mov") else {}
    return av.open(
        file, "w", format=name, container_options=options, metadata_errors="surrogateescape"
    )


def _add_copy(container: Any, stream: Any) -> Any:
    encoder = _ENCODERS_IN_AVI.get(stream.codec_context.name) if stream.codec_context else None
    if container.format.name == "avi" and encoder:
        sound = stream.codec_context
        copy = container.add_stream(encoder, rate=sound.sample_rate, layout=sound.layout.name)
        copy.codec_context.bit_rate = sound.bit_rate or 128_000
    else:
        copy = container.add_stream_from_template(stream, opaque=True)
    copy.metadata.update({k: v for k, v in stream.metadata.items() if k.lower() != "duration"})
    copy.disposition = int(stream.disposition)
    return copy


def _kept(tags: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.lower().startswith(_STALE)}


def _described(stream: Any) -> str:
    """Such as 'the sound in ac3 (eng)'."""
    kind = {"audio": "sound", "subtitle": "subtitles", "video": "picture"}.get(
        stream.type, stream.type
    )
    context = stream.codec_context
    codec = context.name if context is not None else getattr(stream, "name", None)
    language = f" ({stream.language})" if stream.language else ""
    return f"the {kind} of stream {stream.index}{f' in {codec}' if codec else ''}{language}"
