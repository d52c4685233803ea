"""Pairs of a data set that TensorFlow Datasets has prepared, read without TensorFlow.

The folder is that of one version, such as `~/tensorflow_datasets/gopro/linear/1.0.0`, with
`dataset_info.json` in it, prepared with `file_format="array_record"`: the only format of theirs
that gives any record at once. Its examples hold the pictures `blurred` and `sharp` and, if they
like, the texts `name` and `scene`.
"""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deblur_jax.atomic import reason
from deblur_jax.data.prepared import (
    PICTURES,
    Place,
    example,
    names_and_scenes,
    open_prepared,
    open_split,
    said,
)
from deblur_jax.errors import UserError
from deblur_jax.images import MAX_PIXELS

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")


@dataclass(frozen=True)
class RecordPair:
    """One record: a blurred picture and its sharp twin.

    Attributes:
        name: as stored, such as `<scene>/000001.png`, or `<file>/<position>` where none is.
        scene: as stored, or "".
        stamp: JSON-able; another one when the stored pixels may have changed.
    """

    name: str
    scene: str
    stamp: tuple[Any, ...]
    _place: Place = field(repr=False)
    _source: Any = field(repr=False, compare=False)
    _number: int = field(repr=False)

    def size(self) -> tuple[int, int]:
        """(height, width) in pixels, without decoding. UserError as `read`."""
        blurred, sharp = ((picture.height, picture.width) for picture in self._pictures())
        self._check_twins(blurred, sharp)
        return blurred

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """(blurred, sharp), each uint8[H, W, 3] RGB.

        Raises:
            UserError: the record is broken or holds no pictures, or the twins differ in size.
        """
        blurred, sharp = (self._decoded(picture) for picture in self._pictures())
        self._check_twins(blurred.shape[:2], sharp.shape[:2])
        return blurred, sharp

    def _pictures(self) -> list[Image.Image]:
        stored = example(self._source, self._number, self._place)
        return [self._opened(stored[key], key) for key in PICTURES]

    def _opened(self, stored: Any, key: str) -> Image.Image:
        try:
            picture = Image.open(io.BytesIO(stored), formats=_FORMATS)
        except Image.DecompressionBombError as error:
            raise self._error(f"{key} has more than {MAX_PIXELS // 10**6} megapixels") from error
        except Exception as error:  # no bytes at all, or none that a picture begins with
            raise self._error(f"{key} is not a picture") from error
        if picture.width * picture.height > MAX_PIXELS:
            raise self._error(f"{key} has more than {MAX_PIXELS // 10**6} megapixels")
        if picture.mode[0] in "IF":
            raise self._error(f"{key} has more than 8 bits a channel")
        return picture

    def _decoded(self, picture: Image.Image) -> np.ndarray:
        try:
            return np.array(picture.convert("RGB"))
        except Exception as error:  # a broken picture can make a decoder fail in any way
            raise self._error(f"a picture is broken ({reason(error)})") from error

    def _check_twins(self, blurred: tuple[int, ...], sharp: tuple[int, ...]) -> None:
        if blurred != sharp:
            sizes = [f"{width}x{height}" for height, width in (blurred, sharp)]
            raise self._error(f"blurred is {sizes[0]} but sharp {sizes[1]} pixels")

    def _error(self, problem: str) -> UserError:
        return UserError(f"{said(self._place)} ({self.name}): {problem}")


def find(directory: str | Path, split: str) -> list[RecordPair]:
    """The pairs of a split, in the order in which they are stored.

    Args:
        directory: the folder with `dataset_info.json`.
        split: one of its splits, or what TensorFlow Datasets makes of them (`train[:100]`).

    Returns:
        Pairs that may be read from several threads at once.

    Raises:
        UsageError: no prepared data set is there, or it has no such split.
        UserError: it was prepared in another format, is damaged, or a package is not installed.
    """
    directory = Path(directory).expanduser()
    builder = open_prepared(directory)
    source, places = open_split(directory, builder, split)
    files = {
        path: _stamp(builder.info.full_name, path) for path in dict.fromkeys(p for p, _ in places)
    }
    names = names_and_scenes(directory, source, places)
    return [
        RecordPair(name, scene, (*files[place[0]], place[1]), place, source, number)
        for number, (place, (name, scene)) in enumerate(zip(places, names, strict=True))
    ]


def _stamp(full_name: str, path: Path) -> tuple[Any, ...]:
    try:
        file = path.stat()
    except OSError as error:
        raise UserError(f"{path}: part of the data set is missing ({reason(error)})") from error
    return full_name, path.name, file.st_size, file.st_mtime_ns
