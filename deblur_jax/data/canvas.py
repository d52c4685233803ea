"""Wide arrays of pixels that hold pictures of any size side by side, in memory or in a file.

A crop of any of the pictures is one box of the canvas, on the host as on the device.
"""

import math
import os
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CHANNELS = 3


def shelves(
    heights: Sequence[int] | np.ndarray, widths: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Places boxes side by side on shelves, the tallest first.

    Args:
      heights, widths: sizes of N boxes in pixels.

    Returns:
      (rows, columns, (height, width)): the upper left corners, int32[N] each, and the canvas' size.
    """
    heights, widths = np.asarray(heights, np.int32), np.asarray(widths, np.int32)
    canvas_width = int(widths.max())
    rows, columns = np.zeros_like(heights), np.zeros_like(widths)
    top, left, shelf = 0, 0, 0
    for i in np.argsort(-heights, kind="stable"):
        if left + widths[i] > canvas_width:
            top, left, shelf = top + shelf, 0, 0
        rows[i], columns[i] = top, left
        left += int(widths[i])
        shelf = max(shelf, int(heights[i]))
    return rows, columns, (top + shelf, canvas_width)


class MemoryCanvas:
    """uint8[R, C, 3] in memory."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.pixels = np.zeros((*shape, CHANNELS), np.uint8)

    def write(self, row: int, column: int, picture: np.ndarray) -> None:
        """Puts uint8[h, w, 3] with its upper left corner at (row, column)."""
        height, width = picture.shape[:2]
        self.pixels[row : row + height, column : column + width] = picture

    def read(self, row: int, column: int, height: int, width: int) -> np.ndarray:
        """The box uint8[height, width, 3] at (row, column)."""
        return self.pixels[row : row + height, column : column + width]

    def close(self) -> None:
        """Nothing is open."""


class FileCanvas:
    """uint8[R, C, 3] in an .npy file, read and written by position, by any number of threads.

    Not through a memory map: its pages count as the process' own memory, and a file that another
    program cuts short ends the process with SIGBUS instead of an error.
    """

    def __init__(self, path: Path, shape: tuple[int, int] | None = None) -> None:
        """Opens a canvas for reading, or makes one of zeros where a shape is given.

        Raises:
          OSError: the file cannot be opened or made.
          ValueError: it is no array of uint8[R, C, 3], or shorter than its header says.
        """
        self.path = path
        if shape is not None:
            self._make(shape)
        with path.open("rb") as stream:
            try:
                if np.lib.format.read_magic(stream) != (1, 0):
                    raise ValueError(f"{path} is an array of another format")
                self.shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            except (OSError, ValueError):
                raise
            except Exception as error:  # NumPy reads the header as Python, and fails in its ways
                raise ValueError(f"{path} is damaged") from error
            self._start = stream.tell()
        if fortran or dtype != np.uint8 or len(self.shape) != 3 or self.shape[2] != CHANNELS:
            raise ValueError(f"{path} does not hold pictures")
        if path.stat().st_size != self._start + math.prod(self.shape):
            raise ValueError(f"{path} is cut short")
        self._file = os.open(path, os.O_RDWR if shape is not None else os.O_RDONLY)
        # Not __del__, which finds its modules gone at the interpreter's end; there nobody need.
        self._closing = weakref.finalize(self, os.close, self._file)
        self._closing.atexit = False

    def _make(self, shape: tuple[int, int]) -> None:
        whole = (*shape, CHANNELS)
        header = {"descr": "|u1", "fortran_order": False, "shape": whole}
        with self.path.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            # Zeros that are never written take no room on most disks.
            stream.truncate(stream.tell() + math.prod(whole))

    @property
    def pixels(self) -> np.ndarray:
        """All of it as a read-only memory map, for a copy to a device."""
        return np.load(self.path, mmap_mode="r")

    def write(self, row: int, column: int, picture: np.ndarray) -> None:
        """Puts uint8[h, w, 3] with its upper left corner at (row, column)."""
        picture = np.ascontiguousarray(picture)
        if picture.shape[1] == self.shape[1]:
            self._put(memoryview(picture.data).cast("B"), self._offset(row, 0))
            return
        for number, line in enumerate(picture):
            self._put(memoryview(line.data).cast("B"), self._offset(row + number, column))

    def read(self, row: int, column: int, height: int, width: int) -> np.ndarray:
        """The box uint8[height, width, 3] at (row, column). OSError where the file is damaged."""
        # Whole rows in one call: reading what is left and right of the box costs less than a call
        # for each row.
        data = self._get(height * self.shape[1] * CHANNELS, self._offset(row, 0))
        rows = np.frombuffer(data, np.uint8).reshape(height, self.shape[1], CHANNELS)
        return rows[:, column : column + width]

    def close(self) -> None:
        """Closes the file; reading is over."""
        self._closing()
        self._file = -1

    def _offset(self, row: int, column: int) -> int:
        return self._start + (int(row) * self.shape[1] + int(column)) * CHANNELS

    def _get(self, size: int, offset: int) -> bytes:
        data = b""
        while len(data) < size:  # a call gives 2 GB at most, and on some disks less
            more = os.pread(self._file, size - len(data), offset + len(data))
            if not more:
                raise OSError(f"{self.path} is cut short")
            data = data + more if data else more
        return data

    def _put(self, data: memoryview, offset: int) -> None:
        while data:
            written = os.pwrite(self._file, data, offset)
            data, offset = data[written:], offset + written


Canvas = MemoryCanvas | FileCanvas
