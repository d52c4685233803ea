"""Few shapes for many sizes."""

import numpy as np
import pytest

from deblur_jax.restore.shapes import COMMON, STEPS, Frames, frame_side


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


def run(sizes, set_up, pace=1e-6, multiple=8):
    """(shapes, seconds, seconds if each had its own program for nothing) of restoring `sizes`."""
    frames, ready, total, least = Frames(multiple), set(), 0.0, 0.0
    for size in sizes:
        height, width = (-(-int(n) // multiple) * multiple for n in size)
        shape = frames.choose(height, width)
        assert shape[0] >= height and shape[1] >= width
        seconds = shape[0] * shape[1] * pace + (0 if shape in ready else set_up)
        frames.used(shape, seconds)
        ready.add(shape)
        total += seconds
        least += frame_side(height, multiple) * frame_side(width, multiple) * pace
    return ready, total, least


def test_a_hundred_sizes_need_few_programs(rng):
    sizes = rng.integers(300, 1300, (100, 2))
    assert len({tuple(size) for size in -(-sizes // 8)}) > 98
    shapes, total, _ = run(sizes, set_up=2.5)
    assert len(shapes) <= 25
    own = len({tuple(frame_side(int(n), 8) for n in -(-size // 8) * 8) for size in sizes})
    assert own > 80  # and it would have been so many
    assert total < 0.6 * (own * 2.5 + 100 * 0.64)


def test_a_program_that_costs_nothing_is_made_at_once(rng):
    _, total, least = run(rng.integers(300, 1300, (60, 2)), set_up=0.0)
    assert total <= 1.02 * least


def test_a_size_that_returns_gets_its_own(rng):
    sizes = [(720, 1280)] * 3 + [(640, 1100)] * 200
    shapes, total, least = run(sizes, set_up=2.0)
    assert shapes == {(720, 1280), (640, 1152)}
    # What was lost by waiting is what a program costs, the first of which seems to cost more.
    assert total <= least + 2 * 2.0 + 2.0 + 0.95


def test_without_reuse_every_size_has_its_own():
    frames = Frames(8, reuse=False)
    frames.used((720, 1280), 3.0)
    assert frames.choose(640, 1152) == (640, 1152)


def test_much_smaller_pictures_do_not_share(rng):
    assert len(run([(1024, 1024), (256, 256), (64, 64)], set_up=60.0)[0]) == 3
