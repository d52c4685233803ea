"""An evaluation as files: results.json, and pictures beside it that a report can show.

    NAME.json
    NAME_pictures/PICTURE/{blurred,restored,sharp}.png      as they were scored
    NAME.json.partial                                       while it runs, see `ledger.py`

Each picture's entry in `per_image` gets `pictures`, {"blurred", "restored", "sharp"}: their paths
from the results' folder. Which ones is decided when all gains are known; they are restored once
more.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from deblur_jax import images
from deblur_jax.data.pairs import Pair
from deblur_jax.evaluation.evaluate import evaluate_pairs
from deblur_jax.evaluation.examples import chosen
from deblur_jax.evaluation.ledger import beside
from deblur_jax.evaluation.results import write_results
from deblur_jax.evaluation.scoring import read_sized
from deblur_jax.evaluation.timed import Restores

PICTURES = 8


def evaluate_to_file(
    output: str | Path,
    pairs: Sequence[Pair],
    restorers: Sequence[Restores],
    *,
    pictures: int = PICTURES,
    **options: Any,
) -> dict[str, Any]:
    """Scores a model, writes the results and so many of the pictures; returns the document.

    Interrupted, the same call goes on from what has been scored. The options are those of
    `evaluate_pairs`, and so are the errors, beside a UserError for a file that cannot be written.
    """
    ledger = beside(output)
    document = evaluate_pairs(pairs, restorers, ledger=ledger, **options)
    write_results(output, document)  # before a picture that cannot be written keeps it from us
    ledger.unlink(missing_ok=True)
    if pictures:
        keep_pictures(output, document, pairs, restorers[0], most=pictures)
        write_results(output, document)
    return document


def place_of_pictures(output: Path) -> str:
    """The folder of an evaluation's pictures, from the results' own."""
    return f"{output.name.removesuffix('.json')}_pictures"


def keep_pictures(
    output: str | Path,
    document: dict[str, Any],
    pairs: Sequence[Pair],
    restorer: Restores,
    *,
    most: int = PICTURES,
) -> None:
    """Writes the pictures that stand for an evaluation and names them in its document.

    Args:
      output: the file that the document is going to be.
      document: of `evaluate_pairs`.
      pairs: that were scored.
      restorer: the model that was.
      most: how many pictures; the best, the median and the worst by gain are among them.

    Raises:
      UserError: a picture cannot be read or restored now, or written.
    """
    output = Path(output)
    by_name = {pair.name: pair for pair in pairs}
    for entry in chosen(document["per_image"], most):
        pair = by_name[entry["name"]]
        how = document["protocol"], document.get("filter", "bicubic")
        blurred, sharp = read_sized(pair, *how)
        layers = {"blurred": blurred, "restored": restorer(blurred), "sharp": sharp}
        folder = PurePosixPath(place_of_pictures(output), PurePosixPath(pair.name).with_suffix(""))
        entry["pictures"] = {}
        for side, picture in layers.items():
            place = folder / f"{side}.png"
            images.write(output.parent / place, picture)
            entry["pictures"][side] = str(place)
