"""Files that are either whole or not there: written beside their place, then moved into it."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from deblur_jax.errors import UserError


def reason(error: BaseException) -> str:
    """What went wrong, in words for a user, without the path that Python adds."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return " ".join(str(error).split()) or type(error).__name__


def make_folder(folder: Path) -> None:
    """Makes `folder` and its parents; UserError if a file is in the way or the right is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            raise UserError(
                f"cannot write to {folder}: a file is where a folder should be"
            ) from error
        raise UserError(f"cannot make the folder {folder}: {reason(error)}") from error


def refuse_blocked(path: str | os.PathLike[str]) -> None:
    """Raises UserError if some part of the way to `path` is a file, before work is done in vain."""
    for parent in Path(path).parents:
        if parent.exists() and not parent.is_dir():
            raise UserError(f"cannot write to {path}: {parent} is a file, not a folder")


def refuse_unwritable(path: str | os.PathLike[str]) -> None:
    """Makes the folder of `path`; UserError if it cannot be, or no file can be made in it."""
    folder = Path(path).parent
    make_folder(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write {path}: {reason(error)}") from error


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary stream whose contents become the file `path` when the block ends well.

    The bytes go to a file of a unique name in the same folder (made if absent), which then takes
    the place of `path` in one step; if anything fails it is removed and `path` stays as it was.
    Raises UserError when the disk is full, the right is missing, or a file is where a folder
    should be; any other error of the block passes through.
    """
    path = Path(path)
    make_folder(path.parent)
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder")
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name[:80]}.", suffix=".part", dir=path.parent
        )
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {reason(error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` as UTF-8, atomically; UserError as `atomic_write`."""
    with atomic_write(path) as stream:
        stream.write(text.encode())


def _umask() -> int:
    """The process's mask of rights; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
