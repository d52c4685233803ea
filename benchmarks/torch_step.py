"""A training step of DeblurGAN in eager PyTorch, as its user would write it; the peer of `steps`.

The paper's algorithm: updates of the critic, each on pairs of its own, by the Wasserstein distance
and a gradient penalty, then one of the generator by the critic's opinion and the distance in VGG's
features; both by Adam. Tensors are contiguous NCHW: in PyTorch 2.13.0 `channels_last` gives wrong
gradients of an instance norm at batch 1. Dropout is left out.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Settings(NamedTuple):
    """What a step does, by the names of `training.state.Recipe`; `learning_rate` is a number."""

    learning_rate: float
    adam_b1: float
    adam_b2: float
    adversarial_weight: float
    perceptual_weight: float
    gradient_penalty_weight: float
    gradient_penalty_norm: str
    gradient_penalty_reduce: str


class Trainer:
    """Two networks, their optimisers and a fixed network of features."""

    def __init__(
        self,
        generator: Any,
        critic: nn.Module,
        features: nn.Module,
        settings: Settings,
        *,
        output: str,
        penalty: Any,
    ) -> None:
        """Takes the networks, which it changes.

        Args:
          generator: of `torch_networks`, without dropout; critic: of `torch_networks`.
          features: pictures to features; stays as it is.
          settings: what to do.
          output: the generator's output mode.
          penalty: `torch_networks.gradient_penalty`.
        """
        self._generator, self._critic, self._features = generator, critic, features
        self._settings, self._output, self._penalty = settings, output, penalty
        for parameter in features.parameters():
            parameter.requires_grad_(False)
        self._optimisers = {
            network: torch.optim.Adam(
                network.parameters(),
                lr=settings.learning_rate,
                betas=(settings.adam_b1, settings.adam_b2),
            )
            for network in (generator, critic)
        }

    def step(self, blurred: Tensor, sharp: Tensor, alphas: Tensor) -> dict[str, Tensor]:
        """All updates of a step.

        Args:
          blurred, sharp: [S, B, 3, H, W] in [-1, 1]; slice 0 is the generator's, the others are the
            critic's.
          alphas: [S - 1, B], where the penalty looks.

        Returns:
          The losses by our names: the critic's of its last update.
        """
        losses: dict[str, Tensor] = {}
        for x, y, alpha in zip(blurred[1:], sharp[1:], alphas, strict=True):
            losses = self._critic_step(x, y, alpha)
        return losses | self._generator_step(blurred[0], sharp[0])

    def _critic_step(self, x: Tensor, y: Tensor, alpha: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = self._generator.restore(x, self._output)
        penalty = self.penalty(y, fake, alpha)
        distance = self._critic(fake).mean() - self._critic(y).mean()
        loss = distance + self._settings.gradient_penalty_weight * penalty
        self._update(self._critic, loss)
        return {
            "loss/critic": loss.detach(),
            "loss/critic_wasserstein": distance.detach(),
            "loss/gradient_penalty": penalty.detach(),
        }

    def _generator_step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            target = self._features(y)
        # The critic's own gradients are of no use here, and would take their time.
        self._critic.requires_grad_(False)
        restored = self._generator.restore(x, self._output)
        adversarial = -self._critic(restored).mean()
        perceptual = (self._features(restored) - target).pow(2).mean()
        loss = (
            self._settings.adversarial_weight * adversarial
            + self._settings.perceptual_weight * perceptual
        )
        self._update(self._generator, loss)
        self._critic.requires_grad_(True)
        return {
            "loss/adversarial": adversarial.detach(),
            "loss/perceptual": perceptual.detach(),
            "loss/generator": loss.detach(),
        }

    def _update(self, network: nn.Module, loss: Tensor) -> None:
        optimiser = self._optimisers[network]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def penalty(self, sharp: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
        """The gradient penalty of a batch, without its weight."""
        return self._penalty(
            self._critic,
            sharp,
            fake,
            alpha,
            self._settings.gradient_penalty_norm,
            self._settings.gradient_penalty_reduce,
        )

    def penalty_gradients(
        self, sharp: Tensor, fake: Tensor, alpha: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The penalty as a loss, and its gradients by the critic's parameters, by their names."""
        penalty = self.penalty(sharp, fake, alpha)
        return {"loss/gradient_penalty": penalty.detach()}, _gradients(penalty, self._critic)

    def generator_gradients(
        self, blurred: Tensor, sharp: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The mean squared error of restored pictures, and its gradients, by their names."""
        error = (self._generator.restore(blurred, self._output) - sharp).pow(2).mean()
        return {"loss/mse": error.detach()}, _gradients(error, self._generator)


def _gradients(loss: Tensor, network: nn.Module) -> dict[str, Tensor]:
    named: Mapping[str, Tensor] = dict(network.named_parameters())
    # A penalty does not depend on the critic's last bias at all.
    found = torch.autograd.grad(loss, list(named.values()), materialize_grads=True)
    return dict(zip(named, found, strict=True))
