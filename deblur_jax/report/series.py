"""Measures against what grew: a line for all files that are alike in everything else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deblur_jax import plots
from deblur_jax.report.measured import NOT_STATED
from deblur_jax.report.strict_json import Document

Measure = Callable[[Document], float | None]
Word = Callable[[Document], str]


@dataclass(frozen=True)
class Series:
    """Lines for one plot.

    Attributes:
      lines: each named by what tells it from the others.
      common: what all of them share, in words, but for what no file states.
    """

    lines: Sequence[plots.Line]
    common: str


def series(
    documents: Sequence[Document],
    x: Measure,
    y: Measure,
    words: Sequence[Word],
    *,
    least: int = 2,
) -> Series | None:
    """One line for each set of documents of which all words are the same, its points by x.

    Args:
      documents: one a point.
      x, y: a point's place; one that is not positive is left out, as nobody measured it.
      words: what a document says of itself besides x and y, such as its device.
      least: places along x below which a set is no line and is left out.

    Returns:
      The lines in the order of their first documents; None where there are none.
    """
    sets: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for document in documents:
        place = (x(document) or 0, y(document) or 0)
        if min(place) > 0:
            sets.setdefault(tuple(word(document) for word in words), []).append(place)
    kept = {said: sorted(own) for said, own in sets.items() if len({x for x, _ in own}) >= least}
    if not kept:
        return None
    differs = [len(set(column)) > 1 for column in zip(*kept, strict=True)]
    first = next(iter(kept))
    shared = [not d and word != NOT_STATED for d, word in zip(differs, first, strict=True)]
    common = _joined(first, shared)
    lines = [
        plots.Line(_joined(said, differs) or common, [x for x, _ in own], [y for _, y in own])
        for said, own in kept.items()
    ]
    return Series(lines, common)


def _joined(words: Sequence[str], which: Sequence[bool]) -> str:
    return ", ".join(word for word, wanted in zip(words, which, strict=True) if wanted)
