"""The pairs of an unpacked GOPRO_Large, checked for completeness.

The folder is laid out as `{train,test}/<scene>/{blur,blur_gamma,sharp}/<frame>.png`, 1280x720.
"""

import os
import shlex
from pathlib import Path

from deblur_jax.atomic import reason
from deblur_jax.data.gopro.scenes import GOPRO, SPLITS, Contents, folder_of
from deblur_jax.data.pairs import Pair, find_pairs
from deblur_jax.errors import UsageError, UserError

FOLDER = "GOPRO_Large"
HOMEPAGE = "https://seungjunnah.github.io/Datasets/gopro"
COMMAND = "python -m deblur_jax.data.gopro"

# The two ways in which frames were averaged: of the stored values, which takes the camera's
# response for linear, or in linear light after an inverse response of gamma 2.2.
SUBSETS: dict[str, str] = {"linear": "blur", "gamma": "blur_gamma"}
_NAMES_SHOWN = 5


class IncompleteError(UserError):
    """Something that belongs to the data set is not there; fetching it again would help."""


def default_directory() -> Path:
    """Where TensorFlow Datasets looks for data that is fetched by hand, and so do we."""
    root = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(root).expanduser() / "downloads" / "manual" / FOLDER


def train_pairs(
    manual_dir: str | Path | None = None, *, subset: str = "linear", complete: bool = True
) -> list[Pair]:
    """The 2103 training pairs; see `split_pairs`."""
    return split_pairs(manual_dir, "train", subset, complete=complete)


def test_pairs(
    manual_dir: str | Path | None = None, *, subset: str = "linear", complete: bool = True
) -> list[Pair]:
    """The 1111 test pairs; see `split_pairs`."""
    return split_pairs(manual_dir, "test", subset, complete=complete)


test_pairs.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it by its name


def split_pairs(
    manual_dir: str | Path | None,
    split: str,
    subset: str = "linear",
    *,
    complete: bool = True,
    contents: Contents = GOPRO,
) -> list[Pair]:
    """The pairs of a split, straight from the unpacked folder, sorted by (scene, name).

    Args:
        manual_dir: the unpacked GOPRO_Large, or the folder that holds it; by default
            `~/tensorflow_datasets/downloads/manual/GOPRO_Large` ($TFDS_DATA_DIR is heeded).
        split: `train` (2103 pairs), its two parts `train_fit` and `validation`, or `test` (1111).
        subset: `linear` (blur/) or `gamma` (blur_gamma/). Figures of the two do not compare.
        complete: insist on all scenes and pairs. A score on some of them is no GoPro score, so
            who passes False should say so beside it.
        contents: the scenes and numbers of pairs to insist on.

    Raises:
        UsageError: an unknown split or subset.
        UserError: the data is not there (the message says how to get it), scenes or pairs are
            missing, or a scene is there that does not belong to it.
    """
    if split not in SPLITS:
        raise UsageError(f"no GoPro split {split!r}; there are {', '.join(SPLITS)}")
    if subset not in SUBSETS:
        raise UsageError(f"no GoPro subset {subset!r}; there are {', '.join(SUBSETS)}")
    root = Path(manual_dir).expanduser() if manual_dir is not None else default_directory()
    folder = unpacked(root) / folder_of(split)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: a file, where GoPro's folder of that name should be")
    if not folder.exists():
        raise IncompleteError(f"{folder}: GoPro's {folder.name}/ is not there; {_how_to_get(root)}")
    if complete:
        pairs = _all_pairs(folder, contents, SUBSETS[subset], root)
    else:
        pairs = find_pairs(folder, blurred_folder=SUBSETS[subset])
    if split == "train_fit":
        return [pair for pair in pairs if pair.scene not in contents.validation]
    if split == "validation":
        return [pair for pair in pairs if pair.scene in contents.validation]
    return pairs


def check_complete(manual_dir: str | Path | None, *, contents: Contents = GOPRO) -> None:
    """Raises as `split_pairs` unless both folders are complete for both subsets."""
    for subset in SUBSETS:
        for folder in ("train", "test"):
            split_pairs(manual_dir, folder, subset, contents=contents)


def unpacked(directory: Path) -> Path:
    """The folder with train/ and test/: `directory` itself, or GOPRO_Large in it.

    Where neither is there yet, the one that is called GOPRO_Large.
    """
    for folder in (directory, directory / FOLDER):
        if is_begun(folder):
            return folder
    return directory if directory.name == FOLDER else directory / FOLDER


def is_begun(folder: Path) -> bool:
    """Whether the folder has train/ or test/, complete or not."""
    return (folder / "train").is_dir() or (folder / "test").is_dir()


def _all_pairs(folder: Path, contents: Contents, blurred: str, root: Path) -> list[Pair]:
    """The pairs of train/ or test/, if none is missing and none is too much."""
    _check_scenes(folder, contents.scenes(folder.name), blurred, root)
    try:
        pairs = find_pairs(folder, blurred_folder=blurred)
    except UserError as error:  # pictures without a twin, or no pictures
        raise IncompleteError(f"{error}; {_how_to_get(root)}") from error
    expected = contents.pairs_in(folder.name)
    if len(pairs) > expected:
        raise UserError(
            f"{folder}: {len(pairs)} pairs of {blurred}/ and sharp/ are there, but GoPro's"
            f" {folder.name} split has {expected}; move what is too much out of that folder"
        )
    if len(pairs) < expected:
        raise IncompleteError(
            f"{folder}: {len(pairs)} of {expected} pairs of {blurred}/ and sharp/ are there;"
            f" {_how_to_get(root)}"
        )
    return pairs


def _check_scenes(folder: Path, expected: tuple[str, ...], blurred: str, root: Path) -> None:
    found = _scene_names(folder)
    missing = [scene for scene in expected if scene not in found]
    if missing:
        raise IncompleteError(
            f"{folder}: {_listed(missing, 'is', 'are')} missing, {len(expected) - len(missing)} of"
            f" {len(expected)} are there; {_how_to_get(root)}"
        )
    surplus = sorted(found - set(expected))
    if surplus:
        raise UserError(
            f"{folder}: {_listed(surplus, 'does', 'do')} not belong to GoPro's {folder.name}"
            " split; move what is too much out of that folder"
        )
    for scene in expected:
        for part in (blurred, "sharp"):
            if not (folder / scene / part).is_dir():
                raise IncompleteError(
                    f"{folder}: scene {scene} has no {part}/; {_how_to_get(root)}"
                )


def _scene_names(folder: Path) -> set[str]:
    try:
        return {
            child.name
            for child in folder.iterdir()
            if child.is_dir() and not child.name.startswith(".")
        }
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({reason(error)})") from error


def _listed(scenes: list[str], one: str, several: str) -> str:
    if len(scenes) == 1:
        return f"scene {scenes[0]} {one}"
    more = f" and {len(scenes) - _NAMES_SHOWN} more" if len(scenes) > _NAMES_SHOWN else ""
    return f"scenes {', '.join(scenes[:_NAMES_SHOWN])}{more} {several}"


def _how_to_get(root: Path) -> str:
    option = "" if root == default_directory() else f" --directory {shlex.quote(str(root))}"
    return f"`{COMMAND}{option}` fetches it (about 9 GB, from {HOMEPAGE}) and unpacks it"
