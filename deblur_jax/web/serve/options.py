"""The options of a request, from its query string: each checked, none passed over."""

import difflib
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from deblur_jax.errors import UsageError
from deblur_jax.restore.treatment import Treatment
from deblur_jax.web.serve.kinds import written
from deblur_jax.web.serve.problem import Problem

NAMES = ("strength", "luminance_only", "format", "quality")
_ALSO = {"jpg": "jpeg", "tif": "tiff"}
_TRUTH = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class Options:
    """How a picture is restored and written.

    Attributes:
      treatment: how much of the restoration is taken.
      suffix: of the format to write, None for the picture's own.
      quality: 1 to 100 of a format that has one, None for the picture's own.
    """

    treatment: Treatment
    suffix: str | None = None
    quality: int | None = None


def options_of(query: QueryParams) -> Options:
    """Reads the options. Raises Problem, 422, for one that is unknown, doubled or impossible."""
    refuse_unknown(query, NAMES)
    try:
        treatment = Treatment(
            _number(query, "strength", 1.0), _truth(query.get("luminance_only", "0"))
        )
    except UsageError as error:
        raise Problem(422, str(error)) from None
    return Options(treatment, _suffix(query.get("format")), _quality(query))


def refuse_unknown(query: QueryParams, names: tuple[str, ...]) -> None:
    """Raises Problem, 422, for an option that is none of `names`, or that is given twice."""
    for name in query:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            there = (
                f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'none'}"
            )
            raise Problem(422, f"there is no option {name[:40]!r}; {there}")
        if len(query.getlist(name)) > 1:
            raise Problem(422, f"the option {name} is given more than once")


def _number(query: QueryParams, name: str, default: float) -> float:
    text = query.get(name, str(default))
    try:
        return float(text)
    except ValueError:
        raise Problem(422, f"{name} is {text[:40]!r}; it can be 0 to 1") from None


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise Problem(422, f"luminance_only is {text[:40]!r}; it can be true or false")
    return _TRUTH[text.lower()]


def _suffix(name: str | None) -> str | None:
    if name is None:
        return None
    known, here = _ALSO.get(name.lower(), name.lower()), written()
    if known not in here:
        raise Problem(422, f"format is {name[:40]!r}; it can be {', '.join(here)}")
    return here[known]


def _quality(query: QueryParams) -> int | None:
    text = query.get("quality")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 100):
        raise Problem(422, f"quality is {text[:40]!r}; it can be 1 to 100")
    return int(text)
