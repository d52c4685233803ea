"""Frames of a video as RGB, to be restored, and back in the pixels that are written."""

from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from deblur_jax.restore import video_encoding as encoding

GAP = 8  # white pixels between the two halves of a comparison

# Without the last two swscale makes 4:2:0 video, the usual kind, 1 to 2 grey levels too dark. What
# of colour is doubled and halved again comes back closer by bicubic than by bilinear filters.
_SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class Canvas:
    """Turns decoded frames to RGB and back, all by the size and the colours of the first.

    Attributes:
      deep: RGB has 16 bits a value, not 8.
      stated: the matrix and the range that the encoder is to state, as numbers of ITU-T H.273.
    """

    def __init__(self, first: Any, encoder: encoding.Encoder) -> None:
        """Takes size and colours from `first`, an av.VideoFrame; the pixels as `encoder` can."""
        self._size = first.width, first.height
        self._pixels = encoding.choose_pixels(encoder, first.format)
        self.deep = encoding.depth_of(av.VideoFormat(self._pixels)) > 8
        matrix, self._range = encoding.colours_of(first)
        self._read_by = None if encoding.is_rgb(first.format) else encoding.matrix_for(matrix)
        self.stated = matrix, self._range if first.color_range else 0
        if not encoder.states_colours:
            self.stated, self._range = (encoding.UNKNOWN, 0), encoding.LIMITED
        self._written_by = encoding.matrix_for(self.stated[0])
        self._to_rgb, self._from_rgb = VideoReformatter(), VideoReformatter()

    def rgb(self, frame: Any) -> Any:
        """An av.VideoFrame in RGB, with the times and whatever else the decoder tells of it."""
        width, height = self._size
        return self._to_rgb.reformat(
            frame,
            width,
            height,
            "rgb48le" if self.deep else "rgb24",
            src_colorspace=self._read_by,
            interpolation=_SCALING,
        )

    def painted(self, rgb: Any, values: NDArray[Any]) -> Any:
        """The frame to be encoded: `rgb`, which is spent by it, with `values` in it.

        Args:
          rgb: what `rgb` gave.
          values: uint8[H, W, 3], or uint16 where `deep`.
        """
        rgb.make_writable()  # a decoder may still need what it gave
        _fill(rgb, values)
        return self.fitted(rgb)

    def beside(self, rgb: Any, before: NDArray[Any], after: NDArray[Any]) -> Any:
        """A frame with `before` on the left and `after` on the right of a white gap."""
        gap = np.full((before.shape[0], GAP, 3), np.iinfo(before.dtype).max, before.dtype)
        joined = np.concatenate([before, gap, after], axis=1)
        wide = av.VideoFrame(joined.shape[1], joined.shape[0], rgb.format.name)
        wide.pts, wide.time_base, wide.duration = rgb.pts, rgb.time_base, rgb.duration
        wide.color_primaries, wide.color_trc = rgb.color_primaries, rgb.color_trc
        _fill(wide, joined)
        return self._coded(wide, joined.shape[1])

    def fitted(self, frame: Any) -> Any:
        """Any frame in the size and the pixels that are written."""
        return self._coded(frame, self._size[0])

    def _coded(self, frame: Any, width: int) -> Any:
        fitted = self._from_rgb.reformat(
            frame,
            width,
            self._size[1],
            self._pixels,
            interpolation=_SCALING,
            src_colorspace=self._read_by,
            dst_colorspace=self._written_by,
            dst_color_range=self._range,
        )
        fitted.colorspace, fitted.color_range = self.stated
        fitted.pict_type = 0  # the encoder decides which frames stand by themselves
        return fitted


def _fill(frame: Any, values: NDArray[Any]) -> None:
    """Sets the pixels of a packed RGB frame, whose rows may be padded."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    lower_byte_first = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    packed = lower_byte_first.view(np.uint8).reshape(values.shape[0], -1)
    rows[: packed.shape[0], : packed.shape[1]] = packed
