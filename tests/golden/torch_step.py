"""One training step of the authors' 2018 code in PyTorch, written from its description.

One set of restored pictures serves five updates of the critic and the generator's own update; each
critic update has one alpha for the whole batch, a penalty on each pixel's colours of the gradient
of the summed scores, weighted by 10. The generator minimises -mean D + 100 MSE of VGG19's features
in front of the third block's last ReLU, pictures fed in [-1, 1]. Both by Adam, rate 1e-4, decays
0.5 and 0.999. Dropout is left out, so that there is nothing to draw.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch_networks

LEARNING_RATE, DECAYS = 1e-4, (0.5, 0.999)
PENALTY_WEIGHT, PERCEPTUAL_WEIGHT = 10.0, 100.0


def train_step(
    generator: torch_networks.Generator,
    critic: torch_networks.Critic,
    vgg: Mapping[str, np.ndarray],
    blurred: np.ndarray,
    sharp: np.ndarray,
    alphas: np.ndarray,
) -> dict[str, Any]:
    """Updates both networks in place, by one step from fresh optimisers.

    Args:
      generator: without dropout, or in `eval()`.
      critic: the critic.
      vgg: torchvision's names to weights.
      blurred, sharp: float32[B, H, W, 3] in [-1, 1].
      alphas: float32[N], one for each update of the critic.

    Returns:
      `loss/critic` and `loss/gradient_penalty` of each update, the generator's losses, and of both
      networks the gradients by the state dict's names: the critic's of its first update.
    """
    features = torch_networks.vgg_features(vgg, tap="before")
    x, y = torch_networks.to_torch(blurred), torch_networks.to_torch(sharp)
    adam = {
        name: torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, betas=DECAYS)
        for name, network in (("generator", generator), ("critic", critic))
    }
    found: dict[str, Any] = {"loss/critic": [], "loss/gradient_penalty": []}
    restored = generator.restore(x, "clip")
    for number, alpha in enumerate(alphas):
        adam["critic"].zero_grad()
        fake = restored.detach()
        penalty = torch_networks.gradient_penalty(
            critic, y, fake, torch.tensor(alpha), "pixel", "sum"
        )
        loss = critic(fake).mean() - critic(y).mean() + PENALTY_WEIGHT * penalty
        loss.backward()
        if number == 0:
            found |= _gradients("critic", critic)
        adam["critic"].step()
        found["loss/critic"].append(loss.item())
        found["loss/gradient_penalty"].append(penalty.item())

    adam["generator"].zero_grad()
    adversarial = -critic(restored).mean()
    perceptual = ((features(restored) - features(y).detach()) ** 2).mean()
    (adversarial + PERCEPTUAL_WEIGHT * perceptual).backward()
    found |= _gradients("generator", generator)
    adam["generator"].step()
    return found | {
        "loss/adversarial": adversarial.item(),
        "loss/perceptual": perceptual.item(),
        "loss/generator": (adversarial + PERCEPTUAL_WEIGHT * perceptual).item(),
    }


def _gradients(name: str, network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {
        f"{name}_gradient/{key}": value.grad.numpy().copy()
        for key, value in network.named_parameters()
    }
