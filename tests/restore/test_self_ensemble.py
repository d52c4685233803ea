"""The self-ensemble: which versions there are, that they come back upright, and what it is told."""

import numpy as np
import pytest

from deblur_jax.errors import UsageError
from deblur_jax.images import Picture
from deblur_jax.restore import Restorer, memory, self_ensemble, tiling
from tests.restore.test_restorer import EXACT, NAFNET, SMALL, make_weights, picture, restorer_of


def symmetries(image):
    """The eight, by quarter turns; each with what puts it upright again."""
    for turns in range(4):
        yield np.rot90(image, turns), lambda x, k=turns: np.rot90(x, -k)
        yield np.fliplr(np.rot90(image, turns)), lambda x, k=turns: np.rot90(np.fliplr(x), -k)


def test_eight_versions_are_the_symmetries_of_a_rectangle(rng):
    image = picture(rng, 5, 7)
    ours = {
        (v.shape, v.tobytes())
        for v in (self_ensemble.version(image, number) for number in range(8))
    }
    assert ours == {(v.shape, v.tobytes()) for v, _ in symmetries(image)}
    assert len(ours) == 8


def test_versions_up_to_four_keep_height_and_width(rng):
    image = picture(rng, 5, 7)
    assert np.array_equal(self_ensemble.version(image, 0), image)
    assert np.array_equal(self_ensemble.version(image, 1), np.fliplr(image))
    assert all(self_ensemble.version(image, number).shape == image.shape for number in range(4))


def shifted(image, watch):
    """A restoration that treats directions differently, in bands of two rows."""
    whole = np.roll(image, (1, 2), (0, 1)).astype(np.float32)
    for top in range(0, len(whole), 2):
        if watch is not None:
            watch(min(1.0, (top + 2) / len(whole)))
        yield top, whole[top : top + 2]


def test_the_mean_is_of_upright_versions(rng):
    image = picture(rng, 6, 9)
    own = [back(np.roll(v, (1, 2), (0, 1))).astype(np.float64) for v, back in symmetries(image)]
    assert np.allclose(self_ensemble.mean(image, 8, shifted), np.mean(own, axis=0), atol=1e-4)
    own = [
        np.roll(image, (1, 2), (0, 1)).astype(np.float64),
        np.fliplr(np.roll(np.fliplr(image), (1, 2), (0, 1))).astype(np.float64),
    ]
    assert np.allclose(self_ensemble.mean(image, 2, shifted), np.mean(own, axis=0), atol=1e-4)


def test_the_share_that_is_done_goes_from_nought_to_one_once(rng):
    told = []
    self_ensemble.mean(picture(rng, 6, 9), 4, shifted, told.append)
    assert told == sorted(told)
    assert told[0] < 0.1
    assert told[-1] == 1
    assert len(set(told)) == 12


@pytest.mark.parametrize("config", [SMALL, EXACT, NAFNET])
def test_a_restorer_takes_the_mean_of_what_it_gives_without(config, rng):
    image = rng.random((37, 50, 3), np.float32)
    alone, eight = restorer_of(config), Restorer(make_weights(config), self_ensemble=8)
    each = np.array([back(alone.restore_unit(v)) for v, back in symmetries(image)])
    expected, found = each.mean(axis=0), eight.restore_unit(image)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)
    assert np.abs(found - each[0]).mean() > 1e-3


def test_a_turned_picture_gives_the_turned_result(rng):
    eight = Restorer(make_weights(EXACT), self_ensemble=8)
    image = picture(rng, 24, 40)
    plain = eight(image).astype(int)
    assert np.abs(np.rot90(plain) - eight(np.rot90(image))).max() <= 1


def test_tiles_change_nothing(rng):
    image = picture(rng, 90, 150)
    whole = Restorer(make_weights(EXACT), self_ensemble=4, tile="none")
    tiled = Restorer(make_weights(EXACT), self_ensemble=4, tile=80)
    assert np.abs(whole(image).astype(int) - tiled(image)).max() <= 1


def test_depth_and_alpha_are_kept_and_batches_are_as_calls(rng):
    two = Restorer(make_weights(EXACT), self_ensemble=2)
    deep = rng.integers(0, 65536, (24, 30, 3), dtype=np.uint16)
    alpha = rng.integers(0, 256, (24, 30), dtype=np.uint8)
    restored = two.restore_picture(Picture(deep, alpha=alpha))
    assert restored.rgb.dtype == np.uint16
    assert restored.alpha is not None
    assert np.array_equal(restored.alpha, alpha)
    assert np.array_equal(two.batch([deep])[0], two(deep))


@pytest.mark.parametrize("versions", [0, 3, 16, -1])
def test_other_numbers_are_refused(versions):
    with pytest.raises(UsageError, match="can be 1, 2, 4, 8"):
        Restorer(make_weights(), self_ensemble=versions)


def test_what_its_sum_takes_is_not_the_networks(monkeypatch, rng):
    given = []

    def choose_sides(height, width, tile, config, budget):
        given.append(budget)

    monkeypatch.setattr(tiling, "choose_sides", choose_sides)
    image = picture(rng, 15, 23)
    for versions in (1, 2):
        Restorer(make_weights(EXACT), self_ensemble=versions, max_memory="1G")(image)
    beside = 15 * 23 * 3 * (4 + 1)  # float32 of the sum and uint8 of the version
    assert given == [2**30, 2**30 - beside, 2**30 - beside]
    given.clear()
    Restorer(make_weights(EXACT), self_ensemble=2, max_memory="256M")(image)
    assert given == [memory.LEAST] * 2
    given.clear()
    Restorer(make_weights(EXACT), self_ensemble=2)(image)  # of what is free only a share is taken
    monkeypatch.setattr(memory, "free_memory", lambda: 2**31)
    Restorer(make_weights(EXACT), self_ensemble=2)(image)
    assert given[2:] == [2**30] * 2
