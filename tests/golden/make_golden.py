"""Writes the golden files: small inputs and weights, and what PyTorch and Keras make of them.

    python tests/golden/make_golden.py [FOLDER]

With them the tests compare our networks and importers with PyTorch's and Keras' arithmetic where
neither is installed. All numbers are drawn by numpy; the networks are those of `torch_networks.py`
and `keras_networks.py`. Pictures are NHWC in [-1, 1], state dicts have PyTorch's keys and shapes.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, BLOCKS = 4, 2
# What each variant of the penalty is called, and its norm, reduction and alpha.
PENALTIES = {
    "sample_mean": ("sample", "mean", "each"),
    "sample_sum": ("sample", "sum", "each"),
    "pixel_mean": ("pixel", "mean", "each"),
    "pixel_sum": ("pixel", "sum", "each"),
    "pixel_sum_one_alpha": ("pixel", "sum", "one"),
}
Arrays = dict[str, Any]


def torch_generator(block_convolutions: int, seed: int) -> Arrays:
    """The authors' generator of 2018 (two convolutions) or 2019 (one), dropout off."""
    import torch
    import torch_networks

    rng = np.random.default_rng(seed)
    network = torch_networks.Generator(WIDTH, BLOCKS, block_convolutions=block_convolutions).eval()
    state = torch_networks.random_state(network, rng)
    torch_networks.load_state(network, state)
    x = pictures(rng, 2, 24, 20)
    arrays: Arrays = {"input": x} | {f"state/{key}": value for key, value in state.items()}
    with torch.no_grad():
        for output in ("clip", "average", "tanh"):
            restored = network.restore(torch_networks.to_torch(x), output)
            arrays[output] = torch_networks.to_numpy(restored)
    return arrays


def torch_critic(seed: int) -> Arrays:
    """The critic's scores, and the penalties with their gradients for the critic's parameters."""
    import torch
    import torch_networks

    rng = np.random.default_rng(seed)
    network = torch_networks.Critic(WIDTH)
    state = torch_networks.random_state(network, rng)
    torch_networks.load_state(network, state)
    real, fake = pictures(rng, 2, 24, 20), pictures(rng, 2, 24, 20)
    alphas = {"each": rng.uniform(size=2).astype(np.float32), "one": np.float32(0.3)}
    arrays: Arrays = {"real": real, "fake": fake}
    arrays |= {f"state/{key}": value for key, value in state.items()}
    arrays |= {f"alpha/{name}": np.asarray(value) for name, value in alphas.items()}
    tensors = torch_networks.to_torch(real), torch_networks.to_torch(fake)
    with torch.no_grad():
        arrays["scores"] = torch_networks.to_numpy(network(tensors[0]))
    for name, (norm, reduce, alpha) in PENALTIES.items():
        penalty = torch_networks.gradient_penalty(
            network, *tensors, torch.tensor(alphas[alpha]), norm, reduce
        )
        # The penalty does not depend on the last bias at all.
        gradients = torch.autograd.grad(penalty, list(network.parameters()), materialize_grads=True)
        arrays[f"{name}/value"] = penalty.detach().numpy()
        for key, gradient in zip(state, gradients, strict=True):
            arrays[f"{name}/{key}"] = gradient.numpy()
    return arrays


def keras_generator(upsample: str, seed: int) -> Arrays:
    """The Keras port's generator with its moving averages."""
    import keras_networks

    rng = np.random.default_rng(seed)
    model = keras_networks.generator(WIDTH, BLOCKS, upsample)
    keras_networks.randomise(model, rng)
    x = pictures(rng, 2, 24, 20)
    weights = keras_networks.weights_by_name(model)
    arrays: Arrays = {"input": x, "average": np.asarray(model(x, training=False))}
    return arrays | {f"weights/{name}": value for name, value in weights.items()}


def official_step(seed: int) -> Arrays:
    """A step of the authors' 2018 code, from fresh optimisers, with what it started from.

    The critic has two updates and not five, which would take long to compile in a test.
    """
    import golden_files
    import torch_networks
    import torch_step

    rng = np.random.default_rng(seed)
    networks = {
        "generator": torch_networks.Generator(WIDTH, BLOCKS, dropout=0.0),
        "critic": torch_networks.Critic(WIDTH),
    }
    arrays: Arrays = {}
    for name, network in networks.items():
        state = torch_networks.random_state(network, rng)
        torch_networks.load_state(network, state)
        arrays |= {f"{name}/{key}": value for key, value in state.items()}
    arrays["blurred"], arrays["sharp"] = pictures(rng, 2, 24, 20), pictures(rng, 2, 24, 20)
    arrays["alphas"] = rng.uniform(size=2).astype(np.float32)
    arrays |= torch_step.train_step(
        networks["generator"], networks["critic"], golden_files.vgg_state(7),
        arrays["blurred"], arrays["sharp"], arrays["alphas"],
    )  # fmt: skip
    for name, network in networks.items():
        state_dict = network.state_dict()
        arrays |= {f"{name}_after/{key}": value.numpy() for key, value in state_dict.items()}
    return arrays


def pictures(rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
    return rng.uniform(-1, 1, (count, height, width, 3)).astype(np.float32)


FILES = {
    "generator_2018": lambda: torch_generator(2, seed=1),
    "generator_2019": lambda: torch_generator(1, seed=2),
    "critic": lambda: torch_critic(seed=3),
    "official_step": lambda: official_step(seed=6),
    "keras_resize_conv": lambda: keras_generator("resize_conv_same", seed=4),
    "keras_transpose": lambda: keras_generator("transpose_same", seed=5),
}


def main(folder: Path) -> None:
    for name, make in FILES.items():
        np.savez_compressed(folder / f"{name}.npz", **make())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
