"""What an evaluation has scored so far, on disk line by line, so that a later one need not again.

The file lies beside the results to be and is removed once they are written:

    {"ledger": 1, ...}                                 what was measured, of which weights, and how
    {"key", "stamp", "first_seconds", "entry"}         one scored picture a line

A call that measures anything else starts afresh, and so does a picture whose files have changed. A
last line that a crash cut off is left out.
"""

import contextlib
import json
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from deblur_jax.atomic import make_folder, reason
from deblur_jax.errors import UserError

VERSION = 1
SUFFIX = ".partial"
Entry = dict[str, Any]


class Ledger:
    """Entries by key; may be written from several threads. Without a path it only remembers.

    Attributes:
      first_seconds: how long the very first call of the evaluation took, compilation included;
        None where nothing was scored before.
    """

    def __init__(self, path: str | Path | None, about: dict[str, Any]) -> None:
        """Reads what an evaluation of the same kind left, if any did.

        Args:
          path: of the file.
          about: values for JSON; only entries that were made under the same count.

        Raises:
          UserError: the file cannot be read or written.
        """
        self._path = None if path is None else Path(path)
        self._about = json.loads(json.dumps({"ledger": VERSION} | about))
        self._lines: dict[str, dict[str, Any]] = {}
        self._stream: IO[bytes] | None = None
        self._lock = threading.Lock()
        self.first_seconds: float | None = None
        if self._path is not None:
            self._stream = self._open(self._path)

    def find(self, key: str, stamp: Any) -> Entry | None:
        """The entry of a key, unless its stamp has changed since."""
        line = self._lines.get(key)
        same = line is not None and line["stamp"] == json.loads(json.dumps(stamp))
        return line["entry"] if line is not None and same else None

    def add(self, key: str, stamp: Any, entry: Entry, first_seconds: float | None) -> None:
        """Keeps an entry; UserError if the disk is full."""
        line = {"key": key, "stamp": stamp, "first_seconds": first_seconds, "entry": entry}
        with self._lock:
            self._lines[key] = line
            if self.first_seconds is None:
                self.first_seconds = first_seconds
            if self._stream is not None:
                self._write(self._stream, line)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def _open(self, path: Path) -> IO[bytes]:
        """The file, cut to what counts of it, at its end."""
        make_folder(path.parent)
        try:
            stream = path.open("r+b") if path.exists() else path.open("w+b")
            whole = self._read(stream.read())
            stream.seek(whole)
            stream.truncate()
        except OSError as error:
            raise UserError(f"cannot write {path}: {reason(error)}") from error
        if not whole:
            self._write(stream, self._about)
        return stream

    def _read(self, contents: bytes) -> int:
        """Takes up the lines; returns how many bytes of them are whole and of this evaluation."""
        whole = 0
        for number, text in enumerate(contents.splitlines(keepends=True)):
            try:
                line = json.loads(text)
            except ValueError:
                break
            if not text.endswith(b"\n"):
                break
            if number == 0:
                if line != self._about:
                    return 0
            elif isinstance(line, dict) and {"key", "stamp", "entry"} <= line.keys():
                self._lines[line["key"]] = line
                if self.first_seconds is None:
                    self.first_seconds = line.get("first_seconds")
            else:
                break
            whole += len(text)
        return whole

    def _write(self, stream: IO[bytes], line: dict[str, Any]) -> None:
        try:
            stream.write(json.dumps(line).encode() + b"\n")
            stream.flush()
        except OSError as error:
            raise UserError(f"cannot write {self._path}: {reason(error)}") from error

    def _close(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):  # a full disk has been told of by `add`
                self._stream.close()
            self._stream = None


def stamp_of_file(path: Path) -> list[Any] | None:
    """Path, size and date of a file, which change when its contents do; None if it is not there.

    No digest: a wrong date is no accident that happens between two starts of one evaluation.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def beside(output: str | Path) -> Path:
    """Where the ledger of an evaluation lies that will write `output`."""
    path = Path(output)
    return path.with_name(path.name + SUFFIX)
