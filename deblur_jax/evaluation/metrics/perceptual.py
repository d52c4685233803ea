"""LPIPS and NIQE, measured by pyiqa for those who have it: `pip install 'deblur-jax[perceptual]'`.

- `lpips`: Zhang, Isola, Efros, Shechtman, Wang, The Unreasonable Effectiveness of Deep Features as
  a Perceptual Metric, CVPR 2018: the AlexNet variant, version 0.1, which papers mean by the name.
  0 for identical pictures, seldom above 1; lower is better.
- `niqe`: Mittal, Soundararajan, Bovik, Making a "Completely Blind" Image Quality Analyzer, IEEE
  Signal Processing Letters 2013, of the picture alone. As the authors' MATLAB release computes it:
  its own model of pristine pictures, the rounded luminance of `rgb2gray` (0.299, 0.587, 0.114, full
  range), blocks of 96 pixels, no border cropped. About 2 to 20; lower is better. The `niqe` of
  MATLAB's toolbox comes with another model, and BasicSR takes the Y of studio range.

pyiqa (IQA-PyTorch) is the one maintained library that has both. It needs PyTorch, fetches its
weights when a measure is first made, and reads those of LPIPS as a pickle. Its licence (PolyForm
Noncommercial 1.0.0, before 0.1.16 CC BY-NC-SA 4.0) allows no commercial use, one more reason why
nothing else here depends on it.
"""

import contextlib
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax.errors import UsageError, UserError
from deblur_jax.evaluation.metrics.window import check_pair

NAMES = ("lpips", "niqe")
_INSTALL = "pip install 'deblur-jax[perceptual]'"
_SMALLEST_LPIPS = 31  # pixels a side: AlexNet's two poolings before its last layers leave nothing
_NIQE_BLOCK = 96  # pixels a side; a covariance takes two blocks


@dataclass(frozen=True)
class _Recipe:
    """What pyiqa is told, and the files that it looks for below `torch.hub.get_dir()`."""

    options: dict[str, Any]
    files: dict[str, str]  # and where it fetches them


_PYIQA_FILES = "huggingface.co/chaofengc/IQA-PyTorch-Weights"
# All options are given, though they are pyiqa's defaults today: a default may change.
_RECIPES = {
    "lpips": _Recipe(
        {"net": "alex", "version": "0.1"},
        {
            "checkpoints/alexnet-owt-7be5be79.pth": "download.pytorch.org/models",
            "pyiqa/LPIPS_v0.1_alex-df73285e.pth": _PYIQA_FILES,
        },
    ),
    "niqe": _Recipe(
        {"test_y_channel": True, "color_space": "yiq", "crop_border": 0, "version": "original"},
        {"pyiqa/niqe_modelparameters.mat": _PYIQA_FILES},
    ),
}


class Perceptual:
    """The chosen measures with their weights, on the CPU.

    Args:
      names: of `NAMES`; each is loaded once.

    Raises:
      UsageError: a name that is none of them.
      UserError: pyiqa is not installed or cannot be loaded, or a file of weights is missing and
        cannot be fetched, or is damaged; the sentence says what to install or where to put it.
    """

    def __init__(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in NAMES:
                raise UsageError(f"no measure {name!r}: choose of {', '.join(NAMES)}")
        self._measures = {name: _load(name) for name in dict.fromkeys(names)}
        self.names = tuple(self._measures)  # what a score holds; an interrupted evaluation asks

    def __call__(self, picture: np.ndarray, reference: np.ndarray) -> dict[str, float | None]:
        """Measures one picture.

        Args:
          picture: uint8[H, W, 3], RGB.
          reference: uint8[H, W, 3], RGB; NIQE does not look at it.

        Returns:
          By name, in the order that was asked for; None, never a NaN, where a measure is not
          defined: LPIPS below 31 pixels a side, NIQE below two whole blocks of 96x96 pixels and
          on pictures that are flat in every block.

        Raises:
          ValueError: another shape or type.
        """
        check_pair(picture, reference)
        return {
            name: _measured(measure, *((picture, reference) if name == "lpips" else (picture,)))
            if _fits(name, *picture.shape[:2])
            else None
            for name, measure in self._measures.items()
        }


def _fits(name: str, height: int, width: int) -> bool:
    if name == "lpips":
        return min(height, width) >= _SMALLEST_LPIPS
    return (height // _NIQE_BLOCK) * (width // _NIQE_BLOCK) >= 2


def _measured(measure: Any, *pictures: np.ndarray) -> float | None:
    import torch

    batches = [
        torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 255)
        for picture in pictures
    ]
    try:
        with torch.no_grad():
            value = float(measure(*batches).item())
    except torch.linalg.LinAlgError:  # NIQE found no block with any contrast
        return None
    return value if math.isfinite(value) else None


def _load(name: str) -> Any:
    """pyiqa's measure: float32[1, 3, H, W] in [0, 1], RGB, one or two of them -> one number."""
    pyiqa = _library()
    recipe = _RECIPES[name]
    try:
        # On the CPU, as JAX takes most of an accelerator's memory, and for the same last digits
        # everywhere. What pyiqa prints about its files must not get into a command's output.
        with contextlib.redirect_stdout(sys.stderr):
            return pyiqa.create_metric(name, as_loss=False, device="cpu", **recipe.options)
    except MemoryError:
        raise
    except Exception as error:  # without a network: URLError, or whatever a later hub raises
        raise UserError(_what_is_wrong(name, recipe, error)) from error


def _library() -> Any:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            import pyiqa
    except Exception as error:  # a torchvision of another build raises RuntimeError
        if isinstance(error, ModuleNotFoundError) and error.name == "pyiqa":
            message = f"LPIPS and NIQE need pyiqa, which is not installed: {_INSTALL}"
        else:
            message = f"pyiqa is installed but cannot be loaded ({_line(error)}): {_INSTALL}"
        raise UserError(message) from error
    return pyiqa


def _what_is_wrong(name: str, recipe: _Recipe, error: Exception) -> str:
    import torch

    folder = Path(torch.hub.get_dir())
    missing = [file for file in recipe.files if not (folder / file).exists()]
    if missing:
        wanted = " and ".join(f"{folder / file} (from {recipe.files[file]})" for file in missing)
        they = "it" if len(missing) == 1 else "they"
        return f"{name} lacks {wanted}, and {they} cannot be fetched now: {_line(error)}"
    present = " and ".join(str(folder / file) for file in recipe.files)
    return (
        f"{name} cannot be made of {present} ({_line(error)}): delete what is damaged and it is "
        "fetched anew"
    )


def _line(error: Exception) -> str:
    """What an error says, on one line; of a URLError its reason."""
    said = str(getattr(error, "reason", None) or error).split("\n")[0].strip()
    return said or type(error).__name__
