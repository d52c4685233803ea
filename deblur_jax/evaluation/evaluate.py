"""Scoring a model over pairs: the blurred input's own score beside the restored picture's."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deblur_jax.data import protocols
from deblur_jax.data.pairs import Pair, pair_size, read_pair
from deblur_jax.errors import UsageError, UserError
from deblur_jax.evaluation import metrics
from deblur_jax.evaluation.device import device_name
from deblur_jax.evaluation.metrics.artefacts import artefacts
from deblur_jax.evaluation.results import picture_table, summarise, summary, write_results
from deblur_jax.evaluation.timed import Restores, TimedRestorer

__all__ = [
    "Restores",
    "TimedRestorer",
    "evaluate_pairs",
    "picture_table",
    "summary",
    "write_results",
]


Keep = Callable[[Pair, np.ndarray, np.ndarray, np.ndarray], None]


def evaluate_pairs(
    pairs: Sequence[Pair],
    restorer: Restores,
    *,
    protocol: str = "full",
    filter: str = "bicubic",
    dataset: str,
    limit: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    keep: Keep | None = None,
) -> dict[str, Any]:
    """Scores a model over pairs, in the order of (scene, name).

    Args:
      pairs: at least one.
      restorer: the model; it is called once a picture, and once more for each new size.
      protocol: `full`, `half` or `resize256`, applied to both twins before the model.
      filter: `bicubic` or `nearest`, for the protocols that resize.
      dataset: the name under which the results stand.
      limit: only the first so many pairs.
      progress: called with (pictures done, pictures in all, name) after each.
      keep: called with (pair, blurred, restored, sharp), uint8[H, W, 3] as scored.

    Returns:
      The document that `results.py` describes; `height` and `width` are those scored.

    Raises:
      UsageError: no pairs, a limit below one, an unknown protocol or filter.
      UserError: a picture that cannot be read, twins of different size (found before anything is
        restored), or a model whose output is not finite; each named.
    """
    protocols.check(protocol, filter)
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} leaves nothing to evaluate")
    if not pairs:
        raise UsageError(f"{dataset}: no pairs to evaluate")
    chosen = sorted(pairs, key=lambda pair: (pair.scene, pair.name))[:limit]
    for pair in chosen:
        pair_size(pair)

    timed = TimedRestorer(restorer)
    entries = []
    for done, pair in enumerate(chosen, start=1):
        blurred, sharp = (_sized(pair, side, protocol, filter) for side in read_pair(pair))
        restored, seconds = timed(blurred, pair.blurred)
        entries.append(_entry(pair, blurred, restored, sharp, seconds))
        if keep is not None:
            keep(pair, blurred, restored, sharp)
        if progress is not None:
            progress(done, len(chosen), pair.name)
    assert timed.first_seconds is not None
    return summarise(
        entries,
        protocol=protocol,
        filter=filter if protocols.resizes(protocol) else None,
        dataset=dataset,
        weights={"name": restorer.weights.name, "sha256": restorer.weights.sha256},
        device=device_name(),
        first_seconds=timed.first_seconds,
    )


def _sized(pair: Pair, picture: np.ndarray, protocol: str, filter: str) -> np.ndarray:
    try:
        return protocols.apply(picture, protocol, filter)
    except UserError as error:
        raise UserError(f"{pair.blurred}: {error}") from error


def _entry(
    pair: Pair, blurred: np.ndarray, restored: np.ndarray, sharp: np.ndarray, seconds: float
) -> dict[str, Any]:
    return {
        "name": pair.name,
        "scene": pair.scene,
        "height": sharp.shape[0],
        "width": sharp.shape[1],
        "blurred": metrics.scores(blurred, sharp),
        "restored": metrics.scores(restored, sharp),
        "artefacts": artefacts(restored, blurred),
        "seconds": seconds,
    }
