"""One pair, from its files to its entry in `per_image`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from deblur_jax.data import protocols
from deblur_jax.data.pairs import Pair, read_pair
from deblur_jax.errors import UserError
from deblur_jax.evaluation import metrics
from deblur_jax.evaluation.metrics.artefacts import artefacts
from deblur_jax.evaluation.timed import Restored, TimedRestorer

Array = np.ndarray
Entry = dict[str, Any]
Keep = Callable[[Pair, Array, Array, Array], None]
Perceptual = Callable[[Array, Array], dict[str, float | None]]
# How others turn a network's floats into what they score; PSNR alone shows it.
OF_FLOATS = {"psnr_truncated": "truncate", "psnr_floats": "none"}


def score_pair(
    pair: Pair,
    timed: TimedRestorer,
    *,
    protocol: str,
    filter: str,
    perceptual: Perceptual | None = None,
    keep: Keep | None = None,
) -> Entry:
    """Reads, restores and scores a pair.

    Args:
      pair: two files.
      timed: the model; what is computed here is computed on its device.
      protocol, filter: the size at which it is scored, see `data.protocols`.
      perceptual: further scores of (picture, sharp), uint8[H, W, 3] both.
      keep: called with (pair, blurred, restored, sharp), uint8[H, W, 3] as scored.

    Returns:
      The entry that `results.py` describes, whose PSNRs may still be `inf`.

    Raises:
      UserError: a picture that cannot be read, twins of different size, or a model that fails or
        whose output is not finite; each named.
    """
    blurred, sharp = read_sized(pair, protocol, filter)
    with jax.default_device(getattr(timed.restorer, "device", None)):
        restored = timed.restore(blurred, pair.blurred)
        entry = {
            "name": pair.name,
            "scene": pair.scene,
            "height": sharp.shape[0],
            "width": sharp.shape[1],
            "blurred": metrics.scores(blurred, sharp),
            "restored": metrics.scores(restored.picture, sharp) | _of_floats(restored, sharp),
            "artefacts": artefacts(restored.picture, blurred),
            "seconds": restored.seconds,
        }
    if perceptual is not None:
        for side, picture in (("blurred", blurred), ("restored", restored.picture)):
            entry[side] |= perceptual(picture, sharp)
    if keep is not None:
        keep(pair, blurred, restored.picture, sharp)
    return entry


def read_sized(pair: Pair, protocol: str, filter: str) -> tuple[Array, Array]:
    """(blurred, sharp) of a pair as the protocol scores them, uint8[H, W, 3]."""
    blurred, sharp = read_pair(pair)
    try:
        return (
            protocols.apply(blurred, protocol, filter),
            protocols.apply(sharp, protocol, filter),
        )
    except UserError as error:
        raise UserError(f"{pair.blurred}: {error}") from error


def _of_floats(restored: Restored, sharp: Array) -> dict[str, float]:
    if restored.floats is None:
        return {}
    return {
        key: metrics.psnr_of_floats(restored.floats, sharp, rounding=rounding)  # type: ignore[arg-type]
        for key, rounding in OF_FLOATS.items()
    }
