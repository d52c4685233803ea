"""Losses against numpy; the gradient penalty against closed forms and finite differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax import losses
from deblur_jax.models import CriticConfig, critic


def pair(rng, batch=3, height=4, width=5):
    shape = (2, batch, height, width, 3)
    return rng.uniform(-1, 1, shape).astype(np.float32)


def test_wasserstein_terms(rng):
    real, fake = rng.normal(size=(2, 3, 4, 5, 1)).astype(np.float32)
    mean = np.float64(fake).mean()
    np.testing.assert_allclose(
        losses.critic_loss(real, fake), mean - np.float64(real).mean(), atol=1e-6
    )
    np.testing.assert_allclose(losses.adversarial_loss(fake), -mean, atol=1e-6)
    # The critic learns to score sharp pictures higher, the generator to be scored higher.
    assert losses.critic_loss(real + 1, fake) < losses.critic_loss(real, fake)
    assert losses.adversarial_loss(fake + 1) < losses.adversarial_loss(fake)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("l1", lambda d: np.abs(d).mean()),
        ("mse", lambda d: (d**2).mean()),
        ("charbonnier", lambda d: np.sqrt(d**2 + 1e-6).mean()),
        ("psnr", lambda d: (10 * np.log10((d**2).mean((1, 2, 3)) / 4 + 1e-8)).mean()),
    ],
)
def test_pixel_losses(rng, name, expected):
    loss = losses.PIXEL_LOSSES[name]
    restored, sharp = pair(rng)
    np.testing.assert_allclose(
        loss(restored, sharp), expected(np.float64(restored) - np.float64(sharp)), rtol=1e-5
    )
    gradient = jax.grad(loss)(jnp.asarray(sharp), jnp.asarray(sharp))
    assert np.isfinite(gradient).all()
    assert set(losses.PIXEL_LOSSES) == {"l1", "mse", "charbonnier", "psnr"}


def checkerboard_over(shape, grey_levels):
    """A checkerboard of that amplitude in all channels, in the [-1, 1] scale."""
    y, x = np.mgrid[: shape[1], : shape[2]]
    return np.broadcast_to((grey_levels / 127.5 * (-1.0) ** (x + y))[..., None], shape)


def test_a_grid_that_a_network_adds_costs_what_it_stands_out(rng):
    # Under a normalised Hann window of 64 a checkerboard of amplitude a has the power
    # a^2 (2 * 64 / 3)^2, beside the 1/12 of rounding; ten of the eleven frequencies have none.
    blurred = rng.uniform(-0.9, 0.9, (2, 128, 160, 3))
    for amplitude in (0.5, 2.0):
        restored = blurred + checkerboard_over(blurred.shape, amplitude)
        expected = (np.sqrt(1 + 12 * amplitude**2 * (2 * 64 / 3) ** 2) - 1) / 11
        got = losses.grid_loss(*map(jnp.float32, (restored, blurred, blurred)))
        assert float(got) == pytest.approx(expected, rel=1e-3)


def test_a_grid_of_the_sharp_pictures_own_is_free(rng):
    blurred = rng.uniform(-0.9, 0.9, (2, 64, 64, 3))
    facade = blurred + checkerboard_over(blurred.shape, 8)
    cost = lambda *pictures: float(losses.grid_loss(*map(jnp.float32, pictures)))  # noqa: E731
    assert cost(facade, facade, blurred) == 0
    assert cost(blurred, facade, blurred) == 0  # less of it is the other losses' affair
    assert cost(facade, blurred, blurred) > 10
    with pytest.raises(ValueError, match="16x16"):
        cost(*np.zeros((3, 1, 12, 64, 3)))


def test_descending_the_grid_loss_takes_the_grid_away_and_leaves_the_rest(rng):
    blurred = jnp.float32(rng.uniform(-0.5, 0.5, (1, 64, 64, 3)))
    smooth = 0.1 * np.cos(2 * np.pi * np.arange(64) / 32)[:, None]
    sharp = blurred + jnp.float32(smooth)
    restored = sharp + jnp.float32(checkerboard_over(sharp.shape, 1))
    value_and_grad = jax.jit(jax.value_and_grad(losses.grid_loss))
    first, gradient = value_and_grad(restored, sharp, blurred)
    assert np.isfinite(gradient).all()
    board = checkerboard_over(sharp.shape, 1)
    along = float((gradient * board).sum() / jnp.linalg.norm(gradient) / np.linalg.norm(board))
    assert along > 0.5  # the window weighs the middle of its block more
    start = restored
    for _ in range(100):
        value, gradient = value_and_grad(restored, sharp, blurred)
        restored -= 0.005 * gradient / jnp.maximum(jnp.linalg.norm(gradient), 1e-9)
    assert float(value) < 0.2 * float(first)
    # And it goes by taking from the grid, not by adding texture: the error got smaller.
    assert jnp.linalg.norm(restored - sharp) < 0.9 * jnp.linalg.norm(start - sharp)


def test_perceptual_loss_compares_features_and_leaves_the_target_alone(rng):
    restored, sharp = pair(rng)
    weights = rng.normal(size=(3, 7)).astype(np.float32)
    features = lambda x: jnp.maximum(x @ weights, 0)  # noqa: E731
    ours, target = (np.maximum(np.float64(x) @ weights, 0) for x in (restored, sharp))
    loss = losses.perceptual_loss(features, jnp.asarray(restored), jnp.asarray(sharp))
    np.testing.assert_allclose(loss, ((ours - target) ** 2).mean(), rtol=1e-5)
    by_restored, by_sharp = jax.grad(functools.partial(losses.perceptual_loss, features), (0, 1))(
        jnp.asarray(restored), jnp.asarray(sharp)
    )
    expected = (2 * (ours - target) * (ours > 0) / ours.size) @ weights.T
    np.testing.assert_allclose(by_restored, expected, atol=1e-6)
    assert not by_sharp.any()


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_penalty_of_a_linear_critic(rng, reduce):
    """D(x) = <w, x>: the gradient is w wherever it is taken."""
    real, fake = pair(rng)
    w = rng.normal(size=real.shape[1:]).astype(np.float32)
    linear = lambda x: (x * w).sum((1, 2, 3))  # noqa: E731
    penalty = losses.gradient_penalty(linear, real, fake, rng.uniform(size=3), reduce=reduce)
    np.testing.assert_allclose(penalty, (np.linalg.norm(np.float64(w)) - 1) ** 2, rtol=1e-5)


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_penalty_of_a_map_of_scores(rng, reduce):
    """Of P linear scores the gradient is the sum of their weights, or a P-th of it."""
    real, fake = pair(rng)
    w = rng.normal(size=(2, 3, 1, *real.shape[1:])).astype(np.float32)
    patches = lambda x: jnp.einsum("bhwc,pqrhwc->bpqr", x, w)  # noqa: E731
    total = np.float64(w).sum((0, 1, 2)) / (1 if reduce == "sum" else 6)
    penalty = losses.gradient_penalty(patches, real, fake, rng.uniform(size=3), reduce=reduce)
    np.testing.assert_allclose(penalty, (np.linalg.norm(total) - 1) ** 2, rtol=1e-5)
    by_pixel = losses.gradient_penalty(
        patches, real, fake, rng.uniform(size=3), norm="pixel", reduce=reduce
    )
    norms = np.linalg.norm(total, axis=-1)
    np.testing.assert_allclose(by_pixel, ((norms - 1) ** 2).mean(), rtol=1e-5)


@pytest.mark.parametrize("alpha", [np.float32([0.0, 0.3, 1.0]), np.float32(0.3), 0.3])
@pytest.mark.parametrize("norm", ["sample", "pixel"])
def test_penalty_is_taken_between_real_and_fake(rng, alpha, norm):
    """D(x) = <a, x^2> / 2: the gradient a x tells where it was taken."""
    real, fake = pair(rng)
    a = rng.normal(size=real.shape[1:]).astype(np.float32)
    quadratic = lambda x: (a * x**2).sum((1, 2, 3)) / 2  # noqa: E731
    penalty = losses.gradient_penalty(quadratic, real, fake, alpha, norm=norm)
    share = np.float64(alpha).reshape(-1, 1, 1, 1)
    gradient = a * (share * np.float64(real) + (1 - share) * np.float64(fake))
    norms = np.sqrt((gradient**2).sum((1, 2, 3) if norm == "sample" else 3))
    np.testing.assert_allclose(penalty, ((norms - 1) ** 2).mean(), rtol=1e-5)


def test_the_default_is_the_papers_norm_of_each_samples_mean_score(rng):
    real, fake = pair(rng)
    w = rng.normal(size=(2, *real.shape[1:])).astype(np.float32)
    patches = lambda x: jnp.einsum("bhwc,phwc->bp", x, w)  # noqa: E731
    named = losses.gradient_penalty(patches, real, fake, 0.5, norm="sample", reduce="mean")
    assert losses.gradient_penalty(patches, real, fake, 0.5) == named


VARIANTS = [(norm, reduce) for norm in ("sample", "pixel") for reduce in ("mean", "sum")]


def penalties(score, real, fake, alpha):
    """The penalty in each of its variants."""
    return jnp.stack(
        [
            losses.gradient_penalty(score, real, fake, alpha, norm=norm, reduce=reduce)
            for norm, reduce in VARIANTS
        ]
    )


def test_penalty_is_finite_where_the_norm_is_zero(rng):
    """D(x) = w sum(x): at w = 0 the penalty is 1 with slope 0 (its curve has a tip there)."""
    real, fake = pair(rng)
    run = lambda w: penalties(lambda x: x.sum((1, 2, 3)) * w, real, fake, 0.5)  # noqa: E731
    np.testing.assert_allclose(run(0.0), 1.0, atol=1e-5)
    np.testing.assert_array_equal(jax.jit(jax.jacfwd(run))(0.0), 0.0)


def test_a_critic_of_zeros_costs_one_and_stays_finite():
    config = CriticConfig(width=2)
    shapes = jax.eval_shape(lambda: critic.init(jax.random.key(0), config))
    params = jax.tree.map(lambda s: jnp.zeros(s.shape), shapes)
    x = jnp.zeros((1, 16, 16, 3))

    def total(p):
        values = penalties(lambda y: critic.apply(p, y, config), x, x + 0.5, 0.5)
        return values.sum(), values

    (_, values), gradients = jax.jit(jax.value_and_grad(total, has_aux=True))(params)
    np.testing.assert_allclose(values, 1.0, atol=1e-5)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))


def small_critic(rng):
    """A critic with instance norm in float64, two pictures, and places between them."""
    config = CriticConfig(width=2)
    shapes = jax.eval_shape(lambda: critic.init(jax.random.key(0), config))
    params = jax.tree.map(lambda s: jnp.asarray(0.3 * rng.normal(size=s.shape)), shapes)
    real, fake = jnp.asarray(rng.uniform(-1, 1, (2, 2, 16, 16, 3)))
    score = lambda p, x: critic.apply(p, x, config, dtype=jnp.float64)  # noqa: E731
    return params, score, real, fake, jnp.asarray(rng.uniform(size=2))


def test_penalty_of_a_real_critic_by_finite_differences_of_its_scores(rng):
    with jax.enable_x64(True):
        params, score, real, fake, alpha = small_critic(rng)
        share = np.reshape(alpha, (-1, 1, 1, 1))
        mixed = np.asarray(share * real + (1 - share) * fake)
        step = 1e-5 * np.eye(mixed[0].size).reshape(-1, *mixed.shape[1:])
        total = jax.jit(lambda x: score(params, x).sum((1, 2, 3)))
        gradient = np.stack([(total(x + step) - total(x - step)) / 2e-5 for x in mixed])
        gradient = gradient.reshape(mixed.shape)
        found = jax.jit(lambda p: penalties(lambda x: score(p, x), real, fake, alpha))(params)
    for (norm, reduce), penalty in zip(VARIANTS, found, strict=True):
        scores = 25 if reduce == "mean" else 1  # a picture of 16x16 has 5x5 scores
        norms = np.sqrt(((gradient / scores) ** 2).sum((1, 2, 3) if norm == "sample" else 3))
        np.testing.assert_allclose(penalty, ((norms - 1) ** 2).mean(), rtol=1e-6)


def test_gradient_of_the_penalty_by_finite_differences(rng):
    with jax.enable_x64(True):
        params, score, real, fake, alpha = small_critic(rng)
        run = jax.jit(lambda p: penalties(lambda x: score(p, x), real, fake, alpha))
        # Along a random direction in each layer's kernel.
        directions = {
            layer: {
                "kernel": rng.normal(size=values["kernel"].shape),
                "bias": np.zeros(values["bias"].shape),
            }
            for layer, values in params.items()
        }
        slopes = jax.jit(jax.jacobian(run))(params)
        assert {g.dtype for g in jax.tree.leaves(slopes)} == {jnp.dtype("float64")}
        for layer, direction in directions.items():

            def moved(step, layer=layer, direction=direction):
                place = jax.tree.map(lambda p, d: p + step * d, params[layer], direction)
                return run(params | {layer: place})

            expected = (moved(1e-6) - moved(-1e-6)) / 2e-6
            found = (slopes[layer]["kernel"] * direction["kernel"]).sum((1, 2, 3, 4))
            assert (np.abs(expected) > 1e-6).all()
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("wrong", [{"norm": "channel"}, {"reduce": "max"}])
def test_unknown_choices_are_refused(wrong):
    (name,) = wrong
    x = jnp.zeros((1, 2, 2, 3))
    with pytest.raises(ValueError, match=f"{name} is '{wrong[name]}'"):
        losses.gradient_penalty(lambda y: y.sum((1, 2, 3)), x, x, 0.5, **wrong)
