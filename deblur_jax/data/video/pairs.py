"""Windows of frames as pairs, made the way GoPro was.

Windows of consecutive frames follow each other without overlap; the average of a window is the
blurred picture, its middle frame the sharp one (Nah et al., CVPR 2017: 7 to 13 frames at 240 a
second). `blur` averages the stored values, `blur_gamma` light, for which it takes the
camera to have applied a gamma of 2.2. Windows in which nothing moves, or a cut lies, are left out.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deblur_jax.data.video import motion
from deblur_jax.errors import UsageError

GAMMA = 2.2
BLURRED = ("blur", "blur_gamma")
SHARP = "sharp"
_NEIGHBOURS = 8  # frame differences before a window that a cut is measured against

Frame = NDArray[np.uint8]
_TO_LIGHT = ((np.arange(256) / 255.0) ** GAMMA).astype(np.float32)


class Average:
    """Sums frames as they come, so that a window's frames need not be held.

    Args:
      kinds: which averages to keep, of `blur` and `blur_gamma`.
    """

    def __init__(self, kinds: Sequence[str] = BLURRED) -> None:
        self.count = 0
        self._kinds = kinds
        self._values: NDArray[np.uint32] | None = None
        self._light: NDArray[np.float32] | None = None

    def add(self, frame: Frame) -> None:
        """Adds uint8[H, W, 3]."""
        self.count += 1
        if "blur" in self._kinds:
            if self._values is None:
                self._values = np.zeros(frame.shape, np.uint32)
            self._values += frame
        if "blur_gamma" in self._kinds:
            if self._light is None:
                self._light = np.zeros(frame.shape, np.float32)
            self._light += _TO_LIGHT[frame]

    def results(self) -> dict[str, Frame]:
        """{kind: uint8[H, W, 3]}, rounded to the nearest level."""
        made: dict[str, Frame] = {}
        if self._values is not None:
            # In whole numbers, to the nearest; an odd count has no ties.
            made["blur"] = ((2 * self._values + self.count) // (2 * self.count)).astype(np.uint8)
        if self._light is not None:
            stored = (self._light / np.float32(self.count)) ** np.float32(1 / GAMMA)
            made["blur_gamma"] = np.rint(stored * np.float32(255)).clip(0, 255).astype(np.uint8)
        return made


@dataclass
class Window:
    """A window of frames.

    Attributes:
      number: the middle frame's, counted from 0 over the whole source.
      length: how many frames it has.
      left_out: "static", "cut" or "" for a pair.
      skipped: not made, as `skip` wanted it; pictures is then empty.
      pictures: {folder: uint8[H, W, 3]}, the averages and `sharp`, if it is a pair.
      step: pixels that the picture moves between neighbouring frames in the middle.
    """

    number: int
    length: int
    left_out: str = ""
    skipped: bool = False
    pictures: dict[str, Frame] = field(default_factory=dict)
    step: float = 0.0


def check_lengths(lengths: Sequence[int]) -> None:
    """UsageError unless every window's number of frames is odd, so has a middle, and 3 or more."""
    if not lengths:
        raise UsageError("the number of frames to average is missing; name some, such as 7,9,11,13")
    for length in lengths:
        if length < 3:
            raise UsageError(f"{length} frames cannot be averaged to a pair; 3 is the least")
        if length % 2 == 0:
            raise UsageError(
                f"{length} frames have no middle one to be the sharp picture; name odd numbers"
            )


def windows(
    frames: Iterable[Frame],
    lengths: Sequence[int],
    *,
    rng: np.random.Generator,
    kinds: Sequence[str] = BLURRED,
    skip: Callable[[int], bool] = lambda number: False,
) -> Iterator[Window]:
    """Cuts a stream of frames into windows, each as long as `rng` draws from `lengths`.

    Frames at the end that fill no window are not used. A window whose middle frame's number
    `skip` accepts is passed over without being looked at.
    """
    before: deque[float] = deque(maxlen=_NEIGHBOURS)
    stream = iter(frames)
    start, last = 0, None
    while True:
        length = int(rng.choice(lengths))
        number = start + length // 2
        if skip(number):
            for done in range(length):
                if (passed := next(stream, None)) is None:
                    return
                if done == length - 1:
                    last = motion.thumbnail(passed)
            yield Window(number, length, skipped=True)
        else:
            window, differences, last = _window(stream, number, length, kinds, before, last)
            if window is None:
                return
            before.extend(differences)
            yield window
        start += length


def _window(
    stream: Iterator[Frame],
    number: int,
    length: int,
    kinds: Sequence[str],
    before: Iterable[float],
    last: motion.Array | None,
) -> tuple[Window | None, list[float], motion.Array | None]:
    """The next window (None where the stream ends in it), its differences, its last thumbnail."""
    average = Average(kinds)
    differences: list[float] = []
    kept: dict[int, Frame] = {}  # first, middle and the one after it, and last
    context = list(before)
    for index in range(length):
        frame = next(stream, None)
        if frame is None:
            return None, [], None
        average.add(frame)
        if index in (0, length // 2, length // 2 + 1, length - 1):
            kept[index] = frame
        small = motion.thumbnail(frame)
        if last is not None:
            difference = float(np.abs(small - last).mean())
            # The way from the window before is a neighbour, but no part of this one.
            (differences if index else context).append(difference)
        last = small
    first, middle, after = kept[0], kept[length // 2], kept[length // 2 + 1]
    window = Window(number, length)
    if motion.cuts(differences, context):
        window.left_out = "cut"
    elif all(motion.nothing_moved(first, f) for f in (kept[length - 1], middle)):
        window.left_out = "static"  # the middle, too: a shaken camera may be back at the end
    else:
        window.pictures = {**average.results(), SHARP: middle}
        window.step = motion.step(middle, after)
    return window, differences, last
