"""DeblurGAN's networks in PyTorch, written from their descriptions: an oracle of its own kind.

Layers stand in the order of the authors' `nn.Sequential`, so that a state dict of these has the
keys of theirs. Tensors are NCHW and contiguous: PyTorch's kernels for `channels_last` have given
wrong instance norms.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn


class Block(nn.Module):
    """x + (pad, conv, norm, ReLU, dropout[, pad, conv, norm])(x), nothing after the sum."""

    def __init__(
        self, channels: int, dropout: float, convolutions: int, track_running_stats: bool
    ) -> None:
        super().__init__()

        def half() -> list[nn.Module]:
            return [
                nn.ReflectionPad2d(1),
                nn.Conv2d(channels, channels, 3),
                nn.InstanceNorm2d(channels, track_running_stats=track_running_stats),
            ]

        layers = [*half(), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        if convolutions == 2:
            layers += half()
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Generator(nn.Module):
    """The generator; `forward` gives tanh's value, `restore` what an output mode makes of it.

    In `eval()` dropout is off; with `track_running_stats`, which the authors have had since 2019
    and never use, the picture's own statistics are taken in `train()` alone.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 9,
        dropout: float = 0.5,
        block_convolutions: int = 2,
        track_running_stats: bool = False,
    ) -> None:
        super().__init__()

        def norm_relu(channels: int) -> list[nn.Module]:
            norm = nn.InstanceNorm2d(channels, track_running_stats=track_running_stats)
            return [norm, nn.ReLU()]

        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7)]
        layers += norm_relu(width)
        for factor in (1, 2):
            down = nn.Conv2d(factor * width, 2 * factor * width, 3, stride=2, padding=1)
            layers += [down, *norm_relu(2 * factor * width)]
        for _ in range(blocks):
            layers.append(Block(4 * width, dropout, block_convolutions, track_running_stats))
        for factor in (4, 2):
            up = nn.ConvTranspose2d(
                factor * width, factor * width // 2, 3, stride=2, padding=1, output_padding=1
            )
            layers += [up, *norm_relu(factor * width // 2)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def restore(self, x: Tensor, output: str = "clip") -> Tensor:
        y = self(x)
        if output == "tanh":
            return y
        return (x + y) / 2 if output == "average" else torch.clamp(x + y, -1, 1)


class Critic(nn.Module):
    """The patch critic with instance norms; scores are a map `[B, 1, h, w]`, no sigmoid."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2)]
        for factor, stride in ((1, 2), (2, 2), (4, 1)):
            channels = 2 * factor * width
            layers += [
                nn.Conv2d(factor * width, channels, 4, stride=stride, padding=2),
                nn.InstanceNorm2d(channels),
                nn.LeakyReLU(0.2),
            ]
        layers.append(nn.Conv2d(8 * width, 1, 4, padding=2))
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    alpha: Tensor,
    norm: str = "sample",
    reduce: str = "mean",
) -> Tensor:
    """mean((|grad D| - 1)^2) at alpha real + (1 - alpha) fake, differentiable once more.

    `alpha` is one number or one for each sample. `sample`: the norm over a whole picture, `pixel`:
    over each pixel's channels. `reduce`: of each sample's scores before the gradient is taken.
    """
    alpha = alpha.reshape(-1, 1, 1, 1)
    mixed = (alpha * real + (1 - alpha) * fake).detach().requires_grad_()
    scores = critic(mixed).flatten(1)
    per_sample = scores.mean(1) if reduce == "mean" else scores.sum(1)
    (gradient,) = torch.autograd.grad(per_sample.sum(), mixed, create_graph=True)
    dimensions = (1, 2, 3) if norm == "sample" else (1,)
    return ((gradient.pow(2).sum(dimensions).sqrt() - 1) ** 2).mean()


# VGG19 up to its third block: convolutions with a ReLU after each, max-pooling between the blocks.
_VGG_BLOCKS = ((64, 64), (128, 128), (256, 256, 256))


def vgg_features(state: Mapping[str, np.ndarray], tap: str = "after") -> nn.Sequential:
    """The layers of torchvision's `vgg19().features` up to conv3_3, with weights.

    Args:
      state: `features.0.weight` (OIHW), `features.0.bias`, … `features.14.bias`, as torchvision's
        file has them; the word `features.` may be missing and there may be more.
      tap: `before` ends with the convolution at index 14, `after` with its ReLU at 15.

    Returns:
      A network of `[B, 3, H, W]`, already pre-processed, to `[B, 256, H // 4, W // 4]`.
    """
    layers: list[nn.Module] = []
    channels = 3
    for number, block in enumerate(_VGG_BLOCKS):
        if number:
            layers.append(nn.MaxPool2d(2, 2))
        for features in block:
            layers += [nn.Conv2d(channels, features, 3, padding=1), nn.ReLU()]
            channels = features
    if tap == "before":
        layers.pop()
    network = nn.Sequential(*layers)
    named = {key.removeprefix("features."): value for key, value in state.items()}
    tensors = {key: torch.tensor(np.asarray(named[key])) for key in network.state_dict()}
    network.load_state_dict(tensors)
    return network


def random_state(network: nn.Module, rng: np.random.Generator) -> "OrderedDict[str, np.ndarray]":
    """Parameters drawn by numpy, every one at work, in the order of the state dict.

    Kernels have a standard deviation of 1 / sqrt(inputs), so that a signal keeps its size.
    """
    state = OrderedDict()
    for key, value in network.named_parameters():
        shape = tuple(value.shape)
        spread = 0.1 if len(shape) == 1 else 1 / np.sqrt(np.prod(shape[1:]))
        state[key] = (spread * rng.standard_normal(shape)).astype(np.float32)
    return state


def load_state(network: nn.Module, state: Mapping[str, np.ndarray]) -> None:
    """Puts arrays into a network; running statistics may be missing, parameters may not."""
    missing, unexpected = network.load_state_dict(
        {key: torch.tensor(value) for key, value in state.items()}, strict=False
    )
    wrong = [key for key in missing if key in dict(network.named_parameters())] + unexpected
    if wrong:
        raise KeyError(wrong[0])


def to_torch(x: np.ndarray) -> Tensor:
    """NHWC to a contiguous NCHW tensor."""
    return torch.tensor(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def to_numpy(x: Tensor) -> np.ndarray:
    """NCHW to NHWC."""
    return np.moveaxis(x.detach().numpy(), 1, -1)
