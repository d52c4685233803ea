"""What TensorFlow Datasets has prepared on the disk, opened without TensorFlow."""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deblur_jax.atomic import reason, write_text
from deblur_jax.errors import UsageError, UserError

INFO_FILE = "dataset_info.json"
# Beside it: [name, scene] of every record by the name of its file, since a record is read as a
# whole and a name alone would cost the reading of both pictures.
NAMES_FILE = "names.json"
PICTURES = ("blurred", "sharp")
_FORMAT = "array_record"

Place = tuple[Path, int]  # a file, and a record's position in it


def open_prepared(directory: Path) -> Any:
    """TensorFlow Datasets' own reader of the folder, if it can give pairs one by one.

    Raises:
        UsageError: no prepared data set is there.
        UserError: it is damaged, of another format, holds no pairs, or a package is missing.
    """
    if not (directory / INFO_FILE).is_file():
        raise UsageError(
            f"{directory}: no data set that TensorFlow Datasets has prepared ({INFO_FILE} is not"
            " there)"
        )
    try:
        import tensorflow_datasets as tfds
        from array_record.python import array_record_data_source  # noqa: F401
    except ImportError as error:
        missing = (error.name or "a package").partition(".")[0]
        raise UserError(
            f"{directory}: to read it takes the package {missing}, which is not installed"
        ) from error
    try:
        builder = tfds.builder_from_directory(directory)
        features, formats = set(builder.info.features), builder.info.available_file_formats()
    except Exception as error:  # whatever a damaged JSON file leads to
        raise UserError(
            f"{directory}: not a data set that can be read ({reason(error)})"
        ) from error
    names = sorted(known.value for known in formats)
    if _FORMAT not in names:
        raise UserError(
            f"{directory}: its records are {' and '.join(names) or 'of an unknown format'}, which"
            f' cannot be read one by one; prepare it with file_format="{_FORMAT}"'
        )
    if not features.issuperset(PICTURES):
        raise UserError(
            f"{directory}: its examples hold {', '.join(sorted(features))}; expected"
            f" {' and '.join(PICTURES)}"
        )
    return builder


def open_split(directory: Path, builder: Any, split: str) -> tuple[Any, list[Place]]:
    """(what gives a split's examples by their number, where each of them is stored).

    Raises:
        UsageError: the split does not exist, or is empty.
        UserError: it cannot be opened.
    """
    import tensorflow_datasets as tfds

    try:
        instructions = builder.info.splits[split].file_instructions
    except Exception as error:  # an unknown name, or a slice that cannot be understood
        known = ", ".join(builder.info.splits) or "none at all"
        raise UsageError(f"{directory}: no split {split!r}; there are {known}") from error
    places = [
        (Path(part.filename), part.skip + offset)
        for part in instructions
        for offset in range(part.take)
    ]
    if not places:
        raise UsageError(f"{directory}: its split {split!r} is empty")
    # Pictures come as the bytes of their files: a size is then read from a header, and the decoder
    # is ours instead of whichever they find.
    as_stored = {key: tfds.decode.SkipDecoding() for key in PICTURES}
    try:
        return builder.as_data_source(split=split, decoders=as_stored), places
    except Exception as error:
        raise UserError(f"{directory}: cannot be opened ({reason(error)})") from error


def example(source: Any, number: int, place: Place) -> dict[str, Any]:
    """An example of `open_split`'s source. UserError names its place where it is broken."""
    try:
        return source[number]
    except Exception as error:  # damage shows in many ways
        raise UserError(f"{said(place)}: the record is broken ({reason(error)})") from error


def said(place: Place) -> str:
    """A place in words."""
    return f"{place[0]}, record {place[1]}"


def names_and_scenes(
    directory: Path, source: Any, places: Sequence[Place]
) -> list[tuple[str, str]]:
    """(name, scene) of each record: listed beside the data set, or else read from every one."""
    return _listed(directory, places) or _stored(source, places)


def write_names(directory: str | Path) -> None:
    """Lists the names beside the data set, so that no picture is read for them any more.

    Raises as `open_prepared` and `open_split`, and where a record is broken.
    """
    directory = Path(directory)
    builder = open_prepared(directory)
    listed: dict[str, list[tuple[str, str]]] = {}
    by_file: dict[tuple[int, int], str] = {}  # two splits may be links to the same file
    for split in builder.info.splits:
        source, places = open_split(directory, builder, split)
        for path in dict.fromkeys(path for path, _ in places):
            file = path.stat()
            twin = by_file.setdefault((file.st_dev, file.st_ino), path.name)
            if twin in listed:
                listed[path.name] = listed[twin]
            else:
                numbers = [number for number, place in enumerate(places) if place[0] == path]
                listed[path.name] = _stored(source, places, numbers)
    write_text(directory / NAMES_FILE, json.dumps(listed))


def _stored(
    source: Any, places: Sequence[Place], numbers: Sequence[int] | None = None
) -> list[tuple[str, str]]:
    def read(number: int) -> tuple[str, str]:
        path, position = places[number]
        found = example(source, number, places[number])
        name = _text(found.get("name")) or f"{path.name}/{position:06d}"
        return name, _text(found.get("scene"))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(read, range(len(places)) if numbers is None else numbers))


def _text(stored: Any) -> str:
    return os.fsdecode(stored) if isinstance(stored, bytes) else ""


def _listed(directory: Path, places: Sequence[Place]) -> list[tuple[str, str]] | None:
    """None where `names.json` is not there or does not fit."""
    try:
        listed = json.loads((directory / NAMES_FILE).read_text(encoding="utf-8"))
        return list(_checked(listed[path.name][position] for path, position in places))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _checked(entries: Iterator[Any]) -> Iterator[tuple[str, str]]:
    for name, scene in entries:
        if not (isinstance(name, str) and isinstance(scene, str)):
            raise TypeError("names are texts")
        yield name, scene
