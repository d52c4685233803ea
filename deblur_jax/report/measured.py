"""What a benchmark's file says of what it measured, in words for tables and legends."""

from deblur_jax.report.strict_json import Document
from deblur_jax.web.elements import Cell

NOT_STATED = "not stated"


def model(document: Document) -> str:
    """The weights' name, or the configuration that random weights were made for."""
    weights = document.get("weights")
    named = weights.get("name") if isinstance(weights, dict) else weights
    if named:
        return str(named)
    config = document.get("config")
    return f"{config}, random weights" if config else NOT_STATED


def config(document: Document) -> str:
    """The configuration that was trained."""
    return str(document.get("config") or NOT_STATED)


def device(document: Document) -> str:
    """As JAX names it, such as `gpu: NVIDIA H200`."""
    return str(document["device"])


def on_accelerator(document: Document) -> bool:
    """Whether the device is anything but the host's processor."""
    return not device(document).lower().startswith("cpu")


def precision(document: Document) -> str:
    """Of the convolutions."""
    return str(document.get("precision") or NOT_STATED)


def size(document: Document) -> str:
    """Width and height in pixels."""
    width, height = document.get("width"), document.get("height")
    return NOT_STATED if width is None or height is None else f"{width} × {height}"


def megapixels(document: Document) -> float:
    """Of one picture; 0 where the file does not say."""
    return (document.get("height") or 0) * (document.get("width") or 0) / 1e6


def batch(document: Document) -> float:
    """Pictures in one pass; 1 where the file does not say."""
    return document.get("batch") or 1


def date(document: Document) -> Cell:
    """The day of the measuring."""
    given = document.get("date")
    return Cell(given[:10]) if isinstance(given, str) else Cell(NOT_STATED, mood="none")
