"""SVG files that become part of a page; such a file could bring a script or an address along."""

import re
from pathlib import Path
from xml.etree import ElementTree

from deblur_jax.atomic import reason
from deblur_jax.errors import UserError

_ACTIVE = ("script", "foreignObject", "iframe", "image", "a", "animate", "set")

# What a style may draw in from elsewhere: anything but url(#a-part-of-the-drawing).
_ELSEWHERE = re.compile(r"@import|url\(\s*['\"]?(?!\s*['\"]?#)", re.IGNORECASE)


def drawing(path: Path) -> str:
    """The `<svg>` element of a file, as it stands there.

    Raises:
      UserError: the file cannot be read, is no SVG, or holds more than a drawing.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error
    if _local(root.tag) != "svg":
        raise UserError(f"{path}: no SVG")
    if not all(map(_only_draws, root.iter())):
        raise UserError(f"{path}: holds a script, a link or a picture, not only a drawing")
    return text[text.index("<svg") :]


def _only_draws(element: ElementTree.Element) -> bool:
    attributes = {_local(name).lower(): value for name, value in element.items()}
    if _local(element.tag) in _ACTIVE or any(name.startswith("on") for name in attributes):
        return False
    within = attributes.pop("href", "#").startswith("#")
    texts = (element.text or "", *attributes.values())
    return within and not any(map(_ELSEWHERE.search, texts))


def _local(name: object) -> str:
    """A name without its namespace; comments have no name but a function."""
    return name.rpartition("}")[2] if isinstance(name, str) else ""
