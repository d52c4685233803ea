"""The critic: its size, its map and its arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import numpy_networks
import pytest

from deblur_jax import models
from deblur_jax.models import CriticConfig


def shapes(config):
    return jax.eval_shape(lambda: models.init_critic(jax.random.key(0), config))


def test_parameter_count_and_map_of_the_papers_critic():
    config = CriticConfig()
    params = shapes(config)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 2_764_737
    for side, patches in ((256, 35), (16, 5)):
        x = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
        scores = jax.eval_shape(lambda p, x: models.apply_critic(p, x, config), params, x)
        assert scores.shape == (2, patches, patches, 1) and scores.dtype == jnp.float32


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_equals_the_network_written_in_numpy(rng, norm):
    config = CriticConfig(width=4, norm=norm)
    params = numpy_networks.random_like(rng, shapes(config), 0.1)
    x = rng.uniform(-1, 1, (2, 24, 16, 3)).astype(np.float32)
    scores = jax.jit(lambda p, x: models.apply_critic(p, x, config))(params, x)
    expected = numpy_networks.critic(params, x, norm=norm)
    assert expected.std() > 0.05
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_batch_norm_of_the_critic_takes_the_batch_and_instance_norm_does_not(rng):
    x = rng.uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    for norm, alone_is_the_same in (("instance", True), ("batch", False)):
        config = CriticConfig(width=4, norm=norm)
        params = numpy_networks.random_like(rng, shapes(config), 0.1)
        score = jax.jit(lambda p, x, config=config: models.apply_critic(p, x, config))
        same = np.allclose(score(params, x)[:1], score(params, x[:1]), atol=1e-5)
        assert same == alone_is_the_same


def test_bfloat16_scores_are_float32_and_near(rng):
    config = CriticConfig(width=8)
    # The generator of random bits does not matter here, and this one compiles faster.
    draw = jax.jit(lambda: models.init_critic(jax.random.key(0, impl="rbg"), config))
    params = draw()
    x = rng.uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    exact, scores = (
        np.asarray(
            jax.jit(lambda p, x, t=dtype: models.apply_critic(p, x, config, dtype=t))(params, x)
        )
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert scores.dtype == np.float32 and (scores != exact).any()
    assert np.abs(scores - exact).mean() < 0.03 * np.abs(exact).mean()
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
