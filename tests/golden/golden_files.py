"""Reading what `make_golden.py` has written, and weights as the files in which Keras keeps them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

FOLDER = Path(__file__).parent


def load(name: str) -> dict[str, Any]:
    """The arrays of a golden file, see `nested`."""
    with np.load(FOLDER / f"{name}.npz") as archive:
        return nested({key: archive[key] for key in archive.files})


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Makes names with a `/` nested dicts, parted at the first one."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        group, slash, rest = key.partition("/")
        if slash:
            tree.setdefault(group, {})[rest] = value
        else:
            tree[key] = value
    return tree


def write_h5(path: Path, weights: Mapping[str, np.ndarray], whole_model: bool = False) -> Path:
    """Writes weights as Keras 2's `save_weights` does, or, for `whole_model`, its `save`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        names = list(dict.fromkeys(key.split("/")[0] for key in weights))
        # Layers without weights are listed as well.
        listed = ["input_1", "reflection_padding2d_1", *names, "activation_1", "lambda_1"]
        root.attrs["layer_names"] = [name.encode() for name in listed]
        root.attrs["backend"] = b"tensorflow"
        root.attrs["keras_version"] = b"2.1.5"
        for name in listed:
            group = root.create_group(name)
            held = [key for key in weights if key.split("/")[0] == name]
            group.attrs["weight_names"] = np.array([key.encode() for key in held], "S")
            for key in held:
                group.create_dataset(key, data=weights[key])
    return path


def vgg_state(seed: int) -> dict[str, np.ndarray]:
    """Weights for VGG19's first seven convolutions that keep a signal's size; any will do.

    Drawn by the one source of NumPy's that never changes, so that no file need hold them.
    """
    draw, state, inputs = np.random.RandomState(seed), {}, 3
    for index, outputs in zip(
        (0, 2, 5, 7, 10, 12, 14), (64, 64, 128, 128, 256, 256, 256), strict=True
    ):
        kernel = draw.normal(size=(outputs, inputs, 3, 3)) * np.sqrt(2 / (9 * inputs))
        state[f"features.{index}.weight"] = kernel.astype(np.float32)
        state[f"features.{index}.bias"] = (0.1 * draw.normal(size=outputs)).astype(np.float32)
        inputs = outputs
    return state
