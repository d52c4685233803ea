"""What a run would train on, to look at: sheets of pairs, statistics, and a hash of all pixels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deblur_jax.atomic import atomic_write, write_text
from deblur_jax.data import sheets, statistics, training_set
from deblur_jax.data.sampling import AUGMENTATIONS
from deblur_jax.data.store import Store
from deblur_jax.data.training_set import SYNTHETIC
from deblur_jax.errors import UsageError
from deblur_jax.models import GeneratorConfig, minimum_size, size_multiple

FOLDER = "data"
SIDE = 256  # pixels of the crops that are counted and shown; smaller where pictures are
SHOWN = sheets.ROWS * sheets.COLUMNS
COUNTED = 240  # crops of each part
_CRITIC = "critic_"  # what fields of `config.model` begin with that are not the generator's
_CRITIC_MINIMUM_SIZE = 16  # pixels a side that `models.critic` takes

ArrayPair = tuple[np.ndarray, np.ndarray]


def prepare_run(config: Any, workdir: str | Path) -> dict[str, Any]:
    """Decodes and makes the pairs of a configuration without training.

    Writes `training_set.json` and `statistics.txt` into `workdir/data`, and one sheet of 24 crops
    for every kind of pairs. Pairs that training leaves out are neither counted nor shown.

    Args:
      config: as `configs/default.py` describes it.
      workdir: folder of the run; made if missing.

    Returns:
      What `training_set.json` holds: `sha256` of all names and pixels, `fingerprint` of what they
      were made from, and for every part its pairs, samples an epoch, and what
      `statistics.summarize` says of some crops.

    Raises:
      UserError, UsageError: as `training_set.gather` does, or a file cannot be written.
      UsageError: a crop or an augmentation that training would refuse.
    """

    def say(line: str) -> None:
        print(line, flush=True)

    _refuse_untrainable(config)
    store, entries = training_set.gather(config.data, seed=config.seed, report=say)
    trained, times = np.unique(entries, return_counts=True)
    store = store.only(trained)
    folder = Path(workdir) / FOLDER
    drawn = {part: _crops(store, part) for part in dict.fromkeys(store.parts)}
    summary = describe(store, times, drawn)
    write_text(folder / "training_set.json", json.dumps(summary, indent=2) + "\n")
    table = _table(summary["parts"])
    write_text(folder / "statistics.txt", table + "\n")
    _write_sheets(drawn, folder, say)
    say(table)
    say(f"{len(store)} pairs, {len(entries)} samples an epoch, sha256 {summary['sha256']}")
    return summary


def _refuse_untrainable(config: Any) -> None:
    """Says at once what training would say of the pairs' crops."""
    data = config.data
    for field, choices in (("augment", AUGMENTATIONS), ("placement", ("host", "device"))):
        if data[field] not in choices:
            raise UsageError(f"data.{field} is {data[field]!r}; it can be {', '.join(choices)}")
    fields = {k: v for k, v in dict(config.model).items() if not k.startswith(_CRITIC)}
    generator = GeneratorConfig.from_dict(fields)
    multiple = size_multiple(generator)
    least = max(minimum_size(generator), _CRITIC_MINIMUM_SIZE)
    if data.crop % multiple or data.crop < least:
        raise UsageError(
            f"data.crop is {data.crop}; it must be a multiple of {multiple} and at least {least}"
        )


def describe(store: Store, times: np.ndarray, drawn: dict[str, list[ArrayPair]]) -> dict[str, Any]:
    """The numbers of a training set, for JSON.

    Args:
      store: the pairs that are trained on.
      times: int[N], how often each stands in an epoch.
      drawn: some crops of each part.
    """
    parts = np.array(store.parts)
    return {
        "pairs": len(store),
        "samples_per_epoch": int(times.sum()),
        "sha256": store.sha256(),
        "fingerprint": store.fingerprint,
        "left_out": list(store.left_out),
        "parts": {
            part: {
                "pairs": int((parts == part).sum()),
                "samples_per_epoch": int(times[parts == part].sum()),
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
        with atomic_write(path) as stream:
            Image.fromarray(sheets.sheet(crops[:SHOWN], tile=tile)).save(stream, "png")
        say(f"{min(len(crops), SHOWN)} crops to look at in {path}")
