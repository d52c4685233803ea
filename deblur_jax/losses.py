"""Losses as pure functions of arrays: Wasserstein, gradient penalty, perceptual, pixel, grid."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from deblur_jax import checkerboard

# Under the square root of a norm: its gradient stays finite where the norm is zero, and its value
# moves by less than 1e-6.
_NORM_EPSILON = 1e-12
PSNR_EPSILON = 1e-8  # added to the mean squared error of pictures in [0, 1] (NAFNet's code)
CHARBONNIER_EPSILON = 1e-3  # usual in restoration since Lai et al., arXiv 1704.03915


def critic_loss(real_scores: jax.Array, fake_scores: jax.Array) -> jax.Array:
    """mean D(fake) - mean D(real), which the critic minimises.

    Args:
      real_scores, fake_scores: float32[B, ...], the critic's scores of sharp and restored pictures.

    Returns:
      A float32 scalar; minus it estimates the Wasserstein distance.

    References:
      Arjovsky et al., arXiv 1701.07875.
    """
    return fake_scores.mean() - real_scores.mean()


def adversarial_loss(fake_scores: jax.Array) -> jax.Array:
    """-mean D(fake), which the generator minimises; arguments as in `critic_loss`."""
    return -fake_scores.mean()


def interpolate(real: jax.Array, fake: jax.Array, alpha: jax.Array) -> jax.Array:
    """alpha real + (1 - alpha) fake: the places where the gradient penalty looks.

    Args:
      real, fake: float32[B, H, W, 3].
      alpha: float32[B], or a scalar (or float32[1]) for the whole batch.
    """
    alpha = jnp.reshape(alpha, (-1, 1, 1, 1))
    return alpha * real + (1 - alpha) * fake


def gradient_penalty(
    critic: Callable[[jax.Array], jax.Array],
    real: jax.Array,
    fake: jax.Array,
    alpha: jax.Array,
    *,
    norm: str = "sample",
    reduce: str = "mean",
) -> jax.Array:
    """mean((||grad_x D(x)||_2 - 1)^2) at x = alpha real + (1 - alpha) fake.

    Args:
      critic: float32[B, H, W, 3] to float32[B, ...].
      real, fake: float32[B, H, W, 3], sharp and restored pictures.
      alpha: float32[B] in [0, 1], or a scalar for the whole batch (as the authors' code has it).
      norm: `sample` takes the norm over height, width and channels of each sample (the paper's);
        `pixel` over the channels of each pixel (the authors' code, losses.py:158 at HEAD).
      reduce: of each sample's scores before the gradient is taken, `mean` or `sum` (the latter as
        in the authors' code).

    Returns:
      A float32 scalar, without the weight of 10. Its gradient is finite everywhere.

    References:
      Gulrajani et al., arXiv 1704.00028.
    """
    if norm not in ("sample", "pixel"):
        raise ValueError(f"norm is {norm!r}; it can be sample, pixel")
    if reduce not in ("mean", "sum"):
        raise ValueError(f"reduce is {reduce!r}; it can be mean, sum")
    mixed = interpolate(real, fake, alpha)

    def total(x: jax.Array) -> jax.Array:
        scores = critic(x)
        per_sample = scores.reshape(scores.shape[0], -1)
        return (per_sample.mean(1) if reduce == "mean" else per_sample.sum(1)).sum()

    gradient = jax.grad(total)(mixed)
    axes = (1, 2, 3) if norm == "sample" else (3,)
    norms = jnp.sqrt(jnp.square(gradient).sum(axes) + _NORM_EPSILON)
    return jnp.square(norms - 1).mean()


def perceptual_loss(
    features: Callable[[jax.Array], jax.Array],
    restored: jax.Array,
    sharp: jax.Array,
    *,
    distance: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
) -> jax.Array:
    """The distance of two pictures in a fixed network's features.

    Args:
      features: float32[B, H, W, 3] in [-1, 1] to any array with the batch in front.
      restored, sharp: float32[B, H, W, 3] in [-1, 1].
      distance: of two such arrays, a scalar; `mse_loss` (the paper's) where none is given.

    Returns:
      A float32 scalar.

    References:
      Johnson et al., arXiv 1603.08155; DeblurGAN, arXiv 1711.07064, section 3.1.
    """
    target = jax.lax.stop_gradient(features(sharp))
    return (distance or mse_loss)(features(restored), target)


def grid_loss(restored: jax.Array, sharp: jax.Array, blurred: jax.Array) -> jax.Array:
    """How much more of a grid of 2 or 4 pixels a network made than the sharp pictures have.

    At each frequency of a grid: how many times the amplitude around it stands in restored minus
    blurred, less how many times in sharp minus blurred, or less one where that is more. What is
    below counts as nothing, so that a facade's own rows are not flattened. These are the ratios of
    `checkerboard.peaks`, not in dB, of which a faint grid would pull as hard as a strong one.

    Args:
      restored, sharp, blurred: float32[B, H, W, 3] in [-1, 1], H and W at least 16.

    Returns:
      A float32 scalar, the mean over pictures and frequencies: 0 where nothing stands out. In the
      derivative the amplitudes around are constants, or texture there would be a way to lower it.

    Raises:
      ValueError: a picture has fewer than 16 rows or columns.
    """
    peak, around = checkerboard.powers(sharp, blurred)
    allowed = jnp.maximum(jnp.sqrt(peak / around), 1)
    peak, around = checkerboard.powers(restored, blurred)
    made = jnp.sqrt(peak / jax.lax.stop_gradient(around))
    return jnp.maximum(made - allowed, 0).mean()


def l1_loss(restored: jax.Array, sharp: jax.Array) -> jax.Array:
    """mean |restored - sharp|."""
    return jnp.abs(restored - sharp).mean()


def mse_loss(restored: jax.Array, sharp: jax.Array) -> jax.Array:
    """mean (restored - sharp)^2."""
    return jnp.square(restored - sharp).mean()


def charbonnier_loss(restored: jax.Array, sharp: jax.Array) -> jax.Array:
    """mean sqrt((restored - sharp)^2 + 1e-6): L1 that is smooth at zero (arXiv 1704.03915)."""
    return jnp.sqrt(jnp.square(restored - sharp) + CHARBONNIER_EPSILON**2).mean()


def psnr_loss(restored: jax.Array, sharp: jax.Array) -> jax.Array:
    """Minus the mean PSNR in dB of samples [B, ...] in [-1, 1], at most 80 dB each.

    What scores count: a strongly blurred sample weighs no more than another one, as it would in a
    mean of squared errors (NAFNet's loss, arXiv 2204.04676).
    """
    error = jnp.square(restored - sharp).mean(tuple(range(1, restored.ndim))) / 4
    return 10 * jnp.log10(error + PSNR_EPSILON).mean()


PIXEL_LOSSES: dict[str, Callable[[Any, Any], jax.Array]] = {
    "l1": l1_loss,
    "mse": mse_loss,
    "charbonnier": charbonnier_loss,
    "psnr": psnr_loss,
}
