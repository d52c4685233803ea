"""What a run would train on, to look at: sheets of pairs, statistics, and a hash of all pixels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deblur_jax.atomic import make_folder, write_text
from deblur_jax.data import sheets, statistics, training_set
from deblur_jax.data.store import Store
from deblur_jax.data.training_set import SYNTHETIC

FOLDER = "data"
SIDE = 256  # pixels of the crops that are counted and shown; smaller where pictures are
SHOWN = sheets.ROWS * sheets.COLUMNS
COUNTED = 240  # crops of each part

ArrayPair = tuple[np.ndarray, np.ndarray]


def prepare_run(config: Any, workdir: str | Path) -> dict[str, Any]:
    """Decodes and makes the pairs of a configuration without training.

    Writes `training_set.json` and `statistics.txt` into `workdir/data`, and one sheet of 24 pairs
    for every kind of pairs.

    Args:
      config: as `configs/default.py` describes it.
      workdir: folder of the run; made if missing.

    Returns:
      What `training_set.json` holds: `sha256` of all names and pixels, `fingerprint` of what they
      were made from, and for every part its pairs, times an epoch and `statistics.summarize`.

    Raises:
      UserError, UsageError: as `training_set.gather` does.
    """

    def say(line: str) -> None:
        print(line, flush=True)

    store, entries = training_set.gather(config.data, seed=config.seed, report=say)
    folder = Path(workdir) / FOLDER
    make_folder(folder)
    drawn = {part: _crops(store, part) for part in dict.fromkeys(store.parts)}
    summary = describe(store, entries, drawn)
    write_text(folder / "training_set.json", json.dumps(summary, indent=2) + "\n")
    table = _table(summary["parts"])
    write_text(folder / "statistics.txt", table + "\n")
    _write_sheets(drawn, folder, say)
    say(table)
    say(f"{len(store)} pairs, {len(entries)} samples an epoch, sha256 {summary['sha256']}")
    return summary


def describe(
    store: Store, entries: np.ndarray, drawn: dict[str, list[ArrayPair]]
) -> dict[str, Any]:
    """The numbers of a training set, for JSON; `drawn` holds some crops of each part."""
    counts = np.bincount(entries, minlength=len(store))
    parts = np.array(store.parts)
    return {
        "pairs": len(store),
        "samples_per_epoch": len(entries),
        "sha256": store.sha256(),
        "fingerprint": store.fingerprint,
        "left_out": list(store.left_out),
        "parts": {
            part: {
                "pairs": int((parts == part).sum()),
                "samples_per_epoch": int(counts[parts == part].sum()),
                "statistics": statistics.summarize(crops),
            }
            for part, crops in drawn.items()
        },
    }


def _crops(store: Store, part: str) -> list[ArrayPair]:
    """At most COUNTED crops of a part, the same ones every time, spread over its pairs."""
    numbers = np.flatnonzero(np.array(store.parts) == part)
    rng = np.random.default_rng(0)
    count = COUNTED if (store.boxes[2:, numbers] > SIDE).any() else min(COUNTED, len(numbers))
    crops = []
    for number in np.resize(rng.permutation(numbers), count):
        height, width = (int(side) for side in store.boxes[2:, number])
        rows, columns = min(SIDE, height), min(SIDE, width)
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        blurred, sharp = store.crop(int(number), int(top), int(left), rows, columns)
        crops.append((blurred, sharp))
    return crops


def _table(parts: dict[str, Any]) -> str:
    """Real parts against synthetic ones; or the quantiles alone where there is one kind only."""
    kinds: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for name, part in parts.items():
        kinds[name.startswith(SYNTHETIC)][name] = part["statistics"]
    if all(kinds):
        return statistics.compare(*kinds)
    lines = [f"{'blurred PSNR in dB':<32} " + " ".join(f"{q:>6.0%}" for q in statistics.QUANTILES)]
    for name, summary in (kinds[0] | kinds[1]).items():
        lines.append(f"{name:<32} " + " ".join(f"{value:6.2f}" for value in summary["psnr"]))
    return "\n".join(lines)


def _write_sheets(
    drawn: dict[str, list[ArrayPair]], folder: Path, say: Callable[[str], None]
) -> None:
    for part, crops in drawn.items():
        path = folder / f"{part.replace('/', '_') or 'pairs'}.png"
        tile = min(min(sharp.shape[:2]) for _, sharp in crops[:SHOWN])
        Image.fromarray(sheets.sheet(crops[:SHOWN], tile=tile)).save(path)
        say(f"{min(len(crops), SHOWN)} pairs to look at in {path}")
