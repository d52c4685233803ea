"""A run's `metrics.jsonl`: flat objects of numbers, one a line, each with its step."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError

LineOf = dict[str, float | None]  # key -> value, None where it was not finite
_NOT_FINITE = ("nan", "inf", "-inf", "infinity", "-infinity")  # as some write them, as texts


def read_lines(path: Path) -> dict[int, LineOf]:
    """The lines by step, in order of the steps; values that are no numbers are left out.

    A last line that a crash cut off is left out; where a resumed run wrote a step again, the later
    line counts.

    Raises:
      UserError: the file cannot be read, has no line, or a line that is no object with a
        whole-numbered `step`; the line's number is named.
    """
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    found: dict[int, LineOf] = {}
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except (ValueError, RecursionError) as error:
            if number == len(texts) and not text.endswith("\n"):
                break  # cut off by a crash
            raise UserError(f"{path}, line {number}: no JSON") from error
        step = line.pop("step", None) if isinstance(line, dict) else None
        if not isinstance(step, int) or isinstance(step, bool):
            raise UserError(f"{path}, line {number}: no object with a whole-numbered step")
        found[step] = {key: _number(value) for key, value in line.items() if _is_number(value)}
    if not found:
        raise UserError(f"{path}: not one line of a training run")
    return dict(sorted(found.items()))


def keys_of(lines: dict[int, LineOf]) -> list[str]:
    """All keys in order of appearance."""
    return list(dict.fromkeys(key for line in lines.values() for key in line))


def gaps(lines: dict[int, LineOf]) -> list[str]:
    """Sentences on values that were not finite."""
    found = []
    for key in keys_of(lines):
        at = [step for step, line in lines.items() if key in line and line[key] is None]
        if at:
            count = "1 line" if len(at) == 1 else f"{len(at)} lines"
            found.append(f"{count} without a finite {key}, first at step {at[0]}.")
    return found


def comma_separated(lines: dict[int, LineOf]) -> str:
    """All numbers in full precision, a line for each step; a gap is empty."""
    keys = keys_of(lines)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["step", *keys])
    for step, line in lines.items():
        values = [line.get(key) for key in keys]
        writer.writerow([step, *("" if value is None else repr(value) for value in values)])
    return stream.getvalue()


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.lower() in _NOT_FINITE
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _number(value: Any) -> float | None:
    """A number that is not finite is a gap."""
    try:
        return None if value is None or not math.isfinite(float(value)) else float(value)
    except OverflowError:  # a whole number beyond the largest float
        return None
