"""Pictures of other kinds than models are trained on: medical, documents, photographs.

The Columbia report showed such pictures in its Figs. 5 and 6 without a score. Here they are those
that scikit-image bundles, blurred by Algorithm 1, so that each has its sharp twin; the folder then
holds

    kinds.json                       as `results.json`, each picture's `scene` its kind
    kinds_pictures/KIND/NAME/{blurred,restored,sharp}.png
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax import images
from deblur_jax.blur import blur_picture
from deblur_jax.data.pairs import Pair
from deblur_jax.errors import UserError
from deblur_jax.evaluation.demo import REALLY_BLURRED, bundled
from deblur_jax.evaluation.evaluate import evaluate_pairs
from deblur_jax.evaluation.metrics.artefacts import artefacts
from deblur_jax.evaluation.results import without_scores, write_results
from deblur_jax.evaluation.timed import Restores, TimedRestorer

FILE = "kinds.json"
DATASET = "kinds"
KINDS = {
    "medical": ("retina.jpg", "ihc.png", "cell.png", "phantom.png"),
    "cards and documents": ("page.png", "text.png", "logo.png"),
    "photographs": ("astronaut.png", "chelsea.png", "motorcycle_right.png"),
}
# The blur's extent for each pixel of the longer side, and its limits: about what GoPro has.
EXTENT, LEAST, MOST = 1 / 40, 7, 25
SIDES = ("blurred", "restored", "sharp")


def run_kinds(
    folder: str | Path,
    restorer: Restores,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Blurs, restores and scores the pictures; returns the path of `kinds.json`.

    Raises:
      UserError: scikit-image or its pictures are not there, or a file cannot be written.
    """
    folder = Path(folder)
    pictures = f"{Path(FILE).stem}_pictures"
    kept: dict[str, dict[str, str]] = {}

    def keep(pair: Pair, blurred: np.ndarray, restored: np.ndarray, sharp: np.ndarray) -> None:
        place = f"{pictures}/{pair.scene}/{pair.name}"
        kept[pair.name] = {side: f"{place}/{side}.png" for side in SIDES}
        images.write(folder / kept[pair.name]["restored"], restored)  # its twins are there

    pairs = _make_pairs(folder / pictures)
    results = evaluate_pairs(pairs, restorer, dataset=DATASET, keep=keep, progress=progress)
    for entry in results["per_image"]:
        entry["pictures"] = kept[entry["name"]]
    _add_really_blurred(folder, pictures, restorer, results)
    write_results(folder / FILE, results)
    return folder / FILE


def _make_pairs(folder: Path) -> list[Pair]:
    pairs = []
    for kind, files in KINDS.items():
        for source in filter(None, map(bundled, files)):
            sharp = images.read_rgb(source)
            extent = round(max(sharp.shape) * EXTENT)
            seed = zlib.crc32(source.stem.encode()) >> 1
            blurred = blur_picture(
                sharp, "trajectory", kernel_size=min(MOST, max(LEAST, extent)), seed=seed
            )
            place = folder / kind / source.stem
            for side, picture in (("blurred", blurred), ("sharp", sharp)):
                images.write(place / f"{side}.png", picture)
            pairs.append(Pair(source.stem, kind, place / "blurred.png", place / "sharp.png"))
    if not pairs:
        raise UserError("the installed scikit-image carries none of the pictures of other kinds")
    return pairs


def _add_really_blurred(
    folder: Path, pictures: str, restorer: Restores, results: dict[str, Any]
) -> None:
    """The one picture that a real camera blurred; it has no sharp twin and counts in no mean."""
    source = bundled(REALLY_BLURRED)
    if source is None:
        return
    blurred = images.read_rgb(source)
    restored, seconds = TimedRestorer(restorer)(blurred, source)
    height, width = blurred.shape[:2]
    entry = without_scores(
        source.stem,
        height,
        width,
        seconds,
        scene="photographs",
        artefacts=artefacts(restored, blurred),
    )
    entry["pictures"] = {}
    for side, picture in (("blurred", blurred), ("restored", restored)):
        entry["pictures"][side] = f"{pictures}/photographs/{source.stem}/{side}.png"
        images.write(folder / entry["pictures"][side], picture)
    results["per_image"].append(entry)
