"""Steps against plain autodiff and Adam written out, and one device against eight."""

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deblur_jax import losses
from deblur_jax.models import CriticConfig, GeneratorConfig, apply_critic, apply_generator
from deblur_jax.training import parallel, steps
from deblur_jax.training.state import Recipe, TrainState, init_state

SIZE = 32
RECIPE = Recipe(
    generator=GeneratorConfig(width=4, blocks=1, dropout=0.0),
    critic=CriticConfig(width=4),
    learning_rate=lambda step: jnp.float32(1e-3),
    pixel_weight=0.5,
    critic_steps=2,
)


def make_batch(slices: int, size: int = 8) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    draw = lambda: rng.uniform(-1, 1, (slices, size, SIZE, SIZE, 3)).astype(np.float32)  # noqa: E731
    index = np.arange(slices * size, dtype=np.uint32).reshape(slices, size)
    return {"blurred": draw(), "sharp": draw(), "index": index}


@cache
def jitted(function: Callable, recipe: Recipe, **options: object) -> Callable:
    """Compiled once for all tests that need the same."""
    return jax.jit(partial(function, recipe=recipe, **options))


def one_slice(batch: dict, number: int) -> dict:
    return jax.tree.map(lambda x: x[number], batch)


def assert_trees_close(a: object, b: object, rtol: float, floor: float) -> None:
    """Element by element, relative to the largest element of each leaf."""
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True
    ):
        x, y = np.asarray(x), np.asarray(y)
        scale = max(float(np.abs(x).max(initial=0)), floor)
        np.testing.assert_allclose(x, y, atol=rtol * scale, rtol=0, err_msg=str(path))


def without_dead_biases(tree: dict) -> list:
    """Leaves out biases in front of an instance norm, whose gradients are pure rounding."""
    alive = ("tail", "score", "conv_0")

    def dead(path: tuple) -> bool:
        return path[-1].key == "bias" and path[0].key not in alive

    return [(p, x) for p, x in jax.tree_util.tree_leaves_with_path(tree) if not dead(p)]


def test_critic_step_is_adam_on_wasserstein_plus_penalty() -> None:
    state, batch = init_state(jax.random.key(0), RECIPE), one_slice(make_batch(1), 0)
    new, scalars = jitted(steps.critic_step, RECIPE)(state, batch)
    restore = jax.jit(lambda p, x: apply_generator(p, x, RECIPE.generator))
    fake = restore(state.generator, batch["blurred"])
    alpha = steps._alphas(RECIPE, batch["index"], 0, None)
    assert alpha.shape == (8,) and len(np.unique(alpha)) == 8

    def loss(params: dict) -> jax.Array:
        critic = lambda x: apply_critic(params, x, RECIPE.critic)  # noqa: E731
        distance = critic(fake).mean() - critic(batch["sharp"]).mean()
        return distance + 10 * losses.gradient_penalty(critic, batch["sharp"], fake, alpha)

    value, gradient = jax.jit(jax.value_and_grad(loss))(state.critic)
    np.testing.assert_allclose(scalars["loss/critic"], value, rtol=1e-5)
    # The first step of Adam is lr * g / (|g| + eps), whatever its decays.
    expected = jax.tree.map(lambda p, g: p - 1e-3 * g / (jnp.abs(g) + 1e-8), state.critic, gradient)
    kernel = lambda tree: tree["conv_1"]["kernel"]  # noqa: E731
    large = np.abs(kernel(gradient)) > 1e-4
    np.testing.assert_allclose(kernel(new.critic)[large], kernel(expected)[large], atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, new.generator, state.generator)


def test_generator_step_is_adam_on_the_weighted_sum() -> None:
    recipe = RECIPE._replace(adversarial_weight=0.3, average_decay=0.5)
    state, batch = init_state(jax.random.key(0), recipe), one_slice(make_batch(1), 0)
    new, scalars = jitted(steps.generator_step, recipe)(state, batch)

    def loss(params: dict) -> jax.Array:
        restored = apply_generator(params, batch["blurred"], recipe.generator)
        score = apply_critic(state.critic, restored, recipe.critic).mean()
        return 0.5 * jnp.abs(restored - batch["sharp"]).mean() - 0.3 * score

    value, gradient = jax.jit(jax.value_and_grad(loss))(state.generator)
    np.testing.assert_allclose(scalars["loss/generator"], value, rtol=1e-5)
    tail = gradient["tail"]["kernel"]
    expected = state.generator["tail"]["kernel"] - 1e-3 * tail / (jnp.abs(tail) + 1e-8)
    np.testing.assert_allclose(new.generator["tail"]["kernel"], expected, atol=1e-6)
    assert int(new.step) == 1
    # The first average keeps 1 / 10 of the draw.
    average = 0.1 * state.generator["tail"]["kernel"] + 0.9 * new.generator["tail"]["kernel"]
    np.testing.assert_allclose(new.average["tail"]["kernel"], average, atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, new.critic, state.critic)


