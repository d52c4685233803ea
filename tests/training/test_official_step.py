"""A whole step of `official_2018` against the same step in PyTorch: a golden file, and live."""

from functools import partial
from typing import Any

import golden_files
import jax
import jax.numpy as jnp
import make_golden
import numpy as np
import pytest

from configs import official_2018
from deblur_jax.models import GeneratorConfig, vgg
from deblur_jax.training import steps
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.state import Recipe, TrainState, init_state
from deblur_jax.weights import authors
from deblur_jax.weights import vgg as vgg_weights

TOLERANCE = 1e-3  # relative
# Adam's first step is as long for a gradient of rounding as for any other: where a gradient is
# smaller than this share of its tensor's largest, an update says nothing about it.
FLOOR = 1e-3
SMALL = 1e-4  # of a gradient, absolute: this share of the network's largest
# Of an updated parameter, absolute: a tenth of the rate, as Adam divides by what may be small.
STEP_FLOOR = 1e-5


def recipe_of(config: Any, vgg_state: dict[str, np.ndarray], tmp_path: Any, **model: Any) -> Recipe:
    """The preset's recipe without dropout, with a VGG that is given, and other widths."""
    layers = zip(vgg.kernel_shapes(), (0, 2, 5, 7, 10, 12, 14), strict=True)
    arrays = {}
    for layer, index in layers:
        arrays[f"{layer}/kernel"] = vgg_state[f"features.{index}.weight"].transpose(2, 3, 1, 0)
        arrays[f"{layer}/bias"] = vgg_state[f"features.{index}.bias"]
    np.savez(tmp_path / "vgg.npz", **arrays)
    config.model.update({"dropout": 0.0} | model)
    # An .npz is taken for Keras'; the layout of the weights is all that the source decides.
    config.loss.vgg_source, config.loss.vgg_weights = "keras", str(tmp_path / "vgg.npz")
    return make_recipe(config)


def ours(state: dict[str, np.ndarray]) -> Any:
    return authors.read(state, "a state").params


def leaves(tree: Any) -> dict[str, np.ndarray]:
    found = jax.tree_util.tree_leaves_with_path(tree)
    return {"/".join(k.key for k in path): np.float64(leaf) for path, leaf in found}


def assert_step(
    recipe: Recipe, state: TrainState, batch: dict[str, np.ndarray], expected: dict[str, Any]
) -> None:
    """The step's losses, gradients and new parameters against PyTorch's."""
    step = jax.jit(partial(steps.train_step, recipe=recipe))
    new, scalars = step(state, jax.tree.map(lambda x: x[None], batch))
    for name in ("loss/generator", "loss/perceptual", "loss/adversarial"):
        np.testing.assert_allclose(
            scalars[name], expected["loss"][name[5:]], rtol=TOLERANCE, atol=1e-5
        )
    for name in ("loss/critic", "loss/gradient_penalty"):
        np.testing.assert_allclose(
            scalars[name], expected["loss"][name[5:]][-1], rtol=TOLERANCE, atol=1e-5
        )

    # The generator's update once more, from PyTorch's critic: where a gradient of the critic is
    # rounding, Adam steps either way, and float32 alone moves what comes after by some 1e-3.
    critic_after = jax.tree.map(jnp.asarray, ours(expected["critic_after"]))
    alone, _ = jax.jit(partial(steps.generator_step, recipe=recipe))(
        state._replace(critic=critic_after), batch
    )
    first, _ = jax.jit(partial(steps.critic_step, recipe=recipe))(state, batch)
    updates = {
        # After one update the first moment is half of the gradient, as its decay is 0.5.
        "generator": (jax.tree.map(lambda m: 2 * m, alone.generator_moments.mu), alone.generator),
        "critic": (jax.tree.map(lambda m: 2 * m, first.critic_moments.mu), new.critic),
    }
    for name, (found, params) in updates.items():
        wanted = leaves(ours(expected[f"{name}_gradient"]))
        whole = max(np.linalg.norm(leaf) for leaf in wanted.values())
        after = leaves(ours(expected[f"{name}_after"]))
        before, updated = leaves(getattr(state, name)), leaves(params)
        compared = 0
        for key, gradient in leaves(found).items():
            if np.linalg.norm(wanted[key]) < 1e-6 * whole:  # a bias in front of an instance norm
                continue
            error = np.linalg.norm(gradient - wanted[key])
            assert error <= TOLERANCE * np.linalg.norm(wanted[key]) + SMALL * whole, (name, key)
            clear = np.abs(wanted[key]) > FLOOR * np.abs(wanted[key]).max()
            moved, theirs = (p[key] - before[key] for p in (updated, after))
            floor = max(TOLERANCE * np.abs(before[key]).max(), STEP_FLOOR)
            agreeing = np.mean(np.abs(moved - theirs)[clear] <= floor)
            # A first update is exact. The critic's later ones start from gradients of rounding that
            # Adam made whole steps of, and where two gradients nearly cancel, it shows.
            assert agreeing >= (0.995 if name == "critic" else 1.0), (name, key)
            steps_made = recipe.critic_steps if name == "critic" else 1
            assert np.abs(moved).max() <= 2e-4 * steps_made
            assert clear.mean() > 0.5
            compared += 1
        # Kernels, the biases without a norm behind them; the critic's last bias has no gradient
        # but of its scores' difference, which is 0.
        assert compared >= sum(key.endswith("kernel") for key in wanted)


