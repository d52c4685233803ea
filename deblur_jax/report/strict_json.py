"""JSON as a report takes it: what is not finite is left out and counted, so it is in no mean.

NaN and Infinity are no JSON, but other programs write them, and 1e999 is JSON and infinite.
"""

import json
import math
from pathlib import Path
from typing import Any

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError

Document = dict[str, Any]


def parse(path: Path) -> tuple[Document, int]:
    """The object that a file holds, and how many of its numbers were not finite.

    An infinite number is null, as `results.json` writes the PSNR of equal pictures. A NaN is nobody
    knows what, and its key is not there; in a list it is null.

    Raises:
      UserError: the file cannot be read, is no JSON, or is no object.
    """
    not_finite = 0

    def finite(text: str, kind: type[int] | type[float]) -> int | float | None:
        nonlocal not_finite
        try:
            value = kind(text)
            if math.isfinite(value):
                return value
        except (ValueError, OverflowError):
            pass  # an integer of thousands of digits, or beyond the largest float
        not_finite += 1
        return None

    def named(word: str) -> object:
        nonlocal not_finite
        not_finite += 1
        return _NAN if word == "NaN" else None

    def an_object(pairs: list[tuple[str, Any]]) -> Document:
        return {key: _without_nan(value) for key, value in pairs if value is not _NAN}

    try:
        document = json.loads(
            path.read_bytes(),
            parse_constant=named,
            parse_float=lambda text: finite(text, float),
            parse_int=lambda text: finite(text, int),
            object_pairs_hook=an_object,
        )
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: no JSON: {reason(error)}") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    if not isinstance(document, dict):
        raise UserError(f"{path}: no JSON object")
    return document, not_finite


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [None if each is _NAN else _without_nan(each) for each in value]
    return value


_NAN = object()