def test_norm_limit_and_decay_are_applied() -> None:
    recipe = RECIPE._replace(adversarial_weight=0.0, clip_norm=1e-3, weight_decay=0.1, adam_b1=0.9)
    state, batch = init_state(jax.random.key(0), recipe), one_slice(make_batch(1), 0)
    new, scalars = jitted(steps.generator_step, recipe)(state, batch)
    loss = lambda p: steps.generator_loss(p, state, batch, recipe, None)[0]  # noqa: E731
    gradient = jax.jit(jax.grad(loss))(state.generator)
    norm = float(np.sqrt(sum(np.square(g).sum() for g in jax.tree.leaves(gradient))))
    np.testing.assert_allclose(scalars["gradient_norm/generator"], norm, rtol=1e-5)
    assert norm > 1e-3
    first_moment = jax.tree.map(lambda g: 0.1 * g * 1e-3 / norm, gradient)
    assert_trees_close(new.generator_moments.mu, first_moment, 1e-4, 1e-12)
    clipped = gradient["tail"]["kernel"] * 1e-3 / norm
    old = state.generator["tail"]["kernel"]
    expected = old - 1e-3 * (clipped / (jnp.abs(clipped) + 1e-8) + 0.1 * old)
    np.testing.assert_allclose(new.generator["tail"]["kernel"], expected, atol=1e-6)


def test_train_step_makes_fresh_critic_updates_then_one_of_the_generator() -> None:
    state, batch = init_state(jax.random.key(0), RECIPE), make_batch(RECIPE.slices)
    assert RECIPE.slices == 3
    new, scalars = jitted(steps.train_step, RECIPE)(state, batch)
    expected = state
    for number in (1, 2):
        expected, _ = jitted(steps.critic_step, RECIPE)(expected, one_slice(batch, number))
    expected, last = jitted(steps.generator_step, RECIPE)(expected, one_slice(batch, 0))
    np.testing.assert_allclose(scalars["loss/generator"], last["loss/generator"], rtol=1e-4)
    assert int(new.step) == 1 and int(new.critic_moments.count) == 2
    kernels = lambda s: s.critic["conv_2"]["kernel"]  # noqa: E731
    assert float(jnp.abs(kernels(new) - kernels(state)).max()) > 5e-4
    assert float(jnp.abs(kernels(new) - kernels(expected)).mean()) < 2e-5


def test_the_authors_habit_uses_one_batch_with_new_alphas() -> None:
    recipe = RECIPE._replace(critic_data="same", alpha="batch")
    assert recipe.slices == 1
    state, batch = init_state(jax.random.key(0), recipe), make_batch(1)
    new, _ = jitted(steps.train_step, recipe)(state, batch)
    assert int(new.critic_moments.count) == 2
    alphas = [steps._alphas(recipe, batch["index"][0], draw, None) for draw in range(2)]
    assert alphas[0].shape == (1,) and alphas[0] != alphas[1]


def test_one_pass_of_the_critic_shares_its_batch_norm() -> None:
    """The report's code: one batch norm over restored, sharp and mixed pictures."""
    critic = CriticConfig(width=4, norm="batch", norm_epsilon=1e-3, last_convolution=False)
    recipe = RECIPE._replace(critic=critic, critic_batches="joint", alpha="batch")
    recipe = recipe._replace(gradient_penalty_norm="pixel", gradient_penalty_reduce="sum")
    state = init_state(jax.random.key(0), recipe)
    batch = one_slice(make_batch(1, size=2), 0)
    _, scalars = jitted(steps.critic_step, recipe)(state, batch)
    fake = jax.jit(lambda p, x: apply_generator(p, x, recipe.generator))(
        state.generator, batch["blurred"]
    )
    alpha, sharp = steps._alphas(recipe, batch["index"], 0, None), batch["sharp"]
    mixed = alpha * sharp + (1 - alpha) * fake
    score = jax.jit(lambda x: apply_critic(state.critic, x, critic))
    everything = jnp.concatenate([fake, sharp, mixed])
    scores = np.float64(score(everything))
    assert scores.shape[0] == 6 and scores.shape[-1] == 8 * 4
    distance = scores[:2].mean() - scores[2:4].mean()
    np.testing.assert_allclose(scalars["loss/critic_wasserstein"], distance, rtol=1e-4, atol=1e-6)
    apart = score(fake).mean() - score(sharp).mean()
    assert abs(distance - apart) > 0.01 * abs(distance)
    gradient = jax.jit(jax.grad(lambda x: score(x)[4:].sum()))(everything)[4:]
    penalty = np.square(np.sqrt(np.square(np.float64(gradient)).sum(3)) - 1).mean()
    np.testing.assert_allclose(scalars["loss/gradient_penalty"], penalty, rtol=1e-3)


