"""A matplotlib figure as SVG that follows the reader's light or dark, alone or within a page.

Figures are drawn in stand-in colours, which become CSS variables in the text. Matplotlib takes half
a second to import, so it is imported when the first figure is made.
"""

import hashlib
import io
import logging
import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind can tell apart, darker on light ground and lighter
# on dark where the original would be too faint.
SERIES = (
    ("#0072b2", "#56b4e9"), ("#c65102", "#f08c4a"), ("#00805c", "#3fc79a"),
    ("#a94f82", "#e58fc0"), ("#8a6d00", "#e8c441"), ("#4d5358", "#b5bcc2"),
)  # fmt: skip
GROUND = {
    "ink": ("#26241f", "#e4e2dc"),
    "soft": ("#66635c", "#a19d94"),
    "line": ("#e2dfd8", "#35332f"),
}
# What matplotlib draws in, none of which occurs otherwise.
INK, SOFT, LINE = "#010203", "#010204", "#010205"
MARKERS = ("o", "s", "^", "D", "v", "P")  # so that colour is not all that tells series apart
_FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif"


def series_colour(index: int) -> str:
    """The stand-in of a series' colour; they repeat after `len(SERIES)`."""
    return f"#0203{index % len(SERIES):02x}"


def marker(index: int) -> str:
    """The mark of a series' points."""
    return MARKERS[index % len(MARKERS)]


def figure(width: float = 5.6, height: float = 3.6) -> "tuple[Figure, Axes]":
    """A figure with one pair of axes in the house's style; sizes in inches of 72 units."""
    # Without a place for its cache, or while it fills it, matplotlib would speak to the user.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), layout="constrained")
    axes = drawing.subplots()
    drawing.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(SOFT)
    axes.tick_params(which="both", colors=SOFT, labelcolor=SOFT, labelsize=10)
    axes.grid(True, color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    return drawing, axes


def to_svg(drawing: "Figure", title: str) -> str:
    """The figure's SVG: same figure, same text.

    Ids begin with a digest of the title and the drawing, so that many drawings can stand in one
    page.
    """
    import matplotlib
    from matplotlib.text import Text

    for text in drawing.findobj(Text):
        text.set_parse_math(False)  # a name with two dollar signs is no formula
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        drawing.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    whole = stream.getvalue()
    body = whole[whole.index("<svg") :]
    head, body = body[: body.index(">") + 1], body[body.index(">") + 1 :]
    view = re.search(r'viewBox="([^"]+)"', head)
    assert view is not None
    prefix = "p" + hashlib.sha256((title + body).encode()).hexdigest()[:8]
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'((?:xlink:)?href="|url\()#', rf"\1#{prefix}-", body)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"'DejaVu Sans'[^;\"]*", _FONT, body)
    for colour, name in _names().items():
        body = body.replace(colour, f"var(--plot-{name})")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{view[1]}" class="plot" role="img" aria-label="{escape(title, quote=True)}">\n'
        f"<title>{escape(title)}</title>\n<style>{_style()}</style>{body}"
    )


def _names() -> dict[str, str]:
    """Stand-in colour -> name of its CSS variable."""
    ground = {INK: "ink", SOFT: "soft", LINE: "line"}
    return ground | {series_colour(index): f"series-{index}" for index in range(len(SERIES))}


def _style() -> str:
    pairs = {**GROUND, **{f"series-{index}": pair for index, pair in enumerate(SERIES)}}
    light, dark = (
        " ".join(f"--plot-{name}: {pair[side]};" for name, pair in pairs.items()) for side in (0, 1)
    )
    return (
        f".plot {{ {light} }} @media (prefers-color-scheme: dark) {{ .plot {{ {dark} }} "
        "svg.plot:root { background: #1d1c1b; } }"
    )
