"""From nothing, a zip or a half-unpacked folder to a complete GOPRO_Large."""

import re
from collections.abc import Callable
from pathlib import Path

from deblur_jax.data.gopro.archive import unpack
from deblur_jax.data.gopro.download import download
from deblur_jax.data.gopro.large_files import verify
from deblur_jax.data.gopro.pairs import IncompleteError, check_complete, is_begun, unpacked
from deblur_jax.data.gopro.scenes import GOPRO, Contents
from deblur_jax.data.gopro.turns import alone
from deblur_jax.errors import UsageError, UserError

ZIP = "GOPRO_Large.zip"
# The authors' own mirror; the hash is what one repository claims of it, not what we have seen.
URL = "https://huggingface.co/datasets/snah/GOPRO_Large/resolve/main/GOPRO_Large.zip"
SHA256 = "24532c036712515cf33803704421311c91f6a080e76049d7e5e7fd22389f128e"


def fetch(
    directory: Path,
    *,
    archive: Path | None = None,
    url: str = URL,
    sha256: str = SHA256,
    contents: Contents = GOPRO,
    say: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Makes sure that a complete GOPRO_Large is in `directory`, doing only what is left to do.

    Of several calls for one folder, in whatever processes, one works and the others wait for it.

    Args:
        directory: the folder that gets GOPRO_Large/ and, unless `archive` is given,
            GOPRO_Large.zip; or that GOPRO_Large itself.
        archive: a zip that is there already; by default GOPRO_Large.zip in `directory`, which is
            downloaded where it is missing.
        url: where to download it from.
        sha256: the hash that the zip must have.
        contents: what is complete.
        say: told in a sentence what is done next.

    Returns:
        The folder with train/ and test/.

    Raises:
        UsageError: `sha256` is no hash.
        UserError: as `download`, `unpack` and `check_complete`.
    """
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"a SHA-256 has 64 hexadecimal digits, which {sha256!r} has not")
    root = unpacked(directory)
    if _is_complete(root, contents):
        return root
    with alone(root.parent, say):
        # Looked at anew: whoever had the folder may have fetched all of it.
        if not _is_complete(root, contents, say):
            _complete(root, directory, archive, url, sha256, say)
            check_complete(root, contents=contents)
    return root


def _is_complete(
    root: Path, contents: Contents, say: Callable[[str], None] = lambda sentence: None
) -> bool:
    try:
        check_complete(root, contents=contents)
    except IncompleteError as error:
        if is_begun(root):
            say(str(error).partition(";")[0])
        return False
    return True


def _complete(
    root: Path,
    directory: Path,
    archive: Path | None,
    url: str,
    sha256: str,
    say: Callable[[str], None],
) -> None:
    beside = [root.parent / ZIP, directory / ZIP]
    archive = archive or next((path for path in beside if path.exists()), None)
    if archive is None:
        archive = beside[0]
        say(f"fetching {url} into {archive}")
        download(url, archive, sha256=sha256)
    elif not archive.is_file():
        raise UserError(f"{archive}: {'not a file' if archive.exists() else 'no such file'}")
    else:
        verify(archive, sha256)
    say(f"unpacking {archive} into {root}")
    unpack(archive, root)
