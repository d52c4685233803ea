"""What a restored video is written as: the encoder, its quality and its pixels, by container."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av

from deblur_jax.errors import UserError

# Numbers of ITU-T H.273, which FFmpeg shares; BT.601 is both 5 and 6 there.
BT709, UNKNOWN, BT601 = 1, 2, 5
LIMITED, FULL = 1, 2
# Matrices that swscale knows: these, FCC, SMPTE 240M and BT.2020
_MATRICES = {BT709, 4, BT601, 7, 9}


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg and how it is set.

    Attributes:
      name: as FFmpeg calls it.
      options: its own.
      quantizer: a constant one, from 1, the best; None where the options state the quality.
      tag: four letters that name the codec within the container; "" for the container's own.
      states_colours: its stream says by which matrix and range its colours are coded.
      odd: takes an odd width or height also where colour has half the size.
      depth: the most bits a value.
    """

    name: str
    options: dict[str, str] = field(default_factory=dict)
    quantizer: int | None = None
    tag: str = ""
    states_colours: bool = True
    odd: bool = True
    depth: int = 8

    @property
    def keeps_time(self) -> bool:
        """Takes any time of a frame; the others only count frames, and write them in order."""
        return self.quantizer is None


# High quality, since a restored frame holds more than the blurred one, in a few per cent of the
# time that restoring takes on the same cores; slower presets hardly raise the PSNR.
X264 = Encoder("libx264", {"preset": "medium", "crf": "16"}, odd=False)
X265 = Encoder(
    "libx265",
    {"preset": "medium", "crf": "16", "x265-params": "log-level=none"},
    odd=False,
    depth=12,
)
VP9 = Encoder(
    "libvpx-vp9",
    {"crf": "14", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
)
# Their streams say nothing of colours: players take BT.601.
MPEG4 = Encoder("mpeg4", quantizer=2, tag="XVID", states_colours=False)
MPEG2 = Encoder("mpeg2video", quantizer=2)
WMV2 = Encoder("wmv2", quantizer=2, states_colours=False)
MSMPEG4 = Encoder("msmpeg4", quantizer=2, states_colours=False)

# By the extension: FFmpeg's name of the container, and the encoder for it.
CONTAINERS = {
    ".mp4": ("mp4", X264),
    ".m4v": ("mp4", X264),
    ".mov": ("mov", X264),
    ".3gp": ("3gp", X264),
    ".mkv": ("matroska", X264),
    ".webm": ("webm", VP9),
    ".avi": ("avi", MPEG4),
    ".mpg": ("vob", MPEG2),
    ".mpeg": ("vob", MPEG2),
    ".wmv": ("asf", WMV2),
}
# Where a source's own codec is kept: HEVC files are half the size, and Apple's players want 'hvc1'.
_WITH_HEVC = {"mp4": "hvc1", "mov": "hvc1", "matroska": ""}


def container_of(target: Path) -> str:
    """FFmpeg's name of the container that the extension of `target` asks for; else UserError."""
    try:
        return CONTAINERS[target.suffix.lower()][0]
    except KeyError:
        raise UserError(f"cannot write {target}: videos end in {', '.join(CONTAINERS)}") from None


def choose_encoder(target: Path, codec: str, pixels: Any) -> Encoder:
    """The encoder for a restored video.

    HEVC stays HEVC where the container takes it. More than 8 bits become HEVC there too, which
    players decode at 10 bits, as they rarely do H.264. VP9 in Matroska stays VP9.

    Args:
      target: the file to be written; its extension decides.
      codec: FFmpeg's name of the source's codec.
      pixels: the source's av.VideoFormat.

    Raises:
      UserError: an extension of no video, or an encoder that FFmpeg was built without here.
    """
    container = container_of(target)
    encoder = CONTAINERS[target.suffix.lower()][1]
    if container in _WITH_HEVC and (codec == "hevc" or depth_of(pixels) > 8):
        encoder = replace(X265, tag=_WITH_HEVC[container])
    elif container == "matroska" and codec == "vp9":
        encoder = VP9
    elif encoder is WMV2 and (pixels.width % 2 or pixels.height % 2):
        encoder = MSMPEG4  # its forerunner takes odd sizes
    try:
        av.codec.Codec(encoder.name, "w")
    except ValueError as error:
        raise UserError(f"cannot write {target}: FFmpeg has no encoder {encoder.name} here") from (
            error
        )
    return encoder


def choose_pixels(encoder: Encoder, source: Any) -> str:
    """FFmpeg's name of the pixels to be written: the source's sampling of colour and its depth.

    Both as far as the encoder goes. RGB keeps its colours at full size. An odd width or height is
    kept too, and nothing cropped or padded: encoders that cannot halve it get colour at full size.

    Args:
      encoder: what writes them.
      source: the source's av.VideoFormat, with its width and height.
    """
    known = {known.name for known in av.codec.Codec(encoder.name, "w").video_formats or []}
    samplings = ["420", "422", "444"]
    odd = source.width % 2 or source.height % 2
    start = 2 if odd and not encoder.odd else samplings.index(sampling_of(source))
    depths = [bits for bits in (12, 10, 8) if bits <= min(encoder.depth, depth_of(source))]
    for bits in depths:
        # Better finer than the source's, then coarser.
        for sampling in samplings[start:] + samplings[:start][::-1]:
            name = f"yuv{sampling}p" + (f"{bits}le" if bits > 8 else "")
            if name in known:
                return name
    return "yuv420p"


def depth_of(pixels: Any) -> int:
    """Bits a value of an av.VideoFormat, as one of 8, 10 and 12 that can hold them."""
    bits = 8 if pixels.has_palette else max(part.bits for part in pixels.components)
    return 8 if bits <= 8 else 10 if bits <= 10 else 12


def sampling_of(pixels: Any) -> str:
    """How colour is sampled, as 420, 422 or 444; what lies between them counts as the finer."""
    if is_rgb(pixels):
        return "444"
    if len(pixels.components) < 3:
        return "420"  # gray: nothing is lost
    if pixels.chroma_height(4) < 4:
        return "420" if pixels.chroma_width(4) < 4 else "444"
    return "422" if pixels.chroma_width(4) < 4 else "444"


def has_alpha(pixels: Any) -> bool:
    """Whether an av.VideoFormat has transparency, which no encoder here keeps."""
    return any(part.is_alpha for part in pixels.components)


def is_rgb(pixels: Any) -> bool:
    """Whether an av.VideoFormat holds red, green and blue themselves, or a palette of them."""
    return bool(pixels.is_rgb or pixels.has_palette)


def colours_of(frame: Any) -> tuple[int, int]:
    """The matrix and the range that a frame is to be written with, as numbers of H.273.

    They are its own; BT.709 for RGB, and the limited range where it states none.
    """
    if is_rgb(frame.format):
        return BT709, LIMITED
    full = frame.color_range == FULL or frame.format.name.startswith("yuvj")
    return frame.colorspace, FULL if full else LIMITED


def matrix_for(stated: int) -> int:
    """The matrix to compute with: the stated one, or BT.601 where that is none or an odd one.

    FFmpeg takes BT.601 where nothing is stated, and so does this. Reading and writing by the same
    matrix leaves colours as they were, whichever it is.
    """
    return stated if stated in _MATRICES else BT601
