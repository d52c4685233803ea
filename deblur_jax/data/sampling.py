"""Which crop a training sample is: a pure function of the seed and the sample's global number.

Nothing here has state, and nothing but 32-bit integer arithmetic happens, so NumPy on the host and
`jax.numpy` inside a jitted step agree bit for bit, any number of devices or hosts sees the same
data, and resuming means nothing more than going on with the next number.
"""

from typing import Any, NamedTuple

import numpy as np

AUGMENTATIONS = ("none", "flip", "dihedral")
_ROUNDS = 24  # of swap-or-not; enough to mix thousands of entries evenly

# Streams keep the draws of one sample apart.
_ORDER, _SIDE, _TOP, _LEFT, _FLIP, _FLOP, _TURN = range(7)


class Plan(NamedTuple):
    """What to cut for each sample, arrays of the shape of the sample numbers.

    Attributes:
      pair: int32, number of the pair.
      top, left: int32, the crop's first row and column in pixels.
      flip: bool, mirror left and right.
      flop: bool, mirror top and bottom, after `flip`.
      turn: bool, exchange rows and columns, after `flop`.
    """

    pair: Any
    top: Any
    left: Any
    flip: Any
    flop: Any
    turn: Any


def _mix(value: Any, xp: Any) -> Any:
    """MurmurHash3's 32-bit finaliser (Appleby, public domain), a bijection that mixes all bits."""
    value = value ^ (value >> 16)
    value = value * xp.uint32(0x85EBCA6B)
    value = value ^ (value >> 13)
    value = value * xp.uint32(0xC2B2AE35)
    return value ^ (value >> 16)


def bits(seed: int, stream: int, index: Any, xp: Any = np) -> Any:
    """Uniform 32-bit draws.

    Args:
      seed: of the run, any integer.
      stream: which of a sample's draws.
      index: uint32 array of sample numbers.
      xp: `numpy` or `jax.numpy`.

    Returns:
      uint32 array of the shape of `index`.
    """
    one = np.array([seed & 0xFFFFFFFF], np.uint32)
    start = _mix(_mix(one + np.uint32(0x9E3779B9), np) ^ np.uint32(stream), np)[0]
    # A golden-ratio stride takes neighbouring indices far apart before they are mixed.
    spread = xp.asarray(index, xp.uint32) * xp.uint32(0x9E3779B1)
    return _mix(_mix(spread + xp.uint32(start), xp) ^ xp.uint32(start >> 7), xp)


def shuffled(index: Any, size: int, seed: int, xp: Any = np) -> Any:
    """The entry that stands at each place of an endless run of shuffled epochs.

    Each epoch of `size` consecutive numbers visits every entry once, in an order of its own, by a
    swap-or-not shuffle (Hoang, Morris and Rogaway, 2012), which needs no list.

    Args:
      index: uint32 array of sample numbers.
      size: entries in an epoch, at least 1.
      seed: of the run.
      xp: `numpy` or `jax.numpy`.

    Returns:
      uint32 array in [0, size) of the shape of `index`.
    """
    index = xp.asarray(index, xp.uint32)
    count = xp.uint32(size)
    epoch, place = index // count, index % count
    for step in range(_ROUNDS):
        key = bits(seed, _ORDER, epoch * xp.uint32(_ROUNDS) + xp.uint32(step), xp)
        partner = (key % count + count - place) % count
        larger = xp.maximum(place, partner)
        swap = bits(seed, _SIDE, larger ^ _mix(key, xp), xp) & xp.uint32(1)
        place = xp.where(swap == 1, partner, place)
    return place


def plan(
    index: Any,
    heights: Any,
    widths: Any,
    *,
    crop: int,
    seed: int,
    augment: str = "flip",
    entries: Any | None = None,
    crop_last: bool = True,
    xp: Any = np,
) -> Plan:
    """Draws pair, place and mirroring of the crop of each sample.

    Args:
      index: uint32 array of global sample numbers.
      heights, widths: int32[N], sizes of the pairs, each at least `crop`.
      crop: side of the square crop in pixels.
      seed: of the run.
      augment: `none`, `flip` (left and right, half of the samples) or `dihedral` (all eight ways).
      entries: int32[E], the pair of each entry of an epoch, so that a pair may stand more than
        once; None lets each pair stand once.
      crop_last: whether a crop may touch the lower and the right border; in the authors' code
        (dd9e940, data/aligned_dataset.py:36) no larger picture's crop does.
      xp: `numpy` or `jax.numpy`.

    Returns:
      A `Plan` of arrays of the shape of `index`.
    """
    if augment not in AUGMENTATIONS:
        raise ValueError(f"augment is {augment!r}; it can be {', '.join(AUGMENTATIONS)}")
    heights, widths = xp.asarray(heights, xp.int32), xp.asarray(widths, xp.int32)
    size = len(heights) if entries is None else len(entries)
    entry = shuffled(index, size, seed, xp).astype(xp.int32)
    pair = entry if entries is None else xp.asarray(entries, xp.int32)[entry]

    def below(stream: int, bound: Any) -> Any:
        # The bias of a modulus is bound / 2^32, under one in a million for any picture.
        drawn = bits(seed, stream, index, xp) % bound.astype(xp.uint32)
        return drawn.astype(xp.int32)

    def places(lengths: Any) -> Any:
        room = lengths[pair] - crop
        return room + 1 if crop_last else xp.maximum(room, 1)

    def coin(stream: int, wanted: bool) -> Any:
        return ((bits(seed, stream, index, xp) >> 9) & xp.uint32(1) == 1) & wanted

    return Plan(
        pair=pair,
        top=below(_TOP, places(heights)),
        left=below(_LEFT, places(widths)),
        flip=coin(_FLIP, augment != "none"),
        flop=coin(_FLOP, augment == "dihedral"),
        turn=coin(_TURN, augment == "dihedral"),
    )
