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
from deblur_jax.data.colour import colour_of
from deblur_jax.data.contents import digest
from deblur_jax.data.pairs import HEADERS, upright_size
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
from deblur_jax.images import MAX_PIXELS, reading


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
        blurred, sharp = (self._header_size(*stored) for stored in self._stored())
        self._check_twins(blurred, sharp)
        return blurred

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """(blurred, sharp), each uint8[H, W, 3] RGB, upright.

        Raises:
            UserError: the record is broken or holds no pictures, the twins differ in size, or one
                is gray or has more than 8 bits a channel.
        """
        blurred, sharp = (self._decoded(*stored) for stored in self._stored())
        self._check_twins(blurred.shape[:2], sharp.shape[:2])
        return blurred, sharp

    def _stored(self) -> list[tuple[Any, str]]:
        stored = example(self._source, self._number, self._place)
        return [(stored[key], key) for key in PICTURES]

    def _header_size(self, stored: Any, key: str) -> tuple[int, int]:
        try:
            with Image.open(io.BytesIO(stored), formats=HEADERS) as picture:
                height, width = upright_size(picture)
        except Exception:  # the reader has words for what is wrong
            height, width = self._decoded(stored, key).shape[:2]
        if height * width > MAX_PIXELS:
            raise self._error(f"{key} has more than {MAX_PIXELS // 10**6} megapixels")
        return height, width

    def _decoded(self, stored: Any, key: str) -> np.ndarray:
        try:
            picture = reading.decode(io.BytesIO(stored))  # as files are read
        except UserError as error:
            raise self._error(f"{key} cannot be read: {error}") from error
        except Image.UnidentifiedImageError as error:
            raise self._error(f"{key} is not a picture") from error
        except Image.DecompressionBombError as error:
            raise self._error(f"{key} has more than {MAX_PIXELS // 10**6} megapixels") from error
        except Exception as error:  # a broken picture can make a decoder fail in any way
            raise self._error(f"{key} is broken ({reason(error)})") from error
        return np.array(colour_of(picture, f"{said(self._place)} ({self.name}): {key}"))

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
    return full_name, path.name, file.st_size, file.st_mtime_ns, digest(path)
