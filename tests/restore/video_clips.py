"""Small videos with sound for tests, and what PyAV alone reads of a video."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.reformatter import Interpolation
from PIL import Image

RATE = 25
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def scene(count, height=48, width=64, seed=0):
    """Soft pictures, which codecs keep well, that move by two pixels a frame."""
    rng = np.random.default_rng(seed)
    soft = rng.integers(60, 190, (6, 12, 1)) + rng.integers(-15, 15, (6, 12, 3))
    size = (width + 2 * count, height)
    wide = np.asarray(Image.fromarray(soft.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC))
    return [np.ascontiguousarray(wide[:, 2 * i : 2 * i + width]) for i in range(count)]


def make_clip(
    path: Path,
    pictures: list[np.ndarray],
    codec: str = "libx264",
    sound: str | None = "aac",
    *,
    pixels: str = "yuv420p",
    times: list[int] | None = None,
    base: Fraction = Fraction(1, RATE),
    seconds: float | None = None,
    container: str | None = None,
    options: dict[str, str] | None = None,
    file_options: dict[str, str] | None = None,
    adjust: Any = None,
) -> None:
    """Writes a clip; `times` are the pictures' in units of `base`, `seconds` the sound's length.

    `adjust` is called with the container and the video stream before anything is encoded.
    """
    with av.open(str(path), "w", format=container, container_options=file_options) as file:
        if codec == "libx265":
            options = {"x265-params": "log-level=none", **(options or {})}
        video = file.add_stream(codec, rate=RATE, options=options or {})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = pixels
        video.codec_context.time_base = video.time_base = base
        if codec in ("mpeg4", "mpeg2video", "wmv2", "h263"):
            video.codec_context.qscale, video.codec_context.global_quality = True, 2
        audio = file.add_stream(sound, rate=48000, bit_rate=96000) if sound else None
        if adjust is not None:
            adjust(file, video)
        for number, picture in enumerate(pictures):
            deep = picture.dtype == np.uint16
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le" if deep else "rgb24")
            frame = frame.reformat(
                format=pixels,
                dst_colorspace=video.codec_context.colorspace if video.colorspace != 2 else None,
                dst_color_range=video.codec_context.color_range or None,
            )
            frame.pts, frame.time_base = times[number] if times else number, base
            file.mux(video.encode(frame))
        if audio is not None:
            add_sound(file, audio, seconds or len(pictures) / RATE)
        file.mux(video.encode(None))


def add_sound(file, audio, seconds):
    wave = 0.3 * np.sin(np.arange(round(seconds * 48000)) * 0.05)
    form = audio.codec_context.format.name
    samples = np.stack([wave, -wave]) if form.endswith("p") else np.repeat(wave, 2)[None]
    kind = {"s16": np.int16, "s32": np.int32, "flt": np.float32}[form.removesuffix("p")]
    samples = (samples * (1 if kind is np.float32 else np.iinfo(kind).max)).astype(kind)
    step = 960 if form.endswith("p") else 1920  # packed, both channels lie in one row
    for start in range(0, samples.shape[1], step):
        part = np.ascontiguousarray(samples[:, start : start + step])
        frame = av.AudioFrame.from_ndarray(part, form, "stereo")
        frame.sample_rate, frame.pts = 48000, start * 960 // step
        file.mux(audio.encode(frame))
    file.mux(audio.encode(None))


@dataclass
class Clip:
    """What a file holds, read by PyAV alone."""

    times: list[float]
    pictures: list[np.ndarray]
    frames: list[Any]
    packets: dict[int, list[tuple[float, bytes]]]  # by stream; all but the video's
    duration: float
    tags: dict[str, str]
    streams: list[Any]
    chapters: list[dict[str, Any]]
    video: Any


def read_clip(path: Path) -> Clip:
    with av.open(str(path)) as file:
        video = next(s for s in file.streams.video if not s.disposition & Disposition.attached_pic)
        packets: dict[int, list[tuple[float, bytes]]] = {}
        frames = []
        for packet in file.demux():
            if packet.stream.index == video.index:
                frames += packet.decode()
            elif packet.size:
                time = float((packet.pts or 0) * packet.time_base)
                packets.setdefault(packet.stream.index, []).append((time, bytes(packet)))
        facts = [
            (
                s.type,
                s.codec_context and s.codec_context.name,
                s.disposition,
                {key: tag for key, tag in s.metadata.items() if key != "DURATION"},
            )
            for s in file.streams
        ]
        shape = video.codec_context
        seen = {
            "codec": shape.name,
            "pixels": shape.pix_fmt,
            "size": (shape.width, shape.height),
            "aspect": video.sample_aspect_ratio,
            "tag": shape.codec_tag,
            "average_rate": video.average_rate,
        }
        return Clip(
            [frame.time for frame in frames],
            [f.reformat(format="rgb24", interpolation=EXACT).to_ndarray() for f in frames],
            frames,
            packets,
            file.duration / av.time_base,
            dict(file.metadata),
            facts,
            file.chapters(),
            seen,
        )


def invert(picture):
    return np.iinfo(picture.dtype).max - picture


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


def assert_sound_is_the_same(source: Clip, result: Clip, within=0.002):
    assert source.packets and result.packets.keys() == source.packets.keys()
    for index, packets in source.packets.items():
        # PCM may be cut into packets anew; the other codecs' are the same one by one.
        assert b"".join(data for _, data in result.packets[index]) == b"".join(
            data for _, data in packets
        )
        if "pcm" not in source.streams[index][1]:
            np.testing.assert_allclose(
                [time for time, _ in result.packets[index]], [t for t, _ in packets], atol=within
            )
        assert result.packets[index][0][0] == pytest.approx(packets[0][0], abs=within)
        assert result.streams[index][1] == source.streams[index][1]
