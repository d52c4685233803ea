"""Köhler's benchmark on disk, as its archives unpack.

    Blurry<i>_<k>.png                                     picture i = 1..4, camera motion k = 1..12
    Image<i>/Kernel<k>/GroundTruth<i>_<k>_<n>.png         frames n = 1, 2, ... of some 199

from `BlurryImages.zip` and `GroundTruth_pngs_Image1.zip` to `...Image4.zip`. All lies in the folder
given, or in folders there that are named as the archives.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deblur_jax.errors import UsageError, UserError

PICTURES, MOTIONS = 4, 12
FEWEST_FRAMES = 198  # of any motion; 200 at the most
NAMES_SHOWN = 6
# The authors' script takes frames 1 to 198 without 30 there, "for whatever reason" that is.
LEFT_OUT = {(1, 3): {30, *range(199, 1000)}}
EVERY = tuple((i, k) for i in range(1, PICTURES + 1) for k in range(1, MOTIONS + 1))


@dataclass(frozen=True)
class KohlerPicture:
    """One of the 48 photographs.

    Attributes:
      image: 1 to 4.
      motion: 1 to 12.
      blurred: its file.
      frames: the files of the sharp frames along its motion, in order.
    """

    image: int
    motion: int
    blurred: Path
    frames: tuple[Path, ...]

    @property
    def name(self) -> str:
        return f"{self.image}_{self.motion}"


def find_kohler(
    directory: str | Path,
    only: Sequence[tuple[int, int]] = EVERY,
    *,
    fewest_frames: int = FEWEST_FRAMES,
) -> list[KohlerPicture]:
    """Finds the photographs and their frames.

    Args:
      directory: where the archives were unpacked.
      only: (picture, motion) of those wanted; the benchmark's figures are over all 48.
      fewest_frames: the highest frame of a motion has at least this number.

    Returns:
      The pictures, in the order of `only`.

    Raises:
      UsageError: the directory is missing.
      UserError: photographs or frames are not there; the first of them are named.
    """
    root = Path(directory)
    if not root.is_dir():
        raise UsageError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}")
    found, missing = [], []
    for image, motion in only:
        blurred = _blurred(root, image, motion)
        frames = _frames(root, image, motion)
        missing += [] if blurred else [f"Blurry{image}_{motion}.png"]
        missing += _lacking(frames, image, motion, fewest_frames)
        if blurred and not missing:
            wanted = sorted(frames.keys() - LEFT_OUT.get((image, motion), set()))
            paths = tuple(frames[number] for number in wanted)
            found.append(KohlerPicture(image, motion, blurred, paths))
    if missing:
        more = len(missing) - NAMES_SHOWN
        raise UserError(
            f"{root}: not all of Köhler's benchmark is here; missing: "
            + ", ".join(missing[:NAMES_SHOWN])
            + (f" and {more} more" if more > 0 else "")
            + _matlab_hint(root)
        )
    return found


def _blurred(root: Path, image: int, motion: int) -> Path | None:
    for folder in (root, root / "BlurryImages"):
        path = folder / f"Blurry{image}_{motion}.png"
        if path.is_file():
            return path
    return None


def _frames(root: Path, image: int, motion: int) -> dict[int, Path]:
    """Files of the frames by their numbers; {} where there are none."""
    pattern = re.compile(rf"GroundTruth{image}_{motion}_(\d+)\.png")
    archive = root / f"GroundTruth_pngs_Image{image}"
    for folder in (root / f"Image{image}", archive / f"Image{image}", archive):
        below = folder / f"Kernel{motion}"
        if below.is_dir():
            try:
                names = [(path, pattern.fullmatch(path.name)) for path in below.iterdir()]
            except OSError as error:
                raise UserError(f"{below}: cannot be listed ({error.strerror})") from error
            return {int(match[1]): path for path, match in names if match}
    return {}


def _lacking(frames: dict[int, Path], image: int, motion: int, fewest: int) -> list[str]:
    if not frames:
        return [f"Image{image}/Kernel{motion}/GroundTruth{image}_{motion}_*.png"]
    numbers = range(1, max(fewest, *frames) + 1)
    gaps = set(numbers) - frames.keys() - LEFT_OUT.get((image, motion), set())
    return [f"GroundTruth{image}_{motion}_{number}.png" for number in sorted(gaps)]


def _matlab_hint(root: Path) -> str:
    """A word to who took the frames in the form that the authors' MATLAB script reads."""
    for folder in (root, root / "groundTruthMatFiles"):
        if any(folder.glob("GroundTruth*.mat")):
            return "; the frames are read from GroundTruth_pngs_Image1.zip to 4, not from .mat"
    return ""
