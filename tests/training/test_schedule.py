"""Learning rates against the values that the sources state."""

import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax.training.schedule import learning_rate


def test_the_papers_schedule_is_constant_then_linear_to_zero() -> None:
    rate = learning_rate("constant_linear", 1e-4, 300)
    epochs = np.array([0, 1, 149, 150, 225, 299, 300])
    expected = 1e-4 * np.minimum(1, (300 - epochs) / 150)
    np.testing.assert_allclose([rate(jnp.int32(e)) for e in epochs], expected, rtol=1e-5)


def test_the_authors_code_lowers_the_rate_at_the_end_of_epochs() -> None:
    """150 + 150 epochs: after each of the epochs 151, 152, … the rate loses 1/150 of its start."""
    epoch = 7  # steps
    rate = learning_rate("constant_linear", 1e-4, 300 * epoch, decay_every=epoch)
    expected, current = [], 1e-4
    for number in range(1, 301):
        expected += [current] * epoch
        if number > 150:
            current -= 1e-4 / 150
    found = [float(rate(jnp.int32(step))) for step in range(0, 300 * epoch, 5)]
    np.testing.assert_allclose(found, expected[::5], rtol=1e-4, atol=1e-10)


def test_a_constant_rate_stays() -> None:
    rate = learning_rate("constant", 1e-4, 10)
    assert [float(rate(jnp.int32(step))) for step in (0, 9, 10)] == pytest.approx([1e-4] * 3)


def test_cosine_with_warm_up() -> None:
    rate = learning_rate("cosine", 2.0, 100, warmup_steps=9)
    for step in (0, 4, 9, 50, 100):
        expected = 2 * 0.5 * (1 + np.cos(np.pi * step / 100)) * min(1, (step + 1) / 10)
        np.testing.assert_allclose(rate(jnp.int32(step)), expected, atol=1e-6)


def test_unknown_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="'sawtooth'"):
        learning_rate("sawtooth", 1.0, 10)
