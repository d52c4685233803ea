"""The generator in PyTorch: eager, compiled, or in float64 as a reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers import materials
from benchmarks.peers.engines.engine import Engine
from benchmarks.peers.engines.torch_unshuffle import Unshuffle
from benchmarks.peers.job import Job
from benchmarks.torch_oracle import torch_networks

_STRIP = 32  # rows


class Restoring(nn.Module):
    """The authors' layers with the output mode of a configuration."""

    def __init__(self, network: Any, output: str) -> None:
        super().__init__()
        self.network = network
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        return self.network.restore(x, self.output)


class InStrips(nn.Module):
    """An unpadded convolution of stride 1, a strip of rows after the other.

    In float64 PyTorch lays all windows side by side: 23 GB for the last layer at 1280x720.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        beyond = self.convolution.kernel_size[0] - 1
        tops = range(0, x.shape[2] - beyond, _STRIP)
        return torch.cat([self.convolution(x[:, :, t : t + _STRIP + beyond]) for t in tops], 2)


def start(job: Job, variant: str) -> Engine:
    """Loads the network; `variant` is '', `compile` or `float64`."""
    torch.set_num_threads(job.threads)
    network = build(job)
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(materials.picture(job), -1, 1)))
    if variant == "float64":
        network, x = network.double(), x.double()
        in_strips(network)
    run: Callable[[Tensor], Tensor] = network

    def compile_once() -> None:
        nonlocal run
        if variant == "compile":
            import torch._inductor.config

            torch._inductor.config.freezing = True  # packs weights ahead: the quickest on CPUs
            run = torch.compile(network)

    def call() -> Tensor:
        with torch.no_grad():  # freezing looks for this; `inference_mode` it does not know
            return run(x)

    return Engine(
        packages=("torch",),
        compile=compile_once,
        call=call,
        outputs=lambda restored: {"picture": np.array(np.moveaxis(restored.numpy(), 1, -1))},
    )


def build(job: Job) -> nn.Module:
    """The job's generator with its weights, in evaluation mode."""
    config, weights = materials.network(job)
    if config["generator"] == "unshuffle":
        network: nn.Module = Unshuffle(config, weights)
    else:
        oracle = torch_networks()
        resnet = oracle.Generator(
            config["width"],
            config["blocks"],
            config["dropout"],
            config["block_convolutions"],
        )
        own = dict(resnet.named_parameters())  # statistics that the file may have are not used
        oracle.load_state(resnet, {key: value for key, value in weights.items() if key in own})
        network = Restoring(resnet, config["output"])
    return network.eval()


def in_strips(network: nn.Module) -> None:
    """Replaces, in place, each convolution that `InStrips` takes."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child.padding == (0, 0) and child.stride == (1, 1):
                setattr(parent, name, InStrips(child))
