"""Batches in parts and blocks that are computed again: the same step, in less memory."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax import compiler
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.training import accumulation, steps
from deblur_jax.training.state import Recipe, TrainState, init_state

RECIPE = Recipe(
    generator=GeneratorConfig(width=4, blocks=2, dropout=0.5),
    critic=CriticConfig(width=4),
    learning_rate=lambda step: jnp.float32(1e-3),
    pixel_weight=0.5,
    critic_steps=1,
    adam_b1=0.9,
)


def batch(slices: int, size: int = 4, side: int = 32) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    draw = lambda: rng.uniform(-1, 1, (slices, size, side, side, 3)).astype(np.float32)  # noqa: E731
    index = np.arange(slices * size, dtype=np.uint32).reshape(slices, size)
    return {"blurred": draw(), "sharp": draw(), "index": index}


def step(recipe: Recipe) -> tuple[TrainState, dict[str, Any]]:
    made = jax.jit(partial(steps.train_step, recipe=recipe))
    return made(init_state(jax.random.key(0), recipe), batch(recipe.slices))


def assert_close(one: Any, two: Any, rtol: float) -> None:
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(two), strict=True
    ):
        scale = max(float(np.abs(x).max(initial=0)), 1e-6)
        np.testing.assert_allclose(x, y, atol=rtol * scale, rtol=0, err_msg=str(path))


@pytest.mark.parametrize("slow", [True, False])
def test_the_mean_gradient_of_parts_is_that_of_the_batch(
    slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "loops_are_slow", lambda: slow)
    x = jnp.arange(12.0).reshape(6, 2)

    def loss(w: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jnp.square(x @ w).mean(), x.mean()

    w = jnp.array([1.0, -2.0])
    gradient, mean = accumulation.gradients(loss, w, x, 3)
    # d/dw mean (x w)^2 = 2 x^T x w / B
    np.testing.assert_allclose(gradient, 2 * np.asarray(x).T @ np.asarray(x) @ w / 6, rtol=1e-6)
    assert float(mean) == 5.5
    np.testing.assert_array_equal(accumulation.in_parts(lambda x: 2 * x, x, 3), 2 * x)
    with pytest.raises(ValueError, match="batch of 6 does not divide into 4 parts"):
        accumulation.split(x, 4)


@pytest.mark.parametrize("alpha", ["sample", "batch"])
def test_a_step_in_parts_is_the_step(alpha: str) -> None:
    recipe = RECIPE._replace(alpha=alpha)
    whole, numbers = step(recipe)
    parts, others = step(recipe._replace(accumulate=2))
    for name in numbers:
        assert float(others[name]) == pytest.approx(float(numbers[name]), rel=2e-4, abs=1e-5), name
    # First moments are gradients; the parameters would show rounding through Adam's division.
    assert_close(whole.generator_moments.mu["tail"], parts.generator_moments.mu["tail"], 1e-4)
    assert_close(whole.critic_moments.mu["score"], parts.critic_moments.mu["score"], 1e-4)


def test_blocks_computed_again_are_the_same() -> None:
    def compiled(remat: bool) -> tuple[Any, int]:
        recipe = RECIPE._replace(
            remat=remat, generator=GeneratorConfig(width=4, blocks=3, norm="batch")
        )
        state = init_state(jax.random.key(0), recipe)
        own = jax.tree.map(lambda x: x[0], batch(1))
        made = jax.jit(partial(steps.generator_step, recipe=recipe)).lower(state, own).compile()
        return made(state, own)[0], made.as_text().count(" convolution(")

    (plain, few), (again, many) = compiled(False), compiled(True)
    # Accelerators need less memory so; XLA:CPU orders the work otherwise, and gains nothing.
    assert many == few + 2 * 3
    assert jax.tree.structure(plain) == jax.tree.structure(again)
    assert_close(plain.generator_moments.mu["tail"], again.generator_moments.mu["tail"], 1e-5)
    assert_close(plain.batch_stats, again.batch_stats, 1e-5)
