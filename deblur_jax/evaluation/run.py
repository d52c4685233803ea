"""Scores what a training run has reached, on the pairs that its configuration names."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deblur_jax.data import sources
from deblur_jax.data.pairs import Pair, find_pairs
from deblur_jax.data.training_set import synthetic_pool, validation_folder
from deblur_jax.errors import UsageError
from deblur_jax.evaluation.files import evaluate_to_file
from deblur_jax.evaluation.results import summary
from deblur_jax.progress import Reporter
from deblur_jax.restore.restorer import on_every_device
from deblur_jax.weights import registry

_OWN_PAIRS = 4  # synthetic ones, for a preset that has no folder to be scored on
_OTHER_SEED = 1_000_003  # added to the run's, so that no pair was trained on


def evaluate_run(config: Any, workdir: str | Path) -> dict[str, Any]:
    """Evaluates a workdir's latest checkpoint, writes `results.json` there and prints a table.

    The pairs are those of `config.evaluate.pairs`, else those for validation, else of `data.pairs`;
    a preset with neither but with photographs of its own is scored on a few new synthetic pairs.

    Raises:
      UserError: there is no checkpoint, or the pairs cannot be read.
      UsageError: the configuration names no pairs.
    """
    workdir = Path(workdir)
    evaluate = config.evaluate
    restorers = on_every_device(
        registry.load(workdir),
        precision=config.train.precision,
        dropout=config.seed if evaluate.dropout else None,
    )
    pairs, dataset = _pairs(config, workdir)
    with Reporter("pair") as reporter:
        results = evaluate_to_file(
            workdir / "results.json",
            pairs,
            restorers,
            protocol=evaluate.protocol,
            filter=evaluate.protocol_filter,
            dataset=dataset,
            pictures=evaluate.pictures,
            progress=reporter.item,
            say=reporter.say,
        )
    print(summary(results), flush=True)
    return results


def _pairs(config: Any, workdir: Path) -> tuple[list[Pair], str]:
    data = config.data
    for folder, split in (
        (config.evaluate.pairs, ""),
        (validation_folder(data), data.validation_split if data.validation else ""),
        (data.pairs, data.split),
    ):
        if folder:
            return _files(folder, split, data.subset), Path(folder).name
    if not (data.synthetic and data.photographs):
        raise UsageError("evaluate.pairs names no folder of pairs, and neither does data.pairs")
    return _new_pairs(config, workdir / "evaluation_pairs"), "synthetic"


def _files(folder: str | Path, split: str, subset: str) -> list[Pair]:
    found = sources.find(folder, split=split, subset=subset)
    pairs = [source.pair for source in found if isinstance(source, sources.FilePair)]
    if len(pairs) < len(found):
        raise UsageError(f"{folder} is no folder of pictures: name one in evaluate.pairs")
    return pairs


def _new_pairs(config: Any, folder: Path) -> list[Pair]:
    """A few synthetic pairs that the run has not seen, as files."""
    pool = synthetic_pool(config.data, count=_OWN_PAIRS, seed=config.seed + _OTHER_SEED)
    shape = (pool.count, pool.size, pool.size, 3)
    made = {"blur": np.zeros(shape, np.uint8), "sharp": np.zeros(shape, np.uint8)}
    pool.make(made["blur"], made["sharp"])
    for name, pictures in made.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, pixels in enumerate(pictures):
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return find_pairs(folder)
