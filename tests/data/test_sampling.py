"""Order and crops: a shuffle must be a shuffle, and NumPy and JAX must agree bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax.data import sampling


@pytest.mark.parametrize("size", [1, 2, 7, 100, 2103])
def test_every_epoch_visits_every_entry_once_in_an_order_of_its_own(size: int) -> None:
    order = sampling.shuffled(np.arange(3 * size, dtype=np.uint32), size, seed=5).reshape(3, size)
    for epoch in order:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(size))
    if size > 10:
        assert not np.array_equal(order[0], order[1])
        # A random permutation has one fixed point on average; eleven is past one in a million.
        assert (order[0] == np.arange(size)).sum() < 11


def test_order_looks_random() -> None:
    size, epochs = 50, 2000
    order = sampling.shuffled(np.arange(epochs * size, dtype=np.uint32), size, seed=1)
    counts = np.zeros((size, size))
    for place, entry in enumerate(order):
        counts[place % size, entry] += 1
    expected = epochs / size
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    # (size - 1)^2 degrees of freedom: mean 2401, standard deviation 69.
    assert abs(chi_squared - 2401) < 6 * 69


def test_numpy_and_jitted_jax_agree_bit_for_bit() -> None:
    index = np.arange(5000, dtype=np.uint32) * 7919
    sizes = {"heights": np.array([300, 256, 720]), "widths": np.array([400, 256, 1280])}
    entries = np.array([0, 1, 1, 2], np.int32)
    options = {"crop": 256, "seed": 3, "augment": "dihedral", "entries": entries}
    host = sampling.plan(index, **sizes, **options)
    device = jax.jit(lambda i: sampling.plan(i, **sizes, **options, xp=jnp))(index)
    for name, a, b in zip(host._fields, host, device, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


def test_crops_lie_inside_and_reach_every_border() -> None:
    plan = sampling.plan(
        np.arange(20_000, dtype=np.uint32), [70, 64], [64, 80], crop=64, seed=0, augment="flip"
    )
    for pair, (height, width) in enumerate([(70, 64), (64, 80)]):
        own = plan.pair == pair
        assert set(plan.top[own]) == set(range(height - 64 + 1))
        assert set(plan.left[own]) == set(range(width - 64 + 1))


def test_crops_that_leave_the_last_row_and_column_alone() -> None:
    """As in the authors' code: of n places in a row the last is never drawn, unless it is alone."""
    sizes = [(70, 64), (65, 80), (64, 64)]
    index = np.arange(20_000, dtype=np.uint32)
    plan = sampling.plan(index, *zip(*sizes, strict=True), crop=64, seed=0, crop_last=False)
    for pair, (height, width) in enumerate(sizes):
        own = plan.pair == pair
        assert set(plan.top[own]) == set(range(max(height - 64, 1)))
        assert set(plan.left[own]) == set(range(max(width - 64, 1)))
        assert (height >= plan.top[own] + 64).all() and (width >= plan.left[own] + 64).all()
    device = jax.jit(
        lambda i: sampling.plan(
            i, *zip(*sizes, strict=True), crop=64, seed=0, crop_last=False, xp=jnp
        )
    )(index)
    for name, a, b in zip(plan._fields, plan, device, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)
    # Only the places are others.
    usual = sampling.plan(index, *zip(*sizes, strict=True), crop=64, seed=0)
    for name in ("pair", "flip", "flop", "turn"):
        np.testing.assert_array_equal(getattr(plan, name), getattr(usual, name))


@pytest.mark.parametrize(
    ("augment", "flip", "others"), [("none", 0, 0), ("flip", 0.5, 0), ("dihedral", 0.5, 0.5)]
)
def test_mirroring_is_as_often_as_said(augment: str, flip: float, others: float) -> None:
    plan = sampling.plan(
        np.arange(10_000, dtype=np.uint32), [64], [64], crop=64, seed=2, augment=augment
    )
    for drawn, share in ((plan.flip, flip), (plan.flop, others), (plan.turn, others)):
        assert abs(drawn.mean() - share) < 0.025  # five standard deviations


def test_entries_repeat_a_pair() -> None:
    entries = np.array([0, 1, 1, 1], np.int32)
    plan = sampling.plan(
        np.arange(400, dtype=np.uint32), [8, 8], [8, 8], crop=8, seed=0, entries=entries
    )
    assert (plan.pair == 1).sum() == 300


def test_seed_and_stream_change_the_draws() -> None:
    index = np.arange(1000, dtype=np.uint32)
    draws = [sampling.bits(seed, stream, index) for seed in (0, 1) for stream in (0, 1)]
    for i, a in enumerate(draws):
        for b in draws[i + 1 :]:
            assert (a == b).mean() < 0.01


def test_unknown_augmentation_is_refused() -> None:
    with pytest.raises(ValueError, match="augment is 'spin'"):
        sampling.plan(np.zeros(1, np.uint32), [8], [8], crop=8, seed=0, augment="spin")
