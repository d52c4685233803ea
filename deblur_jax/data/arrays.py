"""Pairs in one .npz file: `blurred` and `sharp`, uint8[N, H, W, 3] each."""

import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax.atomic import reason
from deblur_jax.data.contents import digest
from deblur_jax.errors import UserError

# Pictures that are kept when they are passed over: threads ask for neighbours in no certain order.
_KEPT = 64
_BLOCK = 1 << 20  # bytes that are checked at a time


class ArrayFile:
    """An .npz file of pairs, read picture by picture: it may be larger than the memory."""

    def __init__(self, path: Path) -> None:
        """Reads the arrays' headers. UserError where they are not what they must be."""
        self.path = path
        self._lock = threading.Lock()
        self._read_through = False
        self._damage = ""
        try:
            with zipfile.ZipFile(path) as archive:
                missing = {"blurred.npy", "sharp.npy"} - set(archive.namelist())
            self._arrays = {} if missing else {n: _Array(path, n) for n in ("blurred", "sharp")}
            about = path.stat()
        except Exception as error:  # a damaged archive can make zipfile and NumPy fail in any way
            raise UserError(f"cannot read {path}: {reason(error)}") from error
        if missing:
            name = Path(min(missing)).stem
            raise UserError(f"{path} has no array {name!r}; it must hold blurred and sharp")
        shapes = {array.shape for array in self._arrays.values()}
        if len(shapes) != 1:
            raise UserError(f"{path}: blurred and sharp differ in shape")
        self.shape = shapes.pop()
        self.stamp = [path.name, about.st_size, about.st_mtime_ns, digest(path)]

    def picture(self, name: str, number: int) -> np.ndarray:
        """uint8[H, W, 3]: one picture of an array; going far back in the file is slow.

        Before the first one both arrays are read to their ends, where a zip file keeps the
        checksum, so the first takes its time.

        Raises:
          UserError: anything in the arrays is damaged: which pictures are, nobody can tell.
        """
        try:
            with self._lock:
                self._refuse_damage()
                data = self._arrays[name].read(number)
        except Exception as error:
            raise UserError(f"cannot read {self.path}: {reason(error)}") from error
        return np.frombuffer(data, np.uint8).reshape(self.shape[1:])

    def _refuse_damage(self) -> None:
        if not self._read_through:
            try:
                with zipfile.ZipFile(self.path) as archive:
                    for name in self._arrays:
                        with archive.open(f"{name}.npy") as stream:
                            while stream.read(_BLOCK):
                                pass
            except Exception as error:  # as above
                self._damage = reason(error)
            self._read_through = True
        if self._damage:
            raise ValueError(self._damage)


class _Array:
    """One array of the file, which can only be read forwards. Each picture is wanted once."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        archive = zipfile.ZipFile(path)  # of its own: two streams of one would share a position
        self._stream = archive.open(f"{name}.npy")
        version = np.lib.format.read_magic(self._stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} is an array of another format")
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        self.shape, fortran, dtype = read_header(self._stream)
        if dtype != np.uint8 or len(self.shape) != 4 or self.shape[3] != 3:
            raise ValueError(f"{name} is {dtype}{list(self.shape)}, but must be uint8[N, H, W, 3]")
        if fortran:
            raise ValueError(f"{name} is in Fortran's order, but must be in C's")
        self._start, self._next = self._stream.tell(), 0
        self._passed: dict[int, bytes] = {}
        self._broken = self.shape[0]  # the first picture that cannot be read

    def read(self, number: int) -> bytes:
        """The bytes of one picture. ValueError, or what zipfile raises, where they are damaged."""
        if number in self._passed:
            return self._passed.pop(number)
        if number < self._next:
            self._stream.seek(self._start)
            self._next = 0
            self._passed.clear()
        while True:
            data = self._read_next()
            if self._next > number:
                return data
            self._passed[self._next - 1] = data
            if len(self._passed) > _KEPT:
                del self._passed[min(self._passed)]

    def _read_next(self) -> bytes:
        size = int(np.prod(self.shape[1:]))
        if self._next >= self._broken:
            raise ValueError(f"{self._name} is damaged at picture {self._broken}")
        try:
            data = self._stream.read(size)
            if len(data) != size:
                raise ValueError(f"{self._name} is cut short")
        except Exception:
            self._broken = self._next
            raise
        self._next += 1
        return data


@dataclass(frozen=True)
class ArrayPair:
    """One pair of an .npz file."""

    file: ArrayFile
    number: int
    scene: str = ""

    @property
    def name(self) -> str:
        return f"{self.number:06d}"

    @property
    def stamp(self) -> Any:
        return [*self.file.stamp, self.number]

    def size(self) -> tuple[int, int]:
        return self.file.shape[1], self.file.shape[2]

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        return self.file.picture("blurred", self.number), self.file.picture("sharp", self.number)
