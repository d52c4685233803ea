"""Folders of pairs: which blurred picture belongs to which sharp one.

A *pair folder* holds a folder of blurred and a folder of sharp pictures, under one of these names:

    blur/  + sharp/     GoPro, REDS (GoPro also has blur_gamma/, see `blurred_folder`)
    input/ + target/    most restoration code
    A/     + B/         the aligned data sets of the 2018 DeblurGAN code

It may be the given directory itself or lie below it at any depth, one for each scene, as in
`GOPRO_Large/train/<scene>/{blur,sharp}`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from deblur_jax import images
from deblur_jax.errors import UsageError, UserError

LAYOUTS: tuple[tuple[str, str], ...] = (("blur", "sharp"), ("input", "target"), ("A", "B"))
NAMES_SHOWN = 10
HEADERS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
_ORIENTATION = 0x0112  # the EXIF tag, and those of its values that exchange height and width
_SIDEWAYS = {5, 6, 7, 8}


@dataclass(frozen=True)
class Pair:
    """One blurred picture and its sharp twin.

    Attributes:
        name: the blurred file's path without its `blur/` part, with forward slashes: `0001.png`,
            or `<scene>/0001.png` below a scene. Unique among the pairs of one directory.
        scene: path of the pair folder within the directory searched, "" if it is the directory.
        blurred: file of the blurred picture.
        sharp: file of the sharp picture.
    """

    name: str
    scene: str
    blurred: Path
    sharp: Path


def find_pairs(directory: str | Path, *, blurred_folder: str | None = None) -> list[Pair]:
    """Finds all pairs under a directory.

    Twins have the same path within their folders; the extension alone may differ (`a.png` with
    `a.jpg`), nothing else. Hidden files and folders, and files that are no pictures by their
    extension, are passed over. The first layout, in the order above, that occurs anywhere in the
    tree serves the whole tree.

    Args:
        directory: a pair folder, or a folder with pair folders at any depth below it.
        blurred_folder: the blurred pictures' folder if it is none of the above, such as
            `blur_gamma`; its twin is then `sharp/`.

    Returns:
        The pairs, sorted by (scene, name).

    Raises:
        UsageError: the directory is missing, has no accepted layout, or has no pictures.
        UserError: pictures without a twin, two pictures of one stem, or an unreadable folder.
    """
    root = Path(directory)
    if not root.is_dir():
        raise UsageError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}")
    layouts = LAYOUTS if blurred_folder is None else ((blurred_folder, "sharp"),)
    names = {name for layout in layouts for name in layout}
    folders = list(_folders(root, names, set()))
    for blurred, sharp in layouts:
        if any((f / blurred).is_dir() and (f / sharp).is_dir() for f in folders):
            return _pairs_of_layout(root, folders, blurred, sharp)
    accepted = " or ".join(f"{blurred}/ + {sharp}/" for blurred, sharp in layouts)
    raise UsageError(f"{root}: no pairs here; expected {accepted}, in it or in folders below it")


def read_pair(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Reads both pictures: (blurred, sharp), each uint8[H, W, 3] RGB.

    Raises:
        UserError: a file cannot be read, or the twins differ in size.
    """
    blurred, sharp = images.read_rgb(pair.blurred), images.read_rgb(pair.sharp)
    check_same_size(pair, blurred.shape[:2], sharp.shape[:2])
    return blurred, sharp


def pair_size(pair: Pair) -> tuple[int, int]:
    """(height, width) of a pair, from the files' headers alone, EXIF orientation applied.

    Raises:
        UserError: a header cannot be read, or the twins differ in size.
    """
    blurred, sharp = _header_size(pair.blurred), _header_size(pair.sharp)
    check_same_size(pair, blurred, sharp)
    return blurred


def _folders(folder: Path, stop_at: set[str], seen: set[Path]) -> Iterator[Path]:
    """The folder and all visible ones below it, not looking into those of a layout.

    Linked folders are followed, each real folder once, so that a link to itself ends.
    """
    real = folder.resolve()
    if real in seen:
        return
    seen.add(real)
    yield folder
    for child in _visible(folder):
        # A folder of a layout's name is searched too where it has no pictures of its own: it may
        # be a scene that is called `A` or a collection that is called `input`.
        if child.is_dir() and not (child.name in stop_at and _has_pictures(child)):
            yield from _folders(child, stop_at, seen)


def _has_pictures(folder: Path) -> bool:
    return any(_is_picture(child) for child in _visible(folder))


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror})") from error


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in images.IMAGE_SUFFIXES and path.is_file()


def _pairs_of_layout(root: Path, folders: list[Path], blurred: str, sharp: str) -> list[Pair]:
    pairs: list[Pair] = []
    lonely: list[Path] = []
    for folder in folders:
        blurred_files = _by_stem(folder / blurred)
        sharp_files = _by_stem(folder / sharp)
        relative = folder.relative_to(root)
        scene = "" if relative == Path() else relative.as_posix()
        for stem, path in blurred_files.items():
            if stem in sharp_files:
                name = (relative / path.relative_to(folder / blurred)).as_posix()
                pairs.append(Pair(name, scene, path, sharp_files[stem]))
        lonely += [path for stem, path in blurred_files.items() if stem not in sharp_files]
        lonely += [path for stem, path in sharp_files.items() if stem not in blurred_files]
    if lonely:
        raise UserError(f"{root}: without a twin: {_listed(root, lonely)}")
    if not pairs:
        raise UsageError(f"{root}: {blurred}/ and {sharp}/ hold no pictures")
    by_name: dict[str, Pair] = {}
    for pair in pairs:
        twin = by_name.setdefault(pair.name, pair)
        if twin is not pair:
            raise UserError(f"{pair.blurred} and {twin.blurred} are both called {pair.name}")
    return sorted(pairs, key=lambda pair: (pair.scene, pair.name))


def _by_stem(folder: Path) -> dict[str, Path]:
    """Pictures anywhere below a folder, by their path in it without the extension."""
    if not folder.is_dir():
        return {}
    files: dict[str, Path] = {}
    for below in _folders(folder, set(), set()):
        for path in filter(_is_picture, _visible(below)):
            stem = path.relative_to(folder).with_suffix("").as_posix()
            if stem in files:
                raise UserError(f"{path}: has the same name as {files[stem].name} beside it")
            files[stem] = path
    return files


def _listed(root: Path, paths: list[Path]) -> str:
    shown = ", ".join(path.relative_to(root).as_posix() for path in sorted(paths)[:NAMES_SHOWN])
    more = len(paths) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _header_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path, formats=HEADERS) as picture:
            return upright_size(picture)
    except Exception:
        # Only the reader knows every kind of file that it can read, and words for what is wrong.
        height, width = images.read_rgb(path).shape[:2]
        return height, width


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """(height, width) of a picture that is opened, not loaded, EXIF orientation applied."""
    width, height = picture.size
    # Pillow gives a TIFF's size as it will be once upright, the others' as it is stored; and a
    # PNG's own `getexif` would decode all of the picture.
    exif = {} if picture.format == "TIFF" else Image.Image.getexif(picture)
    return (width, height) if exif.get(_ORIENTATION) in _SIDEWAYS else (height, width)


def check_same_size(pair: Pair, blurred: tuple[int, ...], sharp: tuple[int, ...]) -> None:
    """UserError where twins differ in (height, width)."""
    if blurred != sharp:
        sizes = [f"{width}x{height}" for height, width in (blurred, sharp)]
        raise UserError(
            f"{pair.blurred} is {sizes[0]} but its twin {pair.sharp} is {sizes[1]} pixels"
        )
