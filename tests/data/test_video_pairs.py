"""Averages are those of plain numpy, windows follow each other, and what teaches nothing goes."""

import numpy as np
import pytest

from deblur_jax.data.video.pairs import Average, check_lengths, windows
from deblur_jax.errors import UsageError


def pan(rng, count, height=48, width=64, speed=3):
    """Frames of a camera that turns steadily over a scene with edges."""
    wide = np.kron(
        rng.integers(0, 256, (height // 8, (width + speed * count) // 8 + 1, 3)),
        np.ones((8, 8, 1)),
    ).astype(np.uint8)
    return [np.ascontiguousarray(wide[:, speed * i : speed * i + width]) for i in range(count)]


def split(frames, lengths=(3, 5), seed=0, **options):
    return list(windows(frames, lengths, rng=np.random.default_rng(seed), **options))


@pytest.mark.parametrize("count", [1, 3, 7, 13, 301])
def test_averages_are_numpys(rng, count):
    frames = rng.integers(0, 256, (count, 20, 30, 3), dtype=np.uint8)
    frames[:, 0], frames[:, 1] = 0, 255  # the ends of the scale stay where they are
    average = Average()
    for frame in frames:
        average.add(frame)
    made = average.results()
    exact = frames.astype(np.float64)
    np.testing.assert_array_equal(made["blur"], np.floor(exact.mean(0) + 0.5))
    light = 255 * ((exact / 255) ** 2.2).mean(0) ** (1 / 2.2)
    assert np.abs(made["blur_gamma"] - light).max() < 0.501  # float32: within a tie of rounding
    assert made["blur_gamma"][0].max() == 0 and made["blur_gamma"][1].min() == 255
    assert made["blur"].dtype == made["blur_gamma"].dtype == np.uint8


def test_light_is_brighter_than_values_and_one_kind_may_do():
    average = Average(["blur_gamma"])
    for value in (0, 255):
        average.add(np.full((2, 2, 3), value, np.uint8))
    made = average.results()
    # (1/2)^(1/2.2) of white: bright things leave bright trails
    assert list(made) == ["blur_gamma"] and (made["blur_gamma"] == 186).all()


def test_windows_follow_each_other_without_overlap(rng):
    frames = pan(rng, 60)
    found = split(frames, (3, 5, 7))
    assert len({window.length for window in found}) == 3
    start = 0
    for window in found:
        assert not window.left_out
        assert window.number == start + window.length // 2
        held = np.array(frames[start : start + window.length], np.float64)
        np.testing.assert_array_equal(window.pictures["blur"], np.floor(held.mean(0) + 0.5))
        np.testing.assert_array_equal(window.pictures["sharp"], frames[window.number])
        start += window.length
    assert 60 - start < 7  # the rest fills no window


def test_lengths_are_drawn_from_the_seed_alone(rng):
    frames = pan(rng, 80)
    lengths = [[w.length for w in split(frames, (3, 5, 7), seed)] for seed in (0, 0, 1)]
    assert lengths[0] == lengths[1] != lengths[2]
    moving_or_not = frames[:40] + [frames[40]] * 40
    assert [w.length for w in split(moving_or_not, (3, 5, 7))] == lengths[0]


def test_what_is_skipped_changes_nothing_else(rng):
    frames = pan(rng, 60)
    whole = split(frames)
    numbers = {window.number for window in whole[2:5]}
    part = split(frames, skip=numbers.__contains__)
    assert [w.number for w in part] == [w.number for w in whole]
    for mine, theirs in zip(part, whole, strict=True):
        assert mine.skipped == (mine.number in numbers) and bool(mine.pictures) != mine.skipped
        for kind, picture in mine.pictures.items():
            np.testing.assert_array_equal(picture, theirs.pictures[kind])


def test_windows_in_which_nothing_moves_are_left_out(rng):
    noisy = [
        np.rint(pan(rng_, 1)[0] * 0.8 + 20 + rng.normal(0, 3, (48, 64, 3))).astype(np.uint8)
        for rng_ in (np.random.default_rng(1) for _ in range(12))
    ]
    found = split([*noisy, *pan(np.random.default_rng(1), 12)], (3,))
    kinds = [window.left_out for window in found]
    assert kinds == ["static"] * 4 + [""] * 4
    assert not found[0].pictures


def test_a_camera_that_comes_back_is_not_static(rng):
    frames = pan(rng, 3)
    assert split([frames[0], frames[1], frames[2], frames[1], frames[0]], (5,))[0].pictures


def test_only_the_window_across_a_cut_is_left_out(rng):
    one, two = pan(rng, 10, speed=1), pan(rng, 11, speed=1)
    kinds = [window.left_out for window in split([*one, *two], (3,))]
    assert kinds == ["", "", "", "cut", "", "", ""]
    # a cut between two windows spoils neither
    assert [w.left_out for w in split([*one[:9], *two[:9]], (3,))] == [""] * 6


def test_frames_before_a_window_say_what_motion_is_usual(rng):
    """A jump that would be a cut after stillness is none after windows that jump as far."""
    levels = [0, 20, 40, 41, 42, 62]
    frames = [
        (frame // 4 + level).astype(np.uint8)
        for frame, level in zip(pan(rng, 6, speed=1), levels, strict=True)
    ]
    assert split(frames[3:], (3,))[0].left_out == "cut"
    kinds = [window.left_out for window in split(frames, (3,))]
    assert len(kinds) == 2 and "cut" not in kinds


def test_the_step_is_that_of_the_pan(rng):
    found = split(pan(rng, 9, 128, 256, speed=6), (9,))
    assert found[0].step == pytest.approx(6)


@pytest.mark.parametrize(
    ("lengths", "words"),
    [([7, 8], "8 frames have no middle"), ([1], "1 frames cannot"), ([-3], "-3"), ([], "missing")],
)
def test_lengths_that_cannot_be(lengths, words):
    with pytest.raises(UsageError, match=words):
        check_lengths(lengths)


def test_lengths_that_can():
    check_lengths([3, 7, 101])