def alphas(recipe: Recipe, index: np.ndarray) -> np.ndarray:
    draw = lambda number: steps._alphas(recipe, jnp.asarray(index), number, None)  # noqa: E731
    return np.float32([draw(number)[0] for number in range(recipe.critic_steps)])


def with_params(state: TrainState, generator: Any, critic: Any) -> TrainState:
    to_jax = partial(jax.tree.map, jnp.asarray)
    return state._replace(generator=to_jax(generator), critic=to_jax(critic))


def test_the_golden_step(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = golden_files.load("official_step")
    vgg_state = golden_files.vgg_state(7)
    recipe = recipe_of(
        official_2018.get_config(), vgg_state, tmp_path,
        width=make_golden.WIDTH, blocks=make_golden.BLOCKS, critic_width=make_golden.WIDTH,
    )  # fmt: skip
    given = jnp.asarray(golden["alphas"])
    assert recipe.critic_steps == 5
    recipe = recipe._replace(critic_steps=len(given))
    monkeypatch.setattr(steps, "_alphas", lambda recipe, index, draw, axis: given[draw][None])
    state = init_state(jax.random.key(0), recipe)
    state = with_params(state, ours(golden["generator"]), ours(golden["critic"]))
    batch = {name: golden[name] for name in ("blurred", "sharp")}
    assert_step(recipe, state, batch | {"index": np.arange(2, dtype=np.uint32)}, golden)


def test_a_step_of_the_whole_networks_live(tmp_path: Any, rng: np.random.Generator) -> None:
    pytest.importorskip("torch")
    import torch_networks
    import torch_step

    vgg_state = golden_files.vgg_state(7)
    recipe = recipe_of(official_2018.get_config(), vgg_state, tmp_path)
    recipe = recipe._replace(critic_steps=2)  # more take long to compile
    assert recipe.generator == GeneratorConfig(dropout=0.0)
    state = init_state(jax.random.key(3), recipe)
    shape = (1, 64, 64, 3)
    batch = {n: rng.uniform(-1, 1, shape).astype(np.float32) for n in ("blurred", "sharp")}
    batch["index"] = np.uint32([5])
    networks = {
        "generator": (torch_networks.Generator(dropout=0.0), recipe.generator),
        "critic": (torch_networks.Critic(), recipe.critic),
    }
    for name, (network, config) in networks.items():
        params = jax.tree.map(np.asarray, getattr(state, name))
        torch_networks.load_state(network, authors.state_dict(config, params))
    expected = torch_step.train_step(
        networks["generator"][0], networks["critic"][0], vgg_state,
        batch["blurred"], batch["sharp"], alphas(recipe, batch["index"]),
    )  # fmt: skip
    expected = golden_files.nested(expected)
    for name, (network, _) in networks.items():
        state_dict = network.state_dict()
        expected[f"{name}_after"] = {key: value.numpy() for key, value in state_dict.items()}
    assert_step(recipe, state, batch, expected)


def test_vgg_state_is_the_torchvision_layout(tmp_path: Any) -> None:
    """The test's own way of turning VGG's kernels against the importer of torchvision's file."""
    torch = pytest.importorskip("torch")
    vgg_state = golden_files.vgg_state(7)
    path = tmp_path / "vgg.pth"
    torch.save({key: torch.tensor(value) for key, value in vgg_state.items()}, path)
    params = vgg_weights.load("vgg19", "torchvision", path)
    recipe = recipe_of(official_2018.get_config(), vgg_state, tmp_path, width=4, blocks=1)
    x = jnp.linspace(-1, 1, 768).reshape(1, 16, 16, 3)
    direct = vgg.apply(params, x, tap="conv3_3", preprocessing="none")
    assert recipe.features is not None
    np.testing.assert_allclose(recipe.features(x), direct, atol=1e-5)
    theirs = torch_networks_features(vgg_state, np.asarray(x))
    np.testing.assert_allclose(direct, theirs, atol=1e-4 * np.abs(theirs).max())


def torch_networks_features(vgg_state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    import torch_networks

    network = torch_networks.vgg_features(vgg_state, tap="before")
    return torch_networks.to_numpy(network(torch_networks.to_torch(x)))
