"""From a path to a file's bytes: ordinary files only, whole, and unchanged meanwhile."""

import os
import stat
from pathlib import Path

from deblur_jax.errors import UserError
from deblur_jax.images import formats

MAX_FILE_BYTES = 2**31  # what a picture of the most pixels takes at 16 bits with alpha


def file_bytes(path: Path) -> bytes:
    """All bytes of a picture's file.

    The whole file is read once, so that every look at it sees the same bytes. What does not begin
    like a picture is not read further than its first bytes.

    Raises:
      UserError: it is no ordinary file, it is empty, larger than 2 GB or no picture, or it changed
        while it was read.
      OSError: it is missing, a folder, a loop of links, or the right to read it is.
    """
    before = path.stat()
    if not (stat.S_ISREG(before.st_mode) or stat.S_ISDIR(before.st_mode)):
        raise UserError("it is not an ordinary file")  # to open a pipe would wait for ever
    # Should it have become a pipe since it was looked at, this does not wait for a writer (a flag
    # that other systems than Unix do not know).
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        before = os.fstat(stream.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise UserError("it is not an ordinary file")
        if before.st_size > MAX_FILE_BYTES:
            raise UserError(f"its file is larger than {MAX_FILE_BYTES // 2**30} GB")
        refuse_unknown(stream.read(formats.HEAD))
        stream.seek(0)
        data = stream.read(before.st_size + 1)  # one more shows that it grew
        after = os.fstat(stream.fileno())
    if len(data) != before.st_size or _stamp(before) != _stamp(after):
        raise UserError("it changed while it was read")
    return data


def refuse_unknown(head: bytes) -> str:
    """The format by Pillow's name; UserError if it is none that is known, or nothing at all."""
    if not head:
        raise UserError("it is empty")
    name = formats.sniff(head)
    if name is None:
        raise UserError(f"it is not a {formats.words()} picture")
    return name


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
