"""Our networks and the penalty against PyTorch's: golden files, and live where it is installed.

States go through the importer, so that what is compared is what a user of a `.pth` gets.
"""

import golden_files
import jax
import jax.numpy as jnp
import make_golden
import numpy as np
import pytest

from deblur_jax import losses, models
from deblur_jax.weights import authors

FULL_SCALE = 2.0  # of pictures in [-1, 1]


def assert_near(ours, expected, tolerance):
    """Norm of the difference against the norm of what is expected."""
    ours, expected = np.float64(ours), np.float64(expected)
    assert ours.shape == expected.shape
    assert np.linalg.norm(ours - expected) <= tolerance * np.linalg.norm(expected)


def assert_gradients_near(ours, expected, tolerance):
    """Trees: each leaf, but for those that are rounding, against its own norm.

    A bias in front of an instance norm moves nothing, and what both sides give as its gradient is
    rounding: such leaves are known by being below a millionth of the whole.
    """
    whole = max(np.linalg.norm(leaf) for leaf in jax.tree.leaves(expected))
    alive = 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(expected):
        own = ours
        for key in path:
            own = own[key.key]
        if np.linalg.norm(leaf) < 1e-6 * whole:
            assert np.linalg.norm(own) < 1e-5 * whole, path
        else:
            assert_near(own, leaf, tolerance)
            alive += 1
    assert alive == 6  # five kernels and the first bias


def restored(network, x, output):
    config = models.GeneratorConfig.from_dict(network.config.to_dict() | {"output": output})
    return jax.jit(lambda p, x: models.apply_generator(p, x, config))(network.params, x)


def penalty_and_gradient(network, real, fake, alpha, norm, reduce):
    def penalty(params):
        return losses.gradient_penalty(
            lambda x: models.apply_critic(params, x, network.config),
            real, fake, alpha, norm=norm, reduce=reduce,
        )  # fmt: skip

    return jax.jit(jax.value_and_grad(penalty))(network.params)


@pytest.mark.parametrize(("year", "convolutions"), [("2018", 2), ("2019", 1)])
def test_generators_of_both_layouts_are_the_golden_ones(year, convolutions):
    golden = golden_files.load(f"generator_{year}")
    network = authors.read(golden["state"], "golden")
    assert (network.config.width, network.config.blocks) == (make_golden.WIDTH, make_golden.BLOCKS)
    assert network.config.block_convolutions == convolutions
    for output in ("clip", "average", "tanh"):
        ours = restored(network, golden["input"], output)
        np.testing.assert_allclose(ours, golden[output], atol=2e-5 * FULL_SCALE, rtol=0)
        assert golden[output].std() > 0.3


def test_the_critics_scores_are_the_golden_ones():
    golden = golden_files.load("critic")
    network = authors.read(golden["state"], "golden")
    assert network.config == models.CriticConfig(width=make_golden.WIDTH)
    ours = jax.jit(lambda p, x: models.apply_critic(p, x, network.config))
    assert_near(ours(network.params, golden["real"]), golden["scores"], 1e-5)


@pytest.mark.parametrize("name", list(make_golden.PENALTIES))
def test_penalties_and_their_gradients_are_the_golden_ones(name):
    golden = golden_files.load("critic")
    norm, reduce, alpha = make_golden.PENALTIES[name]
    network = authors.read(golden["state"], "golden")
    value, gradient = penalty_and_gradient(
        network, golden["real"], golden["fake"], golden["alpha"][alpha], norm, reduce
    )
    expected = golden[name]
    np.testing.assert_allclose(value, expected.pop("value"), rtol=1e-5)
    assert_gradients_near(gradient, authors.read(expected, "golden").params, 1e-5)


@pytest.mark.parametrize("name", ["generator_2018", "generator_2019", "critic"])
def test_the_golden_files_are_what_their_script_makes(name):
    pytest.importorskip("torch")
    with np.load(golden_files.FOLDER / f"{name}.npz") as committed:
        made = make_golden.FILES[name]()
        assert list(made) == committed.files
        for key, value in made.items():
            scale = max(1e-3, np.abs(committed[key]).max())
            np.testing.assert_allclose(value, committed[key], atol=1e-4 * scale, err_msg=key)


def live(network, rng):
    """A PyTorch network with drawn parameters, and the same one imported."""
    import torch_networks

    state = torch_networks.random_state(network, rng)
    torch_networks.load_state(network, state)
    return network.eval(), authors.read(state, "live")


@pytest.mark.parametrize(
    ("size", "convolutions", "output"),
    [((256, 256), 2, "clip"), ((180, 320), 2, "tanh"), ((64, 96), 1, "tanh")],
)
def test_the_papers_generator_live(rng, size, convolutions, output):
    torch = pytest.importorskip("torch")
    import torch_networks

    network, imported = live(torch_networks.Generator(block_convolutions=convolutions), rng)
    assert imported.config.width == 64 and imported.config.blocks == 9
    x = rng.uniform(-1, 1, (1, *size, 3)).astype(np.float32)
    with torch.no_grad():
        expected = torch_networks.to_numpy(network.restore(torch_networks.to_torch(x), output))
    difference = np.abs(restored(imported, x, output) - expected)
    assert difference.max() <= 1e-4 * FULL_SCALE
    assert expected.std() > 0.3


@pytest.mark.parametrize(("norm", "reduce"), [("sample", "mean"), ("pixel", "sum")])
def test_the_papers_critic_and_penalties_live(rng, norm, reduce):
    torch = pytest.importorskip("torch")
    import torch_networks

    network, imported = live(torch_networks.Critic(), rng)
    real, fake = rng.uniform(-1, 1, (2, 2, 48, 40, 3)).astype(np.float32)
    alpha = rng.uniform(size=2).astype(np.float32)
    tensors = torch_networks.to_torch(real), torch_networks.to_torch(fake)
    expected = torch_networks.to_numpy(network(tensors[0]))
    assert_near(models.apply_critic(imported.params, real, imported.config), expected, 1e-4)
    penalty = torch_networks.gradient_penalty(network, *tensors, torch.tensor(alpha), norm, reduce)
    gradients = torch.autograd.grad(penalty, list(network.parameters()), materialize_grads=True)
    names = [name for name, _ in network.named_parameters()]
    expected = {name: g.numpy() for name, g in zip(names, gradients, strict=True)}
    value, gradient = penalty_and_gradient(imported, real, fake, jnp.asarray(alpha), norm, reduce)
    np.testing.assert_allclose(value, penalty.item(), rtol=1e-4)
    assert_gradients_near(gradient, authors.read(expected, "live").params, 1e-4)
