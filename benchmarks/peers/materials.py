"""The files that contenders read from a job's folder, so that none needs another's library.

A picture for all; for the peers the generator's configuration and weights. What a training step
needs is in `training`.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.job import Job

Array = NDArray[np.float32]
GENERATORS = ("resnet", "unshuffle")  # that the other libraries' networks are written for


def picture(job: Job) -> Array:
    """The blurred picture, float32[1, H, W, 3] in [-1, 1]."""
    return np.load(job.folder / "picture.npy")


def network(job: Job) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The generator's configuration and, for PyTorch, its weights.

    A `resnet` has the authors' keys, an `unshuffle` those of `layout.layers`.
    """
    config = json.loads((job.folder / "generator.json").read_text())
    return config, arrays(job, "generator")


def arrays(job: Job, name: str) -> dict[str, NDArray[Any]]:
    """The arrays of `NAME.npz`."""
    with np.load(job.folder / f"{name}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def onnx_file(job: Job) -> Path:
    """The ONNX model."""
    return job.folder / "generator.onnx"


def write_arrays(job: Job, name: str, values: dict[str, Any]) -> None:
    """Writes `NAME.npz`."""
    np.savez(job.folder / f"{name}.npz", **values)


def write(job: Job, generator: Any, names: Collection[str]) -> None:
    """Writes what the contenders need to restore a picture.

    Args:
      job: whose folder is written to.
      generator: a `networks.Network`.
      names: of the libraries' modules that will be used: `torch`, `onnx`.

    Raises:
      UserError: the peers have no such network.
    """
    # JAX comes with these; a peer that reads the files above shall not import it.
    from benchmarks.peers import layout
    from deblur_jax.errors import UsageError
    from deblur_jax.weights import authors

    blurred = photograph(job.height, job.width)[None]
    np.save(job.folder / "picture.npy", blurred)
    if not names:
        return
    config = generator.config.to_dict()
    if config["generator"] not in GENERATORS:
        raise UsageError(
            f"the other libraries' networks are written here for {' and '.join(GENERATORS)}, "
            f"not for {config['generator']}"
        )
    (job.folder / "generator.json").write_text(json.dumps(config))
    weights = layout.layers(generator.params)
    if config["generator"] == "resnet":
        write_arrays(job, "generator", authors.state_dict(generator.config, generator.params))
    else:
        write_arrays(job, "generator", weights)
    if "onnx" in names:
        from benchmarks.peers import onnx_model

        onnx_model.write(onnx_file(job), config, weights, job.height, job.width)


def photograph(height: int, width: int, shift: int = 0) -> Array:
    """A photograph of scikit-image's, continued by mirroring, float32[H, W, 3] in [-1, 1].

    Args:
      height, width: in pixels.
      shift: rows and columns by which it begins further down and to the right.
    """
    from skimage import data

    whole = data.astronaut()
    pads = [
        (0, max(0, shift + n - got)) for n, got in zip((height, width), whole.shape, strict=False)
    ]
    window = np.pad(whole, [*pads, (0, 0)], mode="reflect")[shift:, shift:][:height, :width]
    return window.astype(np.float32) / 127.5 - 1


def streaked(sharp: Array, length: int = 7) -> Array:
    """A picture blurred sideways over `length` pixels."""
    moved = [np.roll(sharp, step, axis=1) for step in range(length)]
    return np.mean(moved, axis=0, dtype=np.float32)
