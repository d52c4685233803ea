"""Köhler's benchmark from its folder to a file like `results.json`, with the protocol `kohler`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deblur_jax.evaluation import about
from deblur_jax.evaluation.device import device_name
from deblur_jax.evaluation.kohler.benchmark import evaluate_kohler
from deblur_jax.evaluation.kohler.folder import find_kohler
from deblur_jax.evaluation.ledger import Ledger, beside
from deblur_jax.evaluation.results import SCHEMA, times, write_results
from deblur_jax.evaluation.timed import Restores, TimedRestorer
from deblur_jax.version import __version__

DATASET = "kohler"


def evaluate_to_file(
    output: str | Path,
    directory: str | Path,
    restorer: Restores,
    *,
    limit: int | None = None,
    command: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Scores a model on the photographs of a folder and writes the document, which it returns.

    Interrupted, the same call goes on from the photographs that were scored.

    Args:
      output: file to write.
      directory: where the benchmark's archives were unpacked, see `folder.py`.
      restorer: the model.
      limit: only the first so many photographs; the benchmark's figures are over all 48.
      command: the call, to stand in the document.
      progress: called with (photographs done, in all, name) after each.
      say: told how many were scored before.

    Raises:
      UsageError, UserError: what `find_kohler` and `evaluate_kohler` refuse, or a file that cannot
        be written.
    """
    pictures = find_kohler(directory)[:limit]
    timed = TimedRestorer(restorer)
    weights, call = (
        about.of_weights(restorer.weights),
        about.of_call(restorer, command=command, limit=limit, devices=1),
    )
    measured = {
        "deblur_jax": __version__, "weights": weights, "protocol": DATASET,
        "device": device_name(), "precision": call["precision"], "dropout": call["dropout"],
        "self_ensemble": call["self_ensemble"],
    }  # fmt: skip
    place = beside(output)
    with Ledger(place, measured) as ledger:
        found = evaluate_kohler(pictures, timed, progress, ledger=ledger, say=say)
        first_seconds = ledger.first_seconds
    seconds = [entry["seconds"] for entry in found["per_image"]]
    document = {
        "schema": SCHEMA,
        **{key: value for key, value in found.items() if key != "per_image"},
        "dataset": DATASET,
        "weights": weights,
        "device": device_name(),
        "seconds_per_image": times(seconds, first_seconds or 0.0),
        **call,
        "per_image": found["per_image"],
    }
    write_results(output, document)
    place.unlink(missing_ok=True)
    return document
