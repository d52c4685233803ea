"""The training step in eager PyTorch, and its pieces; in float64 as a reference."""

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.peers import materials
from benchmarks.peers.engines.engine import Arrays, Engine
from benchmarks.peers.job import Job
from benchmarks.torch_oracle import torch_networks
from benchmarks.torch_step import Settings, Trainer

Named = dict[str, Tensor]


def start(job: Job, variant: str) -> Engine:
    """Loads the networks and the batch; `variant` is '' or `float64`."""
    torch.set_num_threads(job.threads)
    dtype = torch.float64 if variant == "float64" else torch.float32
    trainer = _trainer(job, dtype)
    batch = {k: torch.tensor(v, dtype=dtype) for k, v in materials.arrays(job, "batch").items()}
    blurred, sharp, alphas = (batch[name] for name in ("blurred", "sharp", "alphas"))
    calls = {
        "step": lambda: (trainer.step(blurred, sharp, alphas), {}),
        "penalty": lambda: trainer.penalty_gradients(sharp[1], blurred[1], alphas[0]),
        "generator": lambda: trainer.generator_gradients(blurred[0], sharp[0]),
    }
    return Engine(("torch",), lambda: None, calls[job.part], _outputs)


def _trainer(job: Job, dtype: torch.dtype) -> Trainer:
    oracle: Any = torch_networks()
    words = json.loads((job.folder / "training.json").read_text())
    shape = words["generator"]
    generator = oracle.Generator(
        shape["width"], shape["blocks"], 0.0, block_convolutions=shape["block_convolutions"]
    )
    critic = oracle.Critic(words["critic_width"])
    for network, name in ((generator, "generator"), (critic, "critic")):
        oracle.load_state(network, materials.arrays(job, name))
    features = oracle.vgg_features(materials.arrays(job, "vgg"), words["tap"])
    return Trainer(
        generator.to(dtype),
        critic.to(dtype),
        features.to(dtype),
        Settings(**words["settings"]),
        output=shape["output"],
        penalty=oracle.gradient_penalty,
    )


def _outputs(result: tuple[Named, Named]) -> Arrays:
    losses, gradients = result
    found = {key: np.array(value.numpy()) for key, value in losses.items()}
    return found | {f"gradient/{key}": np.array(g.numpy()) for key, g in gradients.items()}