@pytest.mark.parametrize("masks", steps.CRITIC_DROPOUTS)
def test_what_drops_out_for_the_critic(masks: str) -> None:
    generator = GeneratorConfig(width=4, blocks=1, dropout=0.5)
    recipe = RECIPE._replace(generator=generator, critic_dropout=masks)
    state, batch = init_state(jax.random.key(0), recipe), one_slice(make_batch(1, size=2), 0)

    def both(state: TrainState, batch: dict) -> tuple[jax.Array, jax.Array, jax.Array]:
        ours = steps.restore_for_critic(state, batch, recipe, None)
        update, _ = steps.restore(state.generator, state, batch, recipe, steps.DROPOUT, None)
        return ours, update, apply_generator(state.generator, batch["blurred"], generator)

    ours, update, without = jax.jit(both)(state, batch)
    same = {"generator": update, "none": without}
    for name, expected in same.items():
        distance = float(jnp.abs(ours - expected).max())
        assert distance < 1e-5 if name == masks else distance > 1e-2


def test_the_perceptual_distance_is_the_recipes() -> None:
    features = lambda x: 3.0 * x[:, ::2, ::2]  # noqa: E731
    recipe = RECIPE._replace(
        features=features, perceptual_weight=7.0, adversarial_weight=0.0, pixel_weight=0.0
    )
    state, batch = init_state(jax.random.key(0), recipe), one_slice(make_batch(1), 0)
    restored = np.float64(
        jax.jit(lambda p, x: apply_generator(p, x, recipe.generator))(
            state.generator, batch["blurred"]
        )
    )
    difference = 3 * (restored - batch["sharp"])[:, ::2, ::2]
    for name, expected in (("mse", np.square(difference)), ("l1", np.abs(difference))):
        _, scalars = jitted(steps.generator_step, recipe._replace(perceptual_loss=name))(
            state, batch
        )
        np.testing.assert_allclose(scalars["loss/perceptual"], expected.mean(), rtol=1e-5)
        np.testing.assert_allclose(scalars["loss/generator"], 7 * expected.mean(), rtol=1e-5)


def test_the_grid_has_its_weight_in_the_loss() -> None:
    recipe = RECIPE._replace(adversarial_weight=0.0, grid_weight=0.25)
    state, batch = init_state(jax.random.key(0), recipe), one_slice(make_batch(1), 0)
    restored = apply_generator(state.generator, batch["blurred"], recipe.generator)
    _, scalars = jitted(steps.generator_step, recipe)(state, batch)
    expected = losses.grid_loss(restored, batch["sharp"], batch["blurred"])
    np.testing.assert_allclose(scalars["loss/grid"], expected, rtol=1e-3)
    total = 0.5 * scalars["loss/pixel"] + 0.25 * scalars["loss/grid"]
    np.testing.assert_allclose(scalars["loss/generator"], total, rtol=1e-5)


def test_pretraining_leaves_the_critic_alone_and_names_every_loss() -> None:
    state, batch = init_state(jax.random.key(0), RECIPE), make_batch(RECIPE.slices)
    alone = jitted(steps.train_step, RECIPE, pretrain=True)
    new, scalars = alone(state, one_slice_of_all(batch))
    jax.tree.map(np.testing.assert_array_equal, new.critic, state.critic)
    _, full = jitted(steps.train_step, RECIPE)(state, batch)
    assert set(scalars) == set(full)
    np.testing.assert_allclose(scalars["loss/generator"], 0.5 * scalars["loss/pixel"], rtol=1e-6)


def one_slice_of_all(batch: dict) -> dict:
    return jax.tree.map(lambda x: x[:1], batch)


def on_one_and_on_eight_devices(
    mapped: str, recipe: Recipe, state: TrainState, batch: dict, *, rtol: float, atol: float
) -> tuple[TrainState, TrainState]:
    """The states after a step of both, whose scalars are the same."""
    one, scalars = jitted(steps.train_step, recipe)(state, batch)
    split = jax.tree.map(lambda x: np.stack(np.split(x, 8, axis=1)), batch)
    step = partial(steps.train_step, recipe=recipe, axis=parallel.AXIS)
    wrap = parallel.pmap_step if mapped == "pmap" else parallel.shard_map_step
    eight, mapped_scalars = wrap(step, (None, 0))(jax.tree.map(jnp.copy, state), split)
    for name, value in scalars.items():
        np.testing.assert_allclose(mapped_scalars[name], value, rtol=rtol, atol=atol, err_msg=name)
    return one, eight


