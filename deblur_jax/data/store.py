"""Decoded pairs: 8-bit pixels on two canvases, in memory or in a folder on disk.

Such a folder holds `blurred.npy` and `sharp.npy`, uint8[R, C, 3] each, and `pairs.json`, which says
where each pair lies. `decoding` makes stores.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from deblur_jax.atomic import reason
from deblur_jax.compiler import cache_folder
from deblur_jax.data.canvas import Canvas, FileCanvas, MemoryCanvas, shelves
from deblur_jax.errors import UserError

SCHEMA = 1
INDEX_FILE = "pairs.json"
_FIELDS = ("row", "column", "height", "width")


@dataclass(frozen=True)
class Store:
    """Decoded pairs.

    Attributes:
      blurred, sharp: the canvases.
      boxes: int32[4, N], row, column, height and width in pixels of each pair on both canvases.
      names: of the pairs.
      parts: label of the part that each pair came with.
      left_out: a sentence for each pair, and each photograph to make pairs of, that was left out.
      fingerprint: of everything that the pixels were made from, hexadecimal.
      folder: where it lies on disk; None in memory.
    """

    blurred: Canvas
    sharp: Canvas
    boxes: np.ndarray
    names: tuple[str, ...]
    parts: tuple[str, ...]
    left_out: tuple[str, ...]
    fingerprint: str
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def nbytes(self) -> int:
        """Bytes of both canvases."""
        return self.blurred.pixels.nbytes + self.sharp.pixels.nbytes

    def crop(self, pair: int, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A box of a pair, uint8[2, height, width, 3]: blurred, then sharp.

        Raises:
          UserError: the files on disk were damaged after the run began.
        """
        row, column = self.boxes[0, pair] + top, self.boxes[1, pair] + left
        try:
            boxes = [c.read(row, column, height, width) for c in (self.blurred, self.sharp)]
        except OSError as error:
            raise UserError(f"cannot read the decoded pairs: {reason(error)}") from error
        return np.stack(boxes)

    def pair(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """(blurred, sharp) of a whole pair, uint8[H, W, 3]."""
        both = self.crop(number, 0, 0, *(int(side) for side in self.boxes[2:, number]))
        return both[0], both[1]

    def only(self, numbers: np.ndarray) -> "Store":
        """Some of the pairs, int[M], on the same canvases."""
        return replace(
            self,
            boxes=self.boxes[:, numbers],
            names=tuple(self.names[number] for number in numbers),
            parts=tuple(self.parts[number] for number in numbers),
        )

    def sha256(self) -> str:
        """A hash of all names and pixels, whatever the order on the canvases."""
        digest = hashlib.sha256()
        for number, name in enumerate(self.names):
            digest.update(name.encode(errors="surrogateescape"))
            for picture in self.pair(number):
                digest.update(np.ascontiguousarray(picture).data)
        return digest.hexdigest()


def of_arrays(pairs: Sequence[tuple[np.ndarray, np.ndarray]], part: str = "") -> Store:
    """A store in memory of (blurred, sharp), each uint8[H, W, 3], alike within a pair.

    Raises:
      UserError: there are no pairs.
    """
    if not pairs:
        raise UserError("there are no pairs to train on")
    sizes = np.array([blurred.shape[:2] for blurred, _ in pairs], np.int32).T
    row, column, shape = shelves(*sizes)
    canvases = MemoryCanvas(shape), MemoryCanvas(shape)
    for top, left, pair in zip(row, column, pairs, strict=True):
        for canvas, picture in zip(canvases, pair, strict=True):
            canvas.write(top, left, picture)
    names = tuple(f"{number:06d}" for number in range(len(pairs)))
    boxes = np.stack([row, column, *sizes])
    return Store(*canvases, boxes, names, (part,) * len(pairs), (), fingerprint="")


def open_store(folder: Path) -> Store:
    """Opens a store that was made before. UserError where it is damaged or of another version."""
    try:
        index = json.loads((folder / INDEX_FILE).read_text())
        if index["schema"] != SCHEMA:
            raise ValueError(f"it has schema {index['schema']}, this version reads {SCHEMA}")
        boxes = np.array([index[field] for field in _FIELDS], np.int32)
        names, parts = tuple(index["names"]), tuple(index["parts"])
        canvases = [FileCanvas(folder / f"{name}.npy") for name in ("blurred", "sharp")]
        if boxes.shape != (4, len(names)) or len(parts) != len(names):
            raise ValueError(f"{INDEX_FILE} contradicts itself")
        if canvases[0].shape != canvases[1].shape:
            raise ValueError("its two canvases differ in size")
        ends = boxes[:2].astype(np.int64) + boxes[2:]
        if (boxes < 0).any() or (canvases[0].shape[:2] < ends.T).any():
            raise ValueError(f"{INDEX_FILE} contradicts its canvases")
        left_out, fingerprint = tuple(index["left_out"]), str(index["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError(f"cannot read the decoded pairs in {folder}: {reason(error)}") from error
    blurred, sharp = canvases
    return Store(blurred, sharp, boxes, names, parts, left_out, fingerprint, folder)


def is_store(folder: Path) -> bool:
    """Whether a folder looks like one that `open_store` reads."""
    return (folder / INDEX_FILE).exists() and (folder / "blurred.npy").exists()


def default_cache() -> Path | None:
    """The folder of all stores that are kept for later runs; None where nothing is kept."""
    folder = cache_folder()
    return None if folder is None else folder / "pairs"


def stores_at_hand() -> list[Path]:
    """The folders of all stores in the default cache."""
    folder = default_cache()
    return sorted(path.parent for path in folder.glob(f"*/{INDEX_FILE}")) if folder else []


def write_index(store: Store, folder: Path) -> None:
    """Writes what `open_store` reads beside the canvases."""
    boxes = dict(zip(_FIELDS, store.boxes.tolist(), strict=True))
    index = {
        "schema": SCHEMA,
        "fingerprint": store.fingerprint,
        **boxes,
        "names": store.names,
        "parts": store.parts,
        "left_out": store.left_out,
    }
    (folder / INDEX_FILE).write_text(json.dumps(index))
