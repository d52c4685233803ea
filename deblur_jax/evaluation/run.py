"""Scores what a training run has reached, on the pairs that its configuration names."""

from pathlib import Path
from typing import Any

from PIL import Image

from deblur_jax.data.pairs import Pair, find_pairs
from deblur_jax.data.training_set import gather, validation_folder
from deblur_jax.errors import UsageError
from deblur_jax.evaluation.evaluate import evaluate_pairs
from deblur_jax.evaluation.results import summary, write_results
from deblur_jax.restore.restorer import Restorer
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
    restorer = Restorer(registry.load(workdir), precision=config.train.precision)
    pairs, dataset = _pairs(config, workdir)
    results = evaluate_pairs(pairs, restorer, protocol=config.evaluate.protocol, dataset=dataset)
    write_results(workdir / "results.json", results)
    print(summary(results), flush=True)
    return results


def _pairs(config: Any, workdir: Path) -> tuple[list[Pair], str]:
    data = config.data
    root = Path(data.root).expanduser()
    for folder in (config.evaluate.pairs, validation_folder(data), data.pairs):
        if folder:
            return find_pairs(folder), Path(folder).name
    if not (data.synthetic and data.photographs):
        raise UsageError("evaluate.pairs names no folder of pairs, and neither does data.pairs")
    folder = workdir / "evaluation_pairs"
    bundled = data.photographs == "scikit-image"
    made, _ = gather(
        photographs=data.photographs if bundled else root / data.photographs,
        synthetic=_OWN_PAIRS,
        synthetic_size=data.synthetic_size,
        camera_share=data.camera_share,
        trajectory_share=data.trajectory_share,
        crop=data.crop,
        seed=config.seed + _OTHER_SEED,
    )
    for number, (blurred, sharp) in enumerate(made):
        for name, pixels in (("blur", blurred), ("sharp", sharp)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return find_pairs(folder), "synthetic"
