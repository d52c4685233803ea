"""Few shapes for many sizes."""

import numpy as np
import pytest

from deblur_jax.restore.shapes import COMMON, COST, MOST_WASTE, STEPS, Frames, frame_side


@pytest.mark.parametrize("multiple", [4, 8, 32])
def test_sides_hold_the_picture_and_little_more(multiple):
    lengths = np.arange(multiple, 9000, multiple)
    sides = np.array([frame_side(int(n), multiple) for n in lengths])
    assert (sides >= lengths).all() and (sides % multiple == 0).all()
    assert (np.diff(sides) >= 0).all()
    large = lengths >= STEPS * multiple
    assert (sides[large] / lengths[large]).max() <= 1 + 1 / STEPS
    assert [frame_side(int(side), multiple) for side in sides] == sides.tolist()


@pytest.mark.parametrize("multiple", [4, 8])
def test_common_sides_are_met_exactly(multiple):
    for side in (*COMMON, 256, 480, 640, 1280, 1920, 3840):
        assert frame_side(side, multiple) == side


def run(sizes, cost, multiple=8):
    """(shapes, pixels computed, pixels if each had its own array) of restoring `sizes`."""
    frames, shapes, total, least = Frames(multiple, cost=cost), set(), 0, 0
    for size in sizes:
        height, width = (-(-int(n) // multiple) * multiple for n in size)
        shape = frames.choose(height, width)
        assert shape[0] >= height and shape[1] >= width
        shapes.add(shape)
        total += shape[0] * shape[1]
        least += frame_side(height, multiple) * frame_side(width, multiple)
    return shapes, total, least


def test_a_hundred_sizes_need_few_programs(rng):
    sizes = rng.integers(300, 1300, (100, 2))
    assert len({tuple(size) for size in -(-sizes // 8)}) > 98
    shapes, total, least = run(sizes, COST["cpu"])
    own, *_ = run(sizes, 0)
    assert len(own) > 80 and len(shapes) <= 25
    assert least <= total <= MOST_WASTE * least
    assert len(run(sizes, COST["other"])[0]) <= len(shapes)


def test_a_size_that_returns_gets_its_own():
    lost = 720 * 1280 - 640 * 1152  # pixels, each time that it is laid into the larger array
    for count, own in ((3, False), (4, True)):
        sizes = [(720, 1280), *[(640, 1100)] * count]
        shapes, total, least = run(sizes, cost=4 * lost)
        assert ((640, 1152) in shapes) == own
        assert total - least <= 3 * lost


def test_without_cost_every_size_has_its_own():
    shapes, total, least = run([(720, 1280), (640, 1152), (720, 1272)], cost=0)
    assert shapes == {(720, 1280), (640, 1152)} and total == least


def test_much_smaller_pictures_do_not_share():
    assert len(run([(1024, 1024), (256, 256), (64, 64)], cost=1e12)[0]) == 3
