"""The light generator, `deblur_jax.models.unshuffle`, in PyTorch."""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

OUTER_BLOCKS = 2  # as in `models.unshuffle`


def space_to_depth(x: Tensor, factor: int) -> Tensor:
    """`[B, C, H f, W f]` to `[B, f f C, H, W]`; channels are ordered (row, column, channel)."""
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels, height // factor, factor, width // factor, factor)
    x = x.permute(0, 3, 5, 1, 2, 4)
    return x.reshape(batch, factor**2 * channels, height // factor, width // factor)


def depth_to_space(x: Tensor, factor: int) -> Tensor:
    """The inverse of `space_to_depth`."""
    batch, channels, height, width = x.shape
    depth = channels // factor**2
    x = x.reshape(batch, factor, factor, depth, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(batch, depth, height * factor, width * factor)


class Unshuffle(nn.Module):
    """The network with its output mode: `[B, 3, H, W]` in [-1, 1] to the same."""

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> None:
        """Takes a configuration's fields, and weights as `layout.layers` names them."""
        super().__init__()
        self.blocks, self.output = config["blocks"], config["output"]
        self.layers = nn.ModuleDict()
        for key, weight in weights.items():
            layer, kind = key.split(".")
            if kind == "weight":
                features, channels, size, _ = weight.shape
                stride = 2 if layer == "down" else 1
                convolution = nn.Conv2d(channels, features, size, stride, padding=size // 2)
                self.layers[layer] = convolution
        state = {f"layers.{key}": torch.tensor(value) for key, value in weights.items()}
        self.load_state_dict(state)

    def _block(self, x: Tensor, name: str) -> Tensor:
        y = torch.relu(self.layers[f"{name}_a"](x))
        return x + self.layers[f"{name}_b"](y)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers["head"](space_to_depth(x, 4))
        for i in range(OUTER_BLOCKS):
            y = self._block(y, f"before_{i}")
        skip = y
        y = self.layers["down"](y)
        for i in range(self.blocks):
            y = self._block(y, f"inner_{i}")
        y = skip + depth_to_space(self.layers["up"](y), 2)
        for i in range(OUTER_BLOCKS):
            y = self._block(y, f"after_{i}")
        y = depth_to_space(self.layers["tail"](y), 4)
        if self.output == "tanh":
            return torch.tanh(y)
        return torch.clamp((x + y) / 2 if self.output == "average" else x + y, -1, 1)
