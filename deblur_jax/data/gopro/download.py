"""Fetching one large file so that a broken connection costs nothing but time."""

import os
import time
from pathlib import Path

from deblur_jax.atomic import reason, refuse_unwritable
from deblur_jax.data.gopro.large_files import verify
from deblur_jax.data.gopro.request import BrokenOffError, StaleError, fetch_rest, length
from deblur_jax.errors import UserError


def download(
    url: str,
    target: str | os.PathLike[str],
    *,
    sha256: str | None,
    tries: int = 5,
    timeout_s: tuple[float, float] = (15.0, 60.0),
    pause_s: float = 2.0,
) -> Path:
    """Fetches `url` into the file `target`, which appears once it is whole and verified.

    What has arrived so far lies in `target.part`, and `target.part.json` tells of what it is the
    beginning. The next call asks for the rest alone, for all of it where the server's file has
    changed or the server cannot give a part of it.

    Args:
        url: http or https.
        target: the file to make.
        sha256: the hash that the file must have, 64 hex digits; None accepts any.
        tries: how often in a row nothing more may arrive.
        timeout_s: seconds to wait for a connection, and for the next bytes.
        pause_s: seconds before the second try, twice as long before each later one.

    Raises:
        UserError: the address is wrong, the server refuses, the line broke `tries` times (the same
            call then goes on), the disk is too small, or the hash is another one: then the file
            stays as `target.part`, and the same call with its true hash takes it as it is.
    """
    target = Path(target)
    refuse_unwritable(target)
    part = target.with_name(f"{target.name}.part")
    note = part.with_name(f"{part.name}.json")
    failures = 0
    while True:
        before = length(part)
        try:
            fetch_rest(url, part, note, timeout_s)
            break
        except StaleError:
            part.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
            problem = "its length and its contents do not agree"
            failures += 1
        except BrokenOffError as error:
            problem = str(error)
            failures = 1 if length(part) > before else failures + 1
        if failures >= tries:
            raise UserError(
                f"{url}: {problem}; {length(part)} bytes are in {part}, the same call goes on"
                " from there"
            )
        time.sleep(pause_s * 2 ** (failures - 1))
    verify(part, sha256, source=url)
    try:
        part.replace(target)
    except OSError as error:
        raise UserError(f"cannot write {target}: {reason(error)}") from error
    note.unlink(missing_ok=True)
    return target
