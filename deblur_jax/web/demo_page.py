"""The demo's page: every picture under a before/after slider, with its scores.

Its pictures lie beside it, so that the folder can be copied, or served as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from deblur_jax.atomic import write_text
from deblur_jax.web.elements import Change, Compared, Gallery, change
from deblur_jax.web.page import address, lines, render

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
    return render(
        "demo.html",
        title=title,
        intro=intro,
        facts=_facts(results),
        gallery=Gallery("pictures", [_compared(each, entries[each.name]) for each in pictures]),
        footer="PSNR and SSIM compare 8-bit RGB with the sharp photograph, before and after; a "
        "picture without a sharp twin has no score and counts in no mean. SSIM: 11×11 "
        "Gaussian window, each channel on its own. Seconds: one restoration, compilation "
        f"apart. Weights {results['weights']['name']}, sha256 {results['weights']['sha256']}.",
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


def _facts(results: dict[str, Any]) -> list[tuple[str, str]]:
    """The head's figures: mean scores, time, weights, device."""
    blurred, restored = results["blurred"], results["restored"]
    count = results["count"]
    return [
        (f"Mean PSNR of {count}", _fact(change(blurred["psnr"], restored["psnr"], 2, " dB"))),
        (f"Mean SSIM of {count}", _fact(change(blurred["ssim"], restored["ssim"], 4))),
        ("Median time", _seconds(results["seconds_per_image"]["median"], " s a picture")),
        ("Weights", Markup("<b>{}</b>").format(results["weights"]["name"])),
        ("Device", results["device"]),
    ]


def _compared(shown: Shown, entry: dict[str, Any]) -> Compared:
    layers = {"blurred": shown.blurred, "restored": shown.restored}
    if shown.sharp is not None:
        layers["sharp"] = shown.sharp
    return Compared(
        name=shown.name,
        width=int(entry["width"]),
        height=int(entry["height"]),
        layers={layer: address(path) for layer, path in layers.items()},
        left="blurred",
        right="restored",
        scores=_scores(entry),
        link=address(shown.compare),
    )


def _scores(entry: dict[str, Any]) -> list[str]:
    blurred, restored = entry["blurred"], entry["restored"]
    seconds = _seconds(entry["seconds"], " s")
    if all(value is None for value in (*blurred.values(), *restored.values())):
        return ["no sharp twin, so no score", seconds]
    psnr = change(_psnr(blurred), _psnr(restored), 2, " dB")
    ssim = change(blurred["ssim"], restored["ssim"], 4)
    return [*lines([("PSNR", psnr), ("SSIM", ssim)]), seconds]


def _psnr(scores: Scores) -> float | None:
    """A scored picture's PSNR, infinite where the results hold null beside another score."""
    if scores["psnr"] is None and any(value is not None for value in scores.values()):
        return float("inf")
    return scores["psnr"]


def _seconds(value: float, unit: str) -> str:
    return Markup("<b>{:.2f}</b>{}").format(value, unit)


def _fact(value: Change | None) -> str:
    return lines([("", value)])[0].strip() if value else "–"
