"""The pairs of an unpacked GOPRO_Large, checked for completeness.

The folder is laid out as `{train,test}/<scene>/{blur,blur_gamma,sharp}/<frame>.png`, 1280x720.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from deblur_jax.data.pairs import Pair, find_pairs
from deblur_jax.errors import UsageError, UserError

FOLDER = "GOPRO_Large"
HOMEPAGE = "https://seungjunnah.github.io/Datasets/gopro"
HOW_TO_GET = f"get GOPRO_Large.zip (about 9 GB) from {HOMEPAGE} and unpack it there"

# The two ways in which frames were averaged: of the stored values, which takes the camera's
# response for linear, or in linear light after an inverse response of gamma 2.2.
SUBSETS: dict[str, str] = {"linear": "blur", "gamma": "blur_gamma"}


@dataclass(frozen=True)
class SplitSize:
    """What a complete split holds: `scenes` folders with `pairs` pairs in all of them."""

    scenes: int
    pairs: int


# Nah, Kim and Lee (CVPR 2017); scene by scene in KupynOrest/DeblurGAN, threads 101 and 106.
SPLITS: dict[str, SplitSize] = {"train": SplitSize(22, 2103), "test": SplitSize(11, 1111)}


def default_directory() -> Path:
    """Where TensorFlow Datasets looks for data that is fetched by hand, and so do we."""
    root = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    return Path(root).expanduser() / "downloads" / "manual" / FOLDER


def train_pairs(
    manual_dir: str | Path | None = None, *, subset: str = "linear", complete: bool = True
) -> list[Pair]:
    """The 2103 training pairs; see `test_pairs`."""
    return split_pairs(manual_dir, "train", subset, SPLITS["train"] if complete else None)


def test_pairs(
    manual_dir: str | Path | None = None, *, subset: str = "linear", complete: bool = True
) -> list[Pair]:
    """The 1111 test pairs, straight from the unpacked folder, sorted by (scene, name).

    Args:
        manual_dir: the unpacked GOPRO_Large, or the folder that holds it; by default
            `~/tensorflow_datasets/downloads/manual/GOPRO_Large` ($TFDS_DATA_DIR is heeded).
        subset: `linear` (blur/) or `gamma` (blur_gamma/). Figures of the two do not compare.
        complete: insist on all scenes and pairs. A score on some of them is no GoPro score, so
            who passes False should say so beside it.

    Raises:
        UsageError: an unknown subset.
        UserError: the data is not there (the message says how to get it), or incomplete.
    """
    return split_pairs(manual_dir, "test", subset, SPLITS["test"] if complete else None)


test_pairs.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it by its name


def split_pairs(
    manual_dir: str | Path | None, split: str, subset: str, expected: SplitSize | None
) -> list[Pair]:
    """The pairs of one split; `expected` None accepts any number. Raises as `test_pairs`."""
    if subset not in SUBSETS:
        raise UsageError(f"no GoPro subset {subset!r}; there are {', '.join(SUBSETS)}")
    root = Path(manual_dir).expanduser() if manual_dir is not None else default_directory()
    folder = next((d for d in (root / split, root / FOLDER / split) if d.is_dir()), None)
    if folder is None:
        raise UserError(f"{root}: GoPro's {split}/ is not there; {HOW_TO_GET}")
    pairs = find_pairs(folder, blurred_folder=SUBSETS[subset])
    if expected is not None:
        _check_complete(pairs, folder, SUBSETS[subset], expected)
    return pairs


def _check_complete(pairs: list[Pair], folder: Path, blurred: str, expected: SplitSize) -> None:
    found = SplitSize(len({pair.scene for pair in pairs}), len(pairs))
    if found != expected:
        raise UserError(
            f"{folder}: {found.scenes} of {expected.scenes} scenes and {found.pairs} of"
            f" {expected.pairs} pairs of {blurred}/ and sharp/ are there; {HOW_TO_GET}"
        )
