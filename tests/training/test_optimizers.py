"""What gradients become: Adam's updates, and Muon's of a generator's matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deblur_jax.models import CriticConfig, GeneratorConfig, generator
from deblur_jax.training import optimizers
from deblur_jax.training.state import Recipe

NETWORKS = {
    "resnet": GeneratorConfig(width=4, blocks=1, dropout=0.0),
    "unshuffle": GeneratorConfig(generator="unshuffle", norm="none", width=4, blocks=1, dropout=0),
    "nafnet": GeneratorConfig(
        generator="nafnet", norm="none", width=4, blocks=2, outer_blocks=(1, 1), dropout=0.0
    ),
}


def recipe(network: str, optimizer: str) -> Recipe:
    return Recipe(
        NETWORKS[network], CriticConfig(), lambda step: 1e-3, optimizer=optimizer, adam_b1=0.9
    )


def first_update(network: str, optimizer: str, rng: np.random.Generator):
    params = generator.init(jax.random.key(0), NETWORKS[network])
    gradients = jax.tree.map(lambda p: rng.normal(0, 1e-3, p.shape).astype(np.float32), params)
    made = optimizers.generator(recipe(network, optimizer))
    updates, _ = jax.jit(made.update)(gradients, made.init(params), params)
    return gradients, updates


def matrices(path, x: np.ndarray) -> list[np.ndarray]:
    """A leaf's matrices, inputs to outputs; none where it has none."""
    names = [key.key for key in path]
    if names[-1] != "kernel" or "depthwise" in names:
        return []
    if x.ndim == 4:
        return [x.reshape(-1, x.shape[3])]
    return list(x.reshape(-1, *x.shape[-2:]))


@pytest.mark.parametrize("network", NETWORKS)
def test_muon_evens_out_every_matrix_and_leaves_the_rest_to_adam(network, rng) -> None:
    gradients, updates = first_update(network, "muon", rng)
    adam = optax.scale_by_adam(b1=0.9, b2=0.999, nesterov=True)
    usual, _ = adam.update(gradients, adam.init(gradients))
    leaves = jax.tree_util.tree_leaves_with_path(gradients)
    seen = 0
    for (path, gradient), update, own in zip(
        leaves, jax.tree.leaves(updates), jax.tree.leaves(usual), strict=True
    ):
        pairs = list(zip(matrices(path, gradient), matrices(path, np.asarray(update)), strict=True))
        if not pairs:
            np.testing.assert_allclose(update, own, rtol=1e-5, atol=1e-7)
        for before, after in pairs:
            seen += 1
            # Of U S V^T is left 0.2 sqrt(the longer side) U V^T, as near as five iterations come.
            u, _, vt = np.linalg.svd(before, full_matrices=False)
            scaled = u.T @ after @ vt.T / (0.2 * np.sqrt(max(before.shape)))
            size = np.diag(scaled)
            assert size.min() > 0.3 and size.max() < 1.3, path
            assert np.abs(scaled - np.diag(size)).max() < 0.02
    assert seen >= 8


@pytest.mark.parametrize("shape", [(2304, 256), (48, 64), (3, 40, 24), (5, 5), (7, 1)])
def test_an_orthogonal_matrix_is_the_polynomial_of_the_singular_values(shape, rng) -> None:
    # Singular values over five decades: what is small must neither be lost nor blow up.
    u, _, vt = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    values = np.logspace(0, -5, u.shape[-1])
    before = (u * values) @ vt
    s = values / np.sqrt(np.sum(values**2))
    for _ in range(5):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    after = jax.jit(optimizers.orthogonal)(before.astype(np.float32))
    np.testing.assert_allclose(after, (u * s) @ vt, atol=2e-3 * np.abs((u * s) @ vt).max())


def test_muon_steps_as_optax_own_muon_does(rng) -> None:
    params = {"kernel": jnp.zeros((3, 3, 16, 8)), "bias": jnp.zeros((8,))}
    own = optimizers.generator(recipe("resnet", "muon"))
    dimensions = {
        "kernel": optax.contrib.MuonDimensionNumbers((0, 1, 2), (3,)),
        "bias": None,
    }
    theirs = optax.contrib.muon(
        -1.0, adam_b1=0.9, consistent_rms=0.2, muon_weight_dimension_numbers=dimensions
    )
    states = own.init(params), theirs.init(params)
    for _ in range(60):
        gradients = jax.tree.map(lambda p: rng.normal(0, 1e-3, p.shape).astype(np.float32), params)
        ours, first = own.update(gradients, states[0], params)
        optax_s, second = theirs.update(gradients, states[1], params)
        states = first, second
    # Optax divides the momentum by what it lacks of a full one; after 60 steps that is a twentieth.
    np.testing.assert_allclose(ours["bias"], optax_s["bias"], rtol=1e-4)
    a, b = np.ravel(ours["kernel"]), np.ravel(optax_s["kernel"])
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.999
    np.testing.assert_allclose(np.linalg.norm(a), np.linalg.norm(b), rtol=0.01)


def test_adam_is_optax_own(rng) -> None:
    gradients, updates = first_update("nafnet", "adam", rng)
    adam = optax.scale_by_adam(b1=0.9, b2=0.999)
    usual, _ = adam.update(gradients, adam.init(gradients))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), updates, usual)


def test_a_critic_has_adam_whatever_the_generator_has() -> None:
    params = {"kernel": jnp.ones((4, 4, 3, 8))}
    state = optimizers.critic(recipe("resnet", "muon")).init(params)
    assert isinstance(state, optax.ScaleByAdamState)
