"""Whether contenders compute the same: a time of another network says nothing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Another network is off by tenths. Statistics of an instance norm over many pixels are what peers
# are least exact at: at 1280x720 OpenVINO is 0.0044 off, ONNX Runtime 0.0011 (2026-11-26).
LIMITS = {"picture": 1e-2, "losses": 1e-3, "gradients": 1e-3}
PICTURE, LOSS, GRADIENT = "picture", "loss/", "gradient/"
# Losses are differences of means: the relative error of one that happens to be near zero would say
# nothing, so that it is taken of this much at least.
_SMALLEST_LOSS = 1e-3

Arrays = Mapping[str, NDArray[Any]]


def errors(found: Arrays, reference: Arrays) -> dict[str, float]:
    """How far a contender's outputs are from the reference's.

    Args:
      found, reference: `picture`, [1, H, W, 3] in [-1, 1]; or `loss/…`, scalars, and `gradient/…`,
        as the engines give them.

    Returns:
      Of what there is: `picture`, the largest difference; `losses`, the largest difference by the
      reference's size; `gradients`, the norm of the difference by the reference's norm, all
      parameters together, as some gradients are nothing but rounding.

    Raises:
      ValueError: the two do not hold the same.
    """
    if shapes(found) != shapes(reference):
        raise ValueError(f"outputs are {shapes(found)}, not {shapes(reference)}")
    wide = {key: (np.float64(found[key]), np.float64(reference[key])) for key in reference}
    result = {}
    if PICTURE in wide:
        own, right = wide[PICTURE]
        result["picture"] = float(np.abs(own - right).max())
    losses = [pair for key, pair in wide.items() if key.startswith(LOSS)]
    if losses:
        relative = [abs(own - right) / max(abs(right), _SMALLEST_LOSS) for own, right in losses]
        result["losses"] = float(np.max(relative))
    gradients = [pair for key, pair in wide.items() if key.startswith(GRADIENT)]
    if gradients:
        off, size = (
            np.sqrt(sum(np.square(part).sum() for part in parts))
            for parts in ([own - right for own, right in gradients], [r for _, r in gradients])
        )
        result["gradients"] = float(off / size)
    return result


def shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    """The shape of each array, in the order of their names."""
    return {key: np.shape(arrays[key]) for key in sorted(arrays)}


def refusal(name: str, found: Mapping[str, float]) -> str | None:
    """A sentence where an error is above its limit or no number; None where all are below."""
    for kind, error in found.items():
        if not error <= LIMITS[kind]:
            return (
                f"{name} computes something else: the largest error of its {kind} is {error:.2g}, "
                f"and {LIMITS[kind]:g} is allowed"
            )
    return None
