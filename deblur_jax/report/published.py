"""Figures that others published, with what each is a figure of; see `published.json`.

They stand beside measured ones only where both are of the same pictures at the same resolution;
otherwise the row says what differs. What is known from memory or at third hand is not among them.
"""

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

_SSIM_WORDS = {
    "ssim": "per channel",
    "ssim_matlab3d": "MATLAB's in three dimensions",
    "cw_ssim_1d": "pyssim's one-dimensional CW-SSIM",
    "ms_ssim": "multi-scale",
}


@dataclass(frozen=True)
class Published:
    """One published result.

    Attributes:
      model: as its authors call it.
      dataset: `gopro` or `kohler`.
      pictures: how many, None where the source does not say.
      protocol, filter, subset: as in `results.json`, None where the source does not say.
      psnr: in dB.
      ssim: of the kind that `ssim_kind` names, a score's key in `results.json`.
      seconds, hardware: time of one picture, and whose.
      source, remark: where it stands, and what to know.
    """

    model: str
    dataset: str
    pictures: int | None
    protocol: str | None
    psnr: float
    source: str
    subset: str | None = None
    filter: str | None = None
    ssim: float | None = None
    ssim_kind: str | None = None
    seconds: float | None = None
    hardware: str = ""
    remark: str = ""

    @property
    def ssim_words(self) -> str:
        """Which SSIM it is."""
        if self.ssim is None:
            return ""
        return _SSIM_WORDS[self.ssim_kind] if self.ssim_kind else "not stated which"


@functools.cache
def published(dataset: str) -> tuple[Published, ...]:
    """All figures of a data set, in the file's order."""
    path = resources.files("deblur_jax.report").joinpath("published.json")
    figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return tuple(Published(**each) for each in figures if each["dataset"] == dataset)


def differences(figure: Published, document: dict[str, Any]) -> list[str]:
    """What keeps a published figure from standing beside a measured one; [] where nothing does.

    Args:
      figure: the published one.
      document: a `results.json`.
    """
    found = []
    ours = f"the {document['count']} of {document['dataset']}"
    if figure.pictures is None:
        found.append("number of pictures not stated")
    elif (document["dataset"], document["count"]) != (figure.dataset, figure.pictures):
        found.append(f"{figure.pictures} pictures of {figure.dataset}, not {ours}")
    compared = [("resolution", figure.protocol, document["protocol"])]
    if figure.dataset != "kohler":
        compared.append(("blur", figure.subset, document.get("subset")))
    for words, their, our in compared:
        if their is None:
            found.append(f"{words} not stated")
        elif their != our:
            found.append(f"{words} {their}, not {our or 'stated here'}")
    if figure.protocol == document["protocol"] and (figure.filter or "bicubic") != (
        document.get("filter") or "bicubic"
    ):
        ours = document.get("filter") or "bicubic"
        found.append(f"filter {figure.filter or 'bicubic'}, not {ours}")
    return found
