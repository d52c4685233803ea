"""Keeping stores on disk: whole or not there, whoever else makes the same one or is killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from deblur_jax.atomic import make_folder, reason
from deblur_jax.data.store import Store, open_store
from deblur_jax.errors import UserError

_PARTIAL = ".part"
_ROOM = 64 * 2**20  # bytes that stay free on the disk


def refuse_full_disk(place: Path, nbytes: int) -> None:
    """Raises a UserError where the disk of a store's place has no room for it."""
    make_folder(place.parent)
    free = shutil.disk_usage(place.parent).free
    if free < nbytes + _ROOM:
        raise UserError(
            f"the decoded pairs take {nbytes / 1e9:.1f} GB and {place.parent} has "
            f"{free / 1e9:.1f} GB free: set data.cache to a folder with more room"
        )


def keep(place: Path, fill: Callable[[Path], None]) -> Store:
    """Makes a store beside its place and moves it there.

    Args:
      place: where it goes; its parent exists.
      fill: writes the store into a folder.

    Raises:
      UserError: the disk does not take it, or what `fill` raises.
    """
    try:
        partial, lock = _begin(place)
        try:
            whole = partial / "whole"
            whole.mkdir()  # with everybody's rights, unlike the temporary folder around it
            fill(whole)
            with contextlib.suppress(UserError):  # another process was faster: its pixels are ours
                theirs = open_store(place)
                if len(theirs.left_out) <= len(open_store(whole).left_out):
                    return theirs
            with contextlib.suppress(OSError):  # a damaged one or one that lacks more, if any
                place.rename(partial / "damaged")
            with contextlib.suppress(OSError):
                whole.rename(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            os.close(lock)
    except OSError as error:
        raise UserError(
            f"cannot write the decoded pairs to {place.parent}: {reason(error)}"
        ) from error
    return open_store(place)


def _begin(place: Path) -> tuple[Path, int]:
    """A new folder beside a store's place, and its lock: an open file, locked until it is closed.

    Folders that nobody locks any more are removed: the processes that made them were killed.
    """
    gate = _locked(place.parent)  # one at a time: a new folder has no lock at first
    try:
        for old in place.parent.glob(f"*{_PARTIAL}"):
            with contextlib.suppress(OSError):
                lock = _locked(old, fcntl.LOCK_NB)
                shutil.rmtree(old, ignore_errors=True)
                os.close(lock)
        folder = Path(tempfile.mkdtemp(prefix=f"{place.name}.", suffix=_PARTIAL, dir=place.parent))
        return folder, _locked(folder)
    finally:
        os.close(gate)


def _locked(folder: Path, how: int = 0) -> int:
    """Opens and locks a folder; closing it unlocks. OSError where another process has it."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | how)
    except OSError:
        os.close(opened)
        raise
    return opened
