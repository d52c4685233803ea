"""Large files on the disk: their progress bars, whether they fit, and their hashes."""

import hashlib
import shutil
from pathlib import Path

from tqdm import tqdm

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError

BLOCK = 1 << 20  # bytes that are read and written at a time


def progress(total: int | None, what: str, *, done: int = 0) -> tqdm:
    """A bar that counts bytes on stderr; silent where that is no terminal."""
    return tqdm(
        total=total,
        initial=done,
        desc=what,
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
        disable=None,
    )


def refuse_full_disk(folder: Path, needed: int, what: str) -> None:
    """Raises UserError where `needed` bytes do not fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{folder}: {what} needs {needed / 1e9:.2f} GB, but only {free / 1e9:.2f} GB are free"
            " on that disk"
        )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits. UserError where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream, progress(path.stat().st_size, f"verify {path.name}") as bar:
            while block := stream.read(BLOCK):
                digest.update(block)
                bar.update(len(block))
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    return digest.hexdigest()


def verify(path: Path, sha256: str | None, *, source: str | None = None) -> None:
    """Raises UserError unless the file has this hash (None: any); the message names both.

    `source` is where the file came from, for the message.
    """
    if sha256 is None:
        return
    found = file_sha256(path)
    if found != sha256.lower():
        origin = f" from {source}" if source else ""
        raise UserError(
            f"{path}: the file{origin} has the SHA-256 {found}, not {sha256.lower()}, which for"
            " GoPro is one repository's claim that was never verified here: if you trust the file,"
            f" accept it with --sha256 {found}, else delete it and fetch it again"
        )
