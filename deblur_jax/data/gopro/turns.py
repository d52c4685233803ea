"""One process at a time in a folder."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from deblur_jax.atomic import make_folder


@contextlib.contextmanager
def alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Holds the folder against other calls of this, and waits for one that holds it.

    The system lets it go when a process ends, however it ends, and nothing is left in the folder.

    Args:
      folder: made if absent.
      say: told in a sentence that another process is waited for.

    Raises:
      UserError: the folder cannot be made.
    """
    make_folder(folder)
    opened = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a disk that knows no locks: as well as it goes
            _lock(opened, folder, say)
        yield
    finally:
        os.close(opened)


def _lock(opened: int, folder: Path, say: Callable[[str], None]) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another process that fetches into {folder}")
        fcntl.flock(opened, fcntl.LOCK_EX)
