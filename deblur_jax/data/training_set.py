"""Gathers the pairs of a run in memory: folders of pairs, a mixture of them, synthetic blur."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax.data.pairs import find_pairs, read_pair
from deblur_jax.data.synthetic import make_pool
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import IMAGE_SUFFIXES

ArrayPair = tuple[np.ndarray, np.ndarray]
# Photographs in scikit-image's wheel that are sharp, in colour and at least 300 pixels a side.
BUNDLED_PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


def read_pairs(directory: str | Path, *, crop: int, match_means: bool = False) -> list[ArrayPair]:
    """All pairs of a directory, decoded.

    Args:
      directory: in a layout that `pairs.find_pairs` accepts.
      crop: the smallest height and width allowed, in pixels.
      match_means: shifts each blurred picture to its sharp twin's mean. Frames that were averaged
        in linear light are some grey levels brighter than their twin, which a network would learn
        as a change of brightness.

    Returns:
      (blurred, sharp), each uint8[H, W, 3].

    Raises:
      UserError: an unreadable picture, twins of different size, or a picture smaller than the crop.
    """
    decoded = []
    for pair in find_pairs(directory):
        blurred, sharp = read_pair(pair)
        height, width = blurred.shape[:2]
        if min(height, width) < crop:
            raise UserError(
                f"{pair.blurred} is {width}x{height} pixels, smaller than the crop of {crop}x{crop}"
            )
        decoded.append((_matched(blurred, sharp) if match_means else blurred, sharp))
    return decoded


def _matched(blurred: np.ndarray, sharp: np.ndarray) -> np.ndarray:
    shift = sharp.mean(dtype=np.float64) - blurred.mean(dtype=np.float64)
    return np.clip(np.rint(blurred + shift), 0, 255).astype(np.uint8)


def photograph_paths(source: str | Path) -> list[Path]:
    """Sharp photographs below a folder, sorted; `scikit-image` names those of its wheel."""
    if str(source) == "scikit-image":
        import skimage

        folder = Path(skimage.__file__).parent / "data"
        return [folder / name for name in BUNDLED_PHOTOGRAPHS]
    folder = Path(source)
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise UsageError(f"there are no photographs in {folder}")
    return found


def validation_folder(data: Any) -> Path | None:
    """The folder of pairs that a run is watched on: the user's, or the preset's own, or none.

    A preset's folder belongs to its data: with pairs of the user's own it is not asked for.

    Args:
      data: the group `data` of a configuration.
    """
    if data.validation:
        return Path(data.validation).expanduser()
    if data.mixture_validation and not data.pairs:
        return Path(data.root).expanduser() / data.mixture_validation
    return None


def gather(
    *,
    folders: Sequence[tuple[str | Path, int]] = (),
    photographs: str | Path = "",
    synthetic: int = 0,
    synthetic_size: int = 256,
    camera_share: float = 0.7,
    trajectory_share: float = 0.2,
    crop: int,
    seed: int,
    match_means: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> tuple[list[ArrayPair], list[int]]:
    """Reads folders of pairs and makes synthetic ones.

    Args:
      folders: (directory, how often each of its pairs stands in an epoch).
      photographs: folder of sharp photographs to blur, or `scikit-image`.
      synthetic: how many pairs to make of them.
      synthetic_size: their side in pixels.
      camera_share, trajectory_share: as in `synthetic.make_pool`.
      crop, match_means: as in `read_pairs`.
      seed: of the synthetic pairs.
      report: gets a line of words as work goes on.

    Returns:
      The pairs, and how often each stands in an epoch.
    """
    pairs: list[ArrayPair] = []
    repeats: list[int] = []
    for directory, times in folders:
        found = read_pairs(directory, crop=crop, match_means=match_means)
        report(f"{len(found)} pairs from {directory}, each {times} times an epoch")
        pairs += found
        repeats += [times] * len(found)
    if synthetic:
        size = max(crop, synthetic_size)
        report(f"making {synthetic} synthetic pairs of {size}x{size} from {photographs}")
        blurred, sharp = make_pool(
            photograph_paths(photographs),
            synthetic,
            size=size,
            seed=seed,
            camera_share=camera_share,
            trajectory_share=trajectory_share,
        )
        pairs += list(zip(blurred, sharp, strict=True))
        repeats += [1] * synthetic
    return pairs, repeats
