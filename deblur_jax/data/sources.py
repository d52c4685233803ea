"""Where the pairs of a training run come from: folders, prepared records, one .npz file.

Whatever it is, a source says what it is called, when its pixels last changed, how large it is, and
reads it; `store` decodes each once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from deblur_jax import images
from deblur_jax.atomic import reason
from deblur_jax.data import gopro, protocols
from deblur_jax.data.arrays import ArrayFile, ArrayPair
from deblur_jax.data.colour import colour_of
from deblur_jax.data.contents import digest
from deblur_jax.data.pairs import Pair, check_same_size, find_pairs, pair_size
from deblur_jax.errors import UsageError, UserError

RECORDS_FILE = "dataset_info.json"  # in every data set that tensorflow-datasets has prepared


class Source(Protocol):
    """One pair that can be read."""

    @property
    def name(self) -> str:
        """Unique among its data set's."""

    @property
    def scene(self) -> str:
        """What it was taken from; "" if that is not known."""

    @property
    def stamp(self) -> Any:
        """A value for JSON that changes when the pixels do."""

    def size(self) -> tuple[int, int]:
        """(height, width) in pixels, cheaply. UserError names what cannot be read."""

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """(blurred, sharp), uint8[H, W, 3]. UserError names what cannot be read or used."""


@dataclass(frozen=True)
class FilePair:
    """Two picture files."""

    pair: Pair

    @property
    def name(self) -> str:
        return self.pair.name

    @property
    def scene(self) -> str:
        return self.pair.scene

    @property
    def stamp(self) -> Any:
        stamps: list[Any] = [self.pair.name]
        depth = self.pair.name.count("/") + 2  # with blur/ or sharp/, wherever it lies
        for path in (self.pair.blurred, self.pair.sharp):
            try:
                about = path.stat()
            except OSError as error:
                raise UserError(f"cannot read {path}: {reason(error)}") from error
            place = "/".join(path.parts[-depth:])
            stamps += [place, about.st_size, about.st_mtime_ns, digest(path)]
        return stamps

    def size(self) -> tuple[int, int]:
        return pair_size(self.pair)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        blurred, sharp = _read_colour(self.pair.blurred), _read_colour(self.pair.sharp)
        check_same_size(self.pair, blurred.shape[:2], sharp.shape[:2])
        return blurred, sharp


def _read_colour(path: Path) -> np.ndarray:
    return colour_of(images.read(path), str(path))


@dataclass(frozen=True)
class Adapted:
    """A source at the size of a protocol, its blurred picture shifted to its twin's mean if asked.

    Frames that were averaged in linear light are some grey levels brighter than their twin, which
    a network would learn as a change of brightness.
    """

    source: Source
    protocol: str
    filter: str
    match_means: bool

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def scene(self) -> str:
        return self.source.scene

    @property
    def stamp(self) -> Any:
        how = [self.protocol, self.filter if protocols.resizes(self.protocol) else ""]
        return [self.source.stamp, *how, self.match_means]

    def size(self) -> tuple[int, int]:
        height, width = self.source.size()
        try:
            return protocols.size(self.protocol, height, width)
        except UsageError:
            raise
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from error

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        blurred, sharp = (
            protocols.apply(picture, self.protocol, self.filter) for picture in self.source.read()
        )
        return (_matched(blurred, sharp) if self.match_means else blurred), sharp


def _matched(blurred: np.ndarray, sharp: np.ndarray) -> np.ndarray:
    shift = sharp.mean(dtype=np.float64) - blurred.mean(dtype=np.float64)
    return np.clip(np.rint(blurred + shift), 0, 255).astype(np.uint8)


def expect_size(source: Source, picture: np.ndarray, size: Sequence[int] | np.ndarray) -> None:
    """UserError unless a picture has the (height, width) that its source said it would have."""
    if picture.shape[:2] != tuple(size):
        height, width = picture.shape[:2]
        raise UserError(
            f"{source.name} is {width}x{height} pixels, but its header says {size[1]}x{size[0]}"
        )


def find(path: str | Path, *, split: str = "", subset: str = "") -> Sequence[Source]:
    """The pairs of a data set.

    Args:
      path: a folder of pairs (`pairs.find_pairs`), GoPro's unpacked folder, a folder that
        tensorflow-datasets has prepared as array_record, or an .npz file with `blurred` and
        `sharp`, uint8[N, H, W, 3].
      split: of GoPro (`train`, `train_fit`, `validation`, `test`) or of prepared records ("" is
        their `train`); "" for all that is in a folder of pairs.
      subset: which of GoPro's blurred folders, `linear` or `gamma`; "" leaves it to the layout.

    Raises:
      UsageError: nothing there is a pair, or the split or the subset does not exist.
      UserError: the pairs are incomplete or unreadable.
    """
    path = Path(path).expanduser()
    if subset and subset not in gopro.SUBSETS:
        raise UsageError(f"no subset {subset!r}; there are {', '.join(gopro.SUBSETS)}")
    if path.suffix.lower() == ".npz" and not path.is_dir():
        _refuse_split(path, split, subset)
        if not path.exists():
            raise UsageError(f"{path}: no such file")
        arrays = ArrayFile(path)
        return [ArrayPair(arrays, number) for number in range(arrays.shape[0])]
    if (path / RECORDS_FILE).exists():
        from deblur_jax.data import records

        _refuse_split(path, "", subset)
        return records.find(path, split or "train")
    if split:
        found = gopro.split_pairs(path, split, subset or "linear")
        return [FilePair(pair) for pair in found]
    if all((path / name).is_dir() for name in ("train", "test")):
        raise UsageError(
            f"{path} holds train/ and test/: name one of them, or of GoPro a split (data.split)"
        )
    return [FilePair(pair) for pair in _in_folder(path, subset)]


def _in_folder(path: Path, subset: str) -> list[Pair]:
    if subset:
        return find_pairs(path, blurred_folder=gopro.SUBSETS[subset])
    try:
        return find_pairs(path)
    except UsageError as error:
        gamma = gopro.SUBSETS["gamma"]
        if not _has_layout(path, gamma):
            raise
        raise UsageError(f"{error}; data.subset=gamma takes its {gamma}/ + sharp/") from error


def _has_layout(path: Path, blurred_folder: str) -> bool:
    try:
        find_pairs(path, blurred_folder=blurred_folder)
    except UsageError:
        return False
    except UserError:  # pictures without a twin: the folders are there
        pass
    return True


def _refuse_split(path: Path, split: str, subset: str) -> None:
    for field, value in (("split", split), ("subset", subset)):
        if value:
            raise UsageError(f"{path} has no {field} of its own, so {value!r} cannot be chosen")
