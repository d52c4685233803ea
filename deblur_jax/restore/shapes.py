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
# An array that is there is taken if it has no more pixels than this, by those of the own one.
MOST_WASTE = 2.5
# Pixels that are restored while a program is made. On a CPU a megapixel takes 1.05 s, a program
# 0.95 to compile and 0.3 to load from disk (`default`): something between them. On an H100 a
# megapixel takes 6 ms and a program half a minute.
COST = {"cpu": 0.5e6, "other": 1e9}

Shape = tuple[int, int]


def frame_side(length: int, multiple: int) -> int:
    """The side of the array for a picture's side of `length` pixels, a multiple of `multiple`."""
    step = min(max(2 ** (length - 1).bit_length() // (2 * STEPS), multiple), LARGEST_STEP)
    step = -(-step // multiple) * multiple
    side = -(-length // step) * step
    return min([each for each in COMMON if each >= length and each % multiple == 0] + [side])


class Frames:
    """Which array a picture is laid into: the one that suits it, or one that has a program already.

    A program takes seconds on a CPU and longer on an accelerator, in which many a picture could be
    restored in too large an array. So a size has to wait for its own until what it lost by that is
    what a program costs. What is chosen depends on the sizes before alone, not on the clock.
    """

    def __init__(self, multiple: int, *, cost: float) -> None:
        """Starts without programs.

        Args:
          multiple: the network's, of sides in pixels.
          cost: how many pixels could be restored while a program is made; 0 makes one for each.
        """
        self._multiple = multiple
        self._cost = cost
        self._ready: set[Shape] = set()
        self._lost: defaultdict[Shape, float] = defaultdict(float)  # pixels, for each array

    def choose(self, height: int, width: int) -> Shape:
        """Height and width of the array for a picture or tile."""
        own = (frame_side(height, self._multiple), frame_side(width, self._multiple))
        if own in self._ready:
            return own
        least = own[0] * own[1]
        holding = [
            shape
            for shape in self._ready
            if shape[0] >= height
            and shape[1] >= width
            and shape[0] * shape[1] <= MOST_WASTE * least
        ]
        best = min(holding, key=lambda shape: (shape[0] * shape[1], shape), default=own)
        self._lost[own] += best[0] * best[1] - least
        if best == own or self._lost[own] >= self._cost:
            self._ready.add(own)
            return own
        return best
