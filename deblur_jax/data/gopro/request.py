"""One HTTP request for what is still missing of a file.

What has arrived lies in a part file; a note beside it says what file of the server it is the
beginning of, so that the beginning of one and the rest of another are never joined.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from deblur_jax.atomic import reason, write_text
from deblur_jax.data.gopro.large_files import progress, refuse_full_disk
from deblur_jax.errors import UserError

BLOCK = 1 << 16  # bytes; a block that the line breaks in is lost
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # RFC 9110, 8470, 6585: worth asking again


class BrokenOffError(Exception):
    """The server or the line gave up on the way; what came is in the part."""


class StaleError(Exception):
    """The part is not the beginning of what the server has now."""


def fetch_rest(url: str, part: Path, note: Path, timeout_s: tuple[float, float]) -> None:
    """Makes `part` whole: asks for what comes after its end, or for everything.

    Raises:
        BrokenOffError: worth another try.
        StaleError: the part and its note are to be removed before another try.
        UserError: the address is wrong, the server refuses, or the disk is full.
    """
    known = _read_note(note, url)
    done = length(part) if known else 0
    if done and done == known["size"]:
        return
    headers = {"Accept-Encoding": "identity"}  # the bytes of a range are those of the file itself
    if done and known["validator"]:
        headers |= {"Range": f"bytes={done}-", "If-Range": known["validator"]}
    with _opened(url, headers, timeout_s) as response:
        _refuse_status(response, url, resuming="Range" in headers)
        validator = _validator(response)
        if response.status_code == requests.codes.partial_content:
            size: int | None = _resumed_size(response, done)
            if done and validator not in (None, known["validator"]):
                raise StaleError
        else:
            done, size = 0, _content_length(response)
        refuse_full_disk(part.parent, (size or 0) - done, f"the rest of {part.name}")
        facts = {"url": url, "validator": validator or known.get("validator"), "size": size}
        write_text(note, json.dumps(facts))
        _append(response, part, done, size)
        if size is None:  # no length was announced, and the end has come
            write_text(note, json.dumps(facts | {"size": length(part)}))


def length(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0


def _append(response: requests.Response, part: Path, done: int, size: int | None) -> None:
    name = part.name.removesuffix(".part")
    try:
        with (
            part.open("r+b" if done else "wb") as stream,
            progress(size, f"fetch {name}", done=done) as bar,
        ):
            stream.truncate(done)
            stream.seek(done)
            for block in _blocks(response):
                stream.write(block)
                bar.update(len(block))
    except OSError as error:
        raise UserError(f"cannot write {part}: {reason(error)}") from error
    if size is not None and length(part) < size:
        raise BrokenOffError(f"the connection ended after {length(part)} of {size} bytes")
    if size is not None and length(part) > size:
        raise StaleError


def _blocks(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_content(BLOCK)
    except (requests.RequestException, OSError) as error:
        raise BrokenOffError(f"the connection broke ({_plain(error)})") from error


@contextlib.contextmanager
def _opened(
    url: str, headers: dict[str, str], timeout_s: tuple[float, float]
) -> Iterator[requests.Response]:
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=timeout_s)
    except ValueError as error:  # what requests raises for a bad address is one, too
        raise UserError(f"{url}: not an address that can be fetched over http or https") from error
    except requests.exceptions.SSLError as error:
        raise UserError(f"{url}: no secure connection ({_plain(error)})") from error
    except requests.RequestException as error:
        raise BrokenOffError(f"no connection to the server ({_plain(error)})") from error
    with response:
        yield response


def _refuse_status(response: requests.Response, url: str, *, resuming: bool) -> None:
    status = response.status_code
    if status == requests.codes.requested_range_not_satisfiable and resuming:
        raise StaleError
    if status in _TRANSIENT:
        raise BrokenOffError(f"the server answered {status} {response.reason}")
    if status not in (requests.codes.ok, requests.codes.partial_content):
        raise UserError(f"{url}: the server answered {status} {response.reason}")


def _resumed_size(response: requests.Response, done: int) -> int:
    """The whole file's size, of `Content-Range: bytes <done>-<last>/<size>` (RFC 9110, 14.4)."""
    try:
        unit, _, rest = response.headers["Content-Range"].partition(" ")
        span, _, size = rest.partition("/")
        first, total = int(span.partition("-")[0]), int(size)
    except (KeyError, ValueError) as error:
        raise StaleError from error
    if unit != "bytes" or first != done or total < done:
        raise StaleError
    return total


def _content_length(response: requests.Response) -> int | None:
    announced = response.headers.get("Content-Length", "")
    return int(announced) if announced.isdigit() else None


def _validator(response: requests.Response) -> str | None:
    """What tells this file from a later one: a strong ETag, or else the date (RFC 9110, 13.1.5)."""
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _read_note(note: Path, url: str) -> dict[str, Any]:
    """What is known of the part; nothing where there is no note, or one of another address."""
    try:
        facts = json.loads(note.read_text())
        known = {key: facts[key] for key in ("url", "validator", "size")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return known if known["url"] == url else {}


def _plain(error: BaseException) -> str:
    """The innermost cause in words, without the addresses of objects that urllib3 prints."""
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    if isinstance(cause, TimeoutError) or "timed out" in str(error):
        return "it timed out"
    return reason(cause)
