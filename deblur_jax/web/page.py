"""A page that shows what a model did: every picture under a before/after slider, with its scores.

One HTML file without any address of its own but those of the pictures beside it, so that it can be
opened from a disk, copied with its folder, or served as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from deblur_jax.atomic import write_text

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Shown:
    """The files of one picture, as paths relative to the page.

    Attributes:
      name: as in the results' `per_image`.
      blurred, restored: the two sides of the slider.
      sharp: the twin, None where there is none.
      compare: all of them in one picture.
    """

    name: str
    blurred: str
    restored: str
    sharp: str | None
    compare: str


def build_page(
    results: dict[str, Any], pictures: Sequence[Shown], *, title: str, intro: str
) -> str:
    """The page as a string.

    Args:
      results: a `results.json` document; a picture's entry there is found by its name.
      pictures: what to show, in this order.
      title, intro: plain text.

    Returns:
      HTML in which every text and address is escaped.

    Raises:
      KeyError: a picture that the results do not know.
    """
    entries = {entry["name"]: entry for entry in results["per_image"]}
    template = resources.files("deblur_jax.web").joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=escape(title),
        intro=escape(intro),
        facts=_facts(results),
        choice=_CHOICE if any(shown.sharp for shown in pictures) else "",
        figures="\n".join(_figure(shown, entries[shown.name]) for shown in pictures),
        footer=escape(
            "PSNR and SSIM compare 8-bit RGB with the sharp photograph, before and after; a "
            "picture without a sharp twin has no score and counts in no mean. SSIM: 11×11 "
            "Gaussian window, each channel on its own. Seconds: one restoration, compilation "
            f"apart. Weights {results['weights']['name']}, sha256 {results['weights']['sha256']}."
        ),
    )


def write_page(
    path: str | Path,
    results: dict[str, Any],
    pictures: Sequence[Shown],
    *,
    title: str,
    intro: str,
) -> None:
    """Writes the page; UserError naming the path if it cannot be written."""
    write_text(path, build_page(results, pictures, title=title, intro=intro))


_CHOICE = """<fieldset class="against"><legend>Left of the line</legend>
<label><input type="radio" name="against" value="blurred" checked> blurred</label>
<label><input type="radio" name="against" value="sharp"> sharp</label>
</fieldset>"""

# The two arrow heads on the slider's handle.
_ARROWS = (
    '<svg width="16" height="10" viewBox="0 0 16 10" fill="none" stroke="currentColor" '
    'stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">'
    '<path d="M5 1 1 5l4 4M11 1l4 4-4 4"/></svg>'
)


def _facts(results: dict[str, Any]) -> str:
    """The head's figures: mean scores, time, weights, device. Values are escaped here."""
    blurred, restored = results["blurred"], results["restored"]
    seconds = results["seconds_per_image"]["median"]
    count = results["count"]
    facts = [
        (f"Mean PSNR of {count}", _change(blurred["psnr"], restored["psnr"], 2, " dB")),
        (f"Mean SSIM of {count}", _change(blurred["ssim"], restored["ssim"], 4)),
        ("Median time", f"<b>{seconds:.2f}</b> s <small>a picture</small>"),
        ("Weights", f"<b>{escape(results['weights']['name'])}</b>"),
        ("Device", escape(results["device"])),
    ]
    return "\n".join(f"<div><dt>{term}</dt><dd>{value}</dd></div>" for term, value in facts)


def _figure(shown: Shown, entry: dict[str, Any]) -> str:
    name = escape(shown.name)
    blurred, restored, compare = map(_address, (shown.blurred, shown.restored, shown.compare))
    size = f'width="{int(entry["width"])}" height="{int(entry["height"])}"'
    sharp = "" if shown.sharp is None else f' data-sharp="{_address(shown.sharp)}"'
    ratio = f"aspect-ratio: {int(entry['width'])} / {int(entry['height'])}"
    return f"""<figure>
<div class="compare" style="{ratio}" data-blurred="{blurred}"{sharp}>
<img src="{restored}" {size} alt="{name}, restored">
<img class="left" src="{blurred}" {size} alt="{name}, the picture to the left of the line">
<span class="tag l">blurred</span><span class="tag r">restored</span>
<span class="handle">{_ARROWS}</span>
<input type="range" min="0" max="100" step="1" value="50" aria-label="{name}: place of the line">
</div>
<figcaption><h2>{name}</h2><a href="{compare}">side by side</a>
{_scores(entry)}</figcaption>
</figure>"""


def _scores(entry: dict[str, Any]) -> str:
    blurred, restored = entry["blurred"], entry["restored"]
    seconds = f"<span><b>{entry['seconds']:.2f}</b> s</span>"
    if all(value is None for value in (*blurred.values(), *restored.values())):
        return f'<p class="scores"><span>no sharp twin, so no score</span>{seconds}</p>'
    psnr = _change(_psnr(blurred), _psnr(restored), 2, " dB")
    ssim = _change(blurred["ssim"], restored["ssim"], 4)
    return f'<p class="scores"><span>PSNR {psnr}</span><span>SSIM {ssim}</span>{seconds}</p>'


def _psnr(scores: Scores) -> float | None:
    """A scored picture's PSNR, infinite where the results hold null beside another score."""
    if scores["psnr"] is None and any(value is not None for value in scores.values()):
        return float("inf")
    return scores["psnr"]


def _change(before: float | None, after: float | None, digits: int, unit: str = "") -> str:
    """`23.22 → 25.10 dB`, the second in the colour of better or worse."""
    if before is None or after is None:
        return "–"
    first, second = (
        "∞" if value == float("inf") else f"{value:.{digits}f}" for value in (before, after)
    )
    # Two figures that look equal must not be coloured as different.
    kind = "same" if first == second else "better" if after > before else "worse"
    return f'{first} → <b class="{kind}">{second}</b>{unit}'


def _address(path: str) -> str:
    """A relative path as an attribute's value."""
    return escape(quote(path), quote=True)
