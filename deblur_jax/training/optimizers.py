"""How gradients become updates: by Adam, as in the paper, or a generator's matrices by Muon.

Muon (Jordan, 2024, https://kellerjordan.github.io/posts/muon; Optax has it) takes from a matrix'
averaged gradient its singular values, so that every direction moves alike. A convolution's kernel
is a matrix here, from all numbers of a window to a pixel's channels. Steps are scaled to Adam's
usual size (Liu et al., arXiv 2502.16982), so that a rate serves both. What is no matrix takes
Adam with Nesterov's momentum beside it, as Optax has it.
"""

from typing import TYPE_CHECKING, Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

if TYPE_CHECKING:
    from deblur_jax.training.state import Recipe

OPTIMIZERS = ("adam", "muon")
_MOMENTUM = 0.95  # Jordan's
_SIZE = 0.2  # of an update, as a root mean square: Adam's (arXiv 2502.16982)


def critic(recipe: "Recipe") -> optax.GradientTransformation:
    """Adam without its rate, which the step applies itself."""
    return optax.scale_by_adam(b1=recipe.adam_b1, b2=recipe.adam_b2)


def generator(recipe: "Recipe") -> optax.GradientTransformation:
    """The same, or with `recipe.optimizer` of `muon` that for all kernels that are matrices."""
    if recipe.optimizer == "adam":
        return critic(recipe)
    return muon(
        -1.0,  # Optax would descend by this rate; the step has its own, and its own minus
        beta=_MOMENTUM,
        adam_b1=recipe.adam_b1,
        adam_b2=recipe.adam_b2,
        consistent_rms=_SIZE,
        muon_weight_dimension_numbers=_matrices,
    )


def _matrices(params: Any) -> Any:
    """For each leaf which axes it sums over and which it makes, or None where Adam takes it."""
    return jax.tree_util.tree_map_with_path(_matrix, params)


def _matrix(path: tuple[Any, ...], leaf: Any) -> MuonDimensionNumbers | None:
    """Kernels: [h, w, I, O] of convolutions, [I, O] of dense layers, some with blocks in front."""
    names = [str(getattr(key, "key", key)) for key in path]
    # Nine numbers of each channel by itself are no matrix.
    if names[-1] != "kernel" or "depthwise" in names:
        return None
    first = leaf.ndim - 2
    return MuonDimensionNumbers((0, 1, 2) if leaf.ndim == 4 else (first,), (leaf.ndim - 1,))
