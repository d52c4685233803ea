"""What pages are made of: tables that sort, pictures under a slider, enlarged crops, plots.

Plain values; `templates/elements.html` has the HTML of each, chosen by its `kind`, and escapes
their texts. A picture's address is a path relative to the page, or a `data:` address that holds it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Column:
    """A column's head.

    Attributes:
      title: the head's words, short.
      numeric: to the right, and sorted as numbers, the largest first.
      help: longer words, for who rests on the head.
    """

    title: str
    numeric: bool = True
    help: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
      text: what stands there.
      value: the number behind it in full precision; for sorting, and for CSV.
      mood: `better`, `worse`, `none` (nobody measured it) or nothing.
    """

    text: str
    value: float | None = None
    mood: str = ""

    @property
    def key(self) -> str | float | None:
        """What rows are sorted by; None stays last."""
        if self.mood == "none":
            return None
        if self.value is not None and math.isinf(self.value):
            return "Infinity" if self.value > 0 else "-Infinity"  # as JavaScript reads it
        return self.text if self.value is None else self.value


@dataclass(frozen=True)
class Table:
    """A table; `name` is its anchor on the page and the stem of its CSV file."""

    kind: ClassVar[str] = "table"
    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Change:
    """A score before and after, as one text; `mood` colours the second."""

    before: str
    after: str
    unit: str = ""
    mood: str = "same"


@dataclass(frozen=True)
class Compared:
    """A picture in several versions, two of them at a time under a slider.

    Attributes:
      name: of the picture.
      width, height: in pixels.
      layers: name of the version -> address.
      left, right: the versions shown at first.
      scores: lines below it; HTML where they are `Markup`.
      link: address of a side-by-side picture, or nothing.
    """

    name: str
    width: int
    height: int
    layers: Mapping[str, str]
    left: str
    right: str
    scores: Sequence[str] = ()
    link: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures under sliders, with one choice for all of what stands left and right."""

    kind: ClassVar[str] = "gallery"
    name: str
    pictures: Sequence[Compared]
    always_choose: bool = False

    @property
    def layers(self) -> list[str]:
        """The names of all versions, in order of appearance."""
        return list(dict.fromkeys(layer for each in self.pictures for layer in each.layers))

    @property
    def left(self) -> str:
        return self.pictures[0].left

    @property
    def right(self) -> str:
        return self.pictures[0].right


@dataclass(frozen=True)
class Closeup:
    """A picture's versions beside each other and, below each, the same part of it enlarged.

    Attributes:
      title: above the scores.
      name: of the picture.
      width, height: of the frames, in pixels.
      frames, crops: name of the version -> address.
      box: left, top, width and height of the crop, in percent of the frame.
      scores: lines below it.
    """

    kind: ClassVar[str] = "closeup"
    title: str
    name: str
    width: int
    height: int
    frames: Mapping[str, str]
    crops: Mapping[str, str]
    box: tuple[float, float, float, float]
    scores: Sequence[str] = ()


@dataclass(frozen=True)
class Plot:
    """An SVG drawing; `name` is the stem of its file."""

    name: str
    svg: str
    caption: str = ""


@dataclass(frozen=True)
class Plots:
    """Drawings in a row, as many as fit."""

    kind: ClassVar[str] = "plots"
    plots: Sequence[Plot]


@dataclass(frozen=True)
class Strip:
    """One picture as it is, such as a sheet; sizes in pixels."""

    address: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True)
class Strips:
    """Pictures as they are, as many in a row as fit."""

    kind: ClassVar[str] = "strips"
    strips: Sequence[Strip]


@dataclass(frozen=True)
class Facts:
    """Names and values, a few words each."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    kind: ClassVar[str] = "prose"
    text: str
    warning: bool = False


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


Element = Table | Gallery | Closeup | Plots | Strips | Facts | Prose | Heading


@dataclass(frozen=True)
class Folded:
    """An element that shows when its title is clicked."""

    kind: ClassVar[str] = "folded"
    title: str
    element: Element


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading that the page's head links to, by a short name."""

    anchor: str
    title: str
    elements: Sequence[Element | Folded] = field(default_factory=tuple)
    short: str = ""


def plain(elements: Iterable[Element | Folded]) -> list[Element]:
    """The elements, folded ones too."""
    return [each.element if isinstance(each, Folded) else each for each in elements]


def number(value: float | None, digits: int, unit: str = "", *, none: str = NOT_MEASURED) -> Cell:
    """A cell with a number, or one that says that nobody measured it."""
    if value is None:
        return Cell(none, mood="none")
    if value == float("inf"):
        return Cell("∞", value)
    # Adding zero makes a plain zero of the negative one that a tiny loss is rounded to.
    text = f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")
    return Cell(text + unit, value)


def gain(value: float | None, digits: int, *, none: str = NOT_MEASURED) -> Cell:
    """A cell with a difference, its sign always there and coloured as better or worse."""
    cell = number(value, digits, none=none)
    if value is None:
        return cell
    # Two figures that look equal must not be coloured as different.
    rounded = round(value, digits)
    mood = "better" if rounded > 0 else "worse" if rounded < 0 else ""
    return Cell(("+" if rounded > 0 else "") + cell.text, value, mood)


def size(width: int | None, height: int | None) -> Cell:
    """`1280 × 720`, sorted by its pixels."""
    if width is None or height is None:
        return number(None, 0)
    return Cell(f"{width} × {height}", width * height)


def change(before: float | None, after: float | None, digits: int, unit: str = "") -> Change | None:
    """Two scores, the second better or worse; None where one of them is not there."""
    if before is None or after is None:
        return None
    first, second = number(before, digits).text, number(after, digits).text
    mood = "same" if first == second else "better" if after > before else "worse"
    return Change(first, second, unit, mood)
