"""Few shapes for many sizes: the arrays that pictures are laid into.

A program is compiled for the shape of its array. An array that is somewhat larger than its picture
(see `models.extent`) serves all sizes that it holds.
"""

from collections import defaultdict

STEPS = 8  # arrays' sides for each doubling: the padding is at most an eighth of a side,
LARGEST_STEP = 64  # and at most so many pixels: of large pictures each percent is worth a program
# Sides that come in thousands, the frames of a video and photographs shrunk for the web: they are
# worth arrays of their own. The other side of these is mostly a multiple of 64.
COMMON = (360, 600, 720, 800, 1080, 1200, 1440, 2160)
# An array that is there is taken if it has no more pixels than this, by those of the own one. For
# mixed sizes and programs that cost as much as 2.5 megapixels, 2 to 3 needs the least time.
MOST_WASTE = 2.5

Shape = tuple[int, int]


def frame_side(length: int, multiple: int) -> int:
    """The side of the array for a picture's side of `length` pixels, a multiple of `multiple`."""
    step = min(max(2 ** (length - 1).bit_length() // (2 * STEPS), multiple), LARGEST_STEP)
    step = -(-step // multiple) * multiple
    side = -(-length // step) * step
    return min([each for each in COMMON if each >= length and each % multiple == 0] + [side])


class Frames:
    """Which array a picture is laid into: the one that suits it, or one that has a program already.

    A new program takes seconds on a CPU and longer on an accelerator, for which many a picture is
    restored in too large an array. So a size has to wait for its own until what it lost by that is
    what its own costs: never more than twice the least possible is spent.
    """

    def __init__(self, multiple: int, *, reuse: bool = True) -> None:
        """`multiple` is the network's; without `reuse` every size gets its own array at once."""
        self._multiple = multiple
        self._reuse = reuse
        self._ready: set[Shape] = set()
        self._lost: defaultdict[Shape, float] = defaultdict(float)  # seconds, for each array
        self._set_up = 0.0  # seconds that the latest program took to be there
        self._pace = 0.0  # seconds a pixel

    def choose(self, height: int, width: int) -> Shape:
        """Height and width of the array for a picture or tile."""
        own = (frame_side(height, self._multiple), frame_side(width, self._multiple))
        if own in self._ready or not self._reuse:
            return own
        least = own[0] * own[1]
        holding = [
            shape
            for shape in self._ready
            if shape[0] >= height
            and shape[1] >= width
            and shape[0] * shape[1] <= MOST_WASTE * least
        ]
        if not holding:
            return own
        best = min(holding, key=lambda shape: (shape[0] * shape[1], shape))
        self._lost[own] += (best[0] * best[1] - least) * self._pace
        return own if self._lost[own] > self._set_up else best

    def used(self, shape: Shape, seconds: float) -> None:
        """A run in this array took so long; the first one included compiling or loading it."""
        if shape not in self._ready:
            self._ready.add(shape)
            self._set_up = max(seconds - self._pace * shape[0] * shape[1], 0.0)
        else:
            self._pace = seconds / (shape[0] * shape[1])
