"""What stands where in a plot, read off its SVG as a reader would: by the axis' own labels."""

import re
from xml.etree import ElementTree

import numpy as np

SVG = "{http://www.w3.org/2000/svg}"


class Drawn:
    """A plot's SVG, parsed."""

    def __init__(self, text: str) -> None:
        self.root = ElementTree.fromstring(text)

    def group(self, name: str) -> ElementTree.Element:
        """The group of a series, by the end of its id."""
        found = [
            g for g in self.root.iter(f"{SVG}g") if re.fullmatch(rf"p\w+-{name}", g.get("id", ""))
        ]
        assert len(found) == 1, name
        return found[0]

    def places(self, name: str) -> np.ndarray:
        """float64[n, 2]: x and y of a series' marks in the drawing's units."""
        uses = self.group(name).iter(f"{SVG}use")
        return np.array([(float(use.get("x", "")), float(use.get("y", ""))) for use in uses])

    def values(self, name: str, *, log: bool = False) -> list[float]:
        """The marks' heights in the axis' own numbers, from the labels of its ticks."""
        heights, numbers = [], []
        for tick in self.root.iter(f"{SVG}g"):
            if not re.fullmatch(r"p\w+-ytick_\d+", tick.get("id", "")):
                continue
            labels = [text.text or "" for text in tick.iter(f"{SVG}text")]
            if labels:
                use = next(tick.iter(f"{SVG}use"))
                heights.append(float(use.get("y", "")))
                number = float(labels[0].replace("−", "-"))
                numbers.append(np.log10(number) if log else number)
        slope, offset = np.polyfit(heights, numbers, 1)
        read = slope * self.places(name)[:, 1] + offset
        return [float(value) for value in (10**read if log else read)]

    def corners(self, name: str) -> np.ndarray:
        """float64[n, 2]: x and y of the corners of a line."""
        (path,) = self.group(name).iter(f"{SVG}path")
        numbers = re.findall(r"-?[\d.]+", path.get("d", ""))
        return np.array(numbers, float).reshape(-1, 2)

    def across(self, places: np.ndarray, *, log: bool = False) -> list[float]:
        """Places along x in the axis' own numbers, from the labels of its ticks."""
        at, numbers = [], []
        for tick in self.root.iter(f"{SVG}g"):
            labels = [text.text or "" for text in tick.iter(f"{SVG}text")]
            if re.fullmatch(r"p\w+-xtick_\d+", tick.get("id", "")) and labels:
                at.append(float(next(tick.iter(f"{SVG}use")).get("x", "")))
                numbers.append(np.log10(float(labels[0])) if log else float(labels[0]))
        slope, offset = np.polyfit(at, numbers, 1)
        read = slope * places + offset
        return [float(value) for value in (10**read if log else read)]

    def words(self) -> list[str]:
        return [(text.text or "").strip() for text in self.root.iter(f"{SVG}text")]