@pytest.mark.parametrize(
    ("mapped", "critic_data"), [("pmap", "fresh"), ("shard_map", "fresh"), ("shard_map", "same")]
)
def test_eight_devices_do_what_one_does(mapped: str, critic_data: str) -> None:
    if jax.device_count() != 8:
        pytest.skip("needs eight devices")
    recipe = RECIPE._replace(
        generator=GeneratorConfig(width=4, blocks=1, dropout=0.5),
        critic_data=critic_data,
        alpha="sample" if critic_data == "fresh" else "batch",
        average_decay=0.9,
        critic_steps=1,
    )
    state, batch = init_state(jax.random.key(0), recipe), make_batch(recipe.slices)
    one, eight = on_one_and_on_eight_devices(mapped, recipe, state, batch, rtol=1e-5, atol=1e-7)
    # After one step Adam's first moment is (1 - b1) times the gradient.
    for moments in ("generator_moments", "critic_moments"):
        mu_one, mu_eight = getattr(one, moments).mu, getattr(eight, moments).mu
        for (path, x), (_, y) in zip(
            without_dead_biases(mu_one), without_dead_biases(mu_eight), strict=True
        ):
            assert_trees_close({str(path): x}, {str(path): y}, 1e-5, 1e-6)


def test_a_checked_shard_map_refuses_a_forgotten_mean() -> None:
    step = lambda state, x: (state, {"loss": (x * state).mean()})  # noqa: E731
    with pytest.raises(Exception, match=r"(?i)vary|replicat|vma"):
        parallel.shard_map_step(step, (None, 0))(jnp.ones(()), np.ones((8, 2), np.float32))


def test_batch_norm_statistics_are_synchronised() -> None:
    recipe = RECIPE._replace(
        generator=GeneratorConfig(width=4, blocks=1, norm="batch", dropout=0.0),
        adversarial_weight=0.0,
        pixel_weight=1.0,
    )
    state, batch = init_state(jax.random.key(0), recipe), make_batch(1)
    one, _ = jitted(steps.train_step, recipe)(state, batch)
    split = jax.tree.map(lambda x: np.stack(np.split(x, 8, axis=1)), batch)
    step = partial(steps.train_step, recipe=recipe, axis=parallel.AXIS)
    eight, _ = parallel.pmap_step(step, (None, 0))(jax.tree.map(jnp.copy, state), split)
    assert_trees_close(one.batch_stats, eight.batch_stats, 1e-4, 1e-6)
    for new, old in zip(
        jax.tree.leaves(one.batch_stats), jax.tree.leaves(state.batch_stats), strict=True
    ):
        assert float(jnp.abs(new - old).max()) > 0


def test_bfloat16_keeps_parameters_in_float32_and_losses_near() -> None:
    state, batch = init_state(jax.random.key(0), RECIPE), make_batch(RECIPE.slices)
    _, full = jitted(steps.train_step, RECIPE)(state, batch)
    low = RECIPE._replace(dtype=jnp.bfloat16)
    new, half = jitted(steps.train_step, low)(state, batch)
    assert {leaf.dtype for leaf in jax.tree.leaves(new.generator)} == {jnp.dtype("float32")}
    np.testing.assert_allclose(half["loss/pixel"], full["loss/pixel"], rtol=0.02)
    np.testing.assert_allclose(
        half["loss/gradient_penalty"], full["loss/gradient_penalty"], rtol=0.1
    )


def test_state_has_no_critic_where_none_is_used() -> None:
    state = init_state(jax.random.key(0), RECIPE._replace(adversarial_weight=0.0))
    assert isinstance(state, TrainState) and state.critic == {} and state.average == {}
    assert isinstance(state.generator_moments, optax.ScaleByAdamState)


@pytest.mark.parametrize("mapped", ["pmap", "shard_map"])
def test_eight_devices_train_nafnet_as_one_does(mapped: str) -> None:
    if jax.device_count() != 8:
        pytest.skip("needs eight devices")
    network = GeneratorConfig(
        generator="nafnet", norm="none", width=4, blocks=1, outer_blocks=(1,), dropout=0.0
    )
    recipe = RECIPE._replace(generator=network, adversarial_weight=0.0, pixel_weight=1.0)
    state, batch = init_state(jax.random.key(0), recipe), make_batch(1)
    # What a drawn network lacks, and gradients with it: its last layers are zero.
    state = state._replace(generator=jax.tree.map(lambda x: x + 0.1, state.generator))
    one, eight = on_one_and_on_eight_devices(mapped, recipe, state, batch, rtol=1e-4, atol=1e-6)
    assert_trees_close(one.generator_moments.mu, eight.generator_moments.mu, 1e-4, 1e-6)
