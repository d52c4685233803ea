"""Pages as one HTML file each: style and script inside, nothing from the network."""

import base64
import functools
import io
from collections.abc import Iterable
from importlib import resources
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from deblur_jax.web.elements import Change

# Of WebP: 40 dB and more on GoPro's sharp frames in 120 KB, for which JPEG takes 200.
QUALITY = 90
MOST_PIXELS = 1280  # the longer side of an embedded picture; a report of many must stay a file


def render(template: str, **values: Any) -> str:
    """A page from `templates/`, every text in it escaped."""
    return _environment().get_template(template).render(**values)


def address(path: str) -> str:
    """A relative path as an address; the template escapes it further."""
    return quote(path)


def embedded(picture: np.ndarray, *, exact: bool = False, longest: int = MOST_PIXELS) -> str:
    """A picture as a `data:` address.

    Args:
      picture: uint8[H, W, 3].
      exact: every pixel as it is; otherwise compressed as `QUALITY` says, and shrunk where its
        longer side exceeds `longest` pixels.
    """
    image = Image.fromarray(picture)
    if not exact:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", lossless=exact, quality=QUALITY, method=4)
    return data_address(stream.getvalue(), "image/webp")


def data_address(contents: bytes, media_type: str) -> str:
    """A file's contents as a `data:` address."""
    return f"data:{media_type};base64,{base64.b64encode(contents).decode()}"


def lines(parts: Iterable[tuple[str, Change | str | None]]) -> list[str]:
    """`PSNR 23.22 → <b>25.10</b> dB` for each (name, change); what is None says so."""
    return [_line(name, value) for name, value in parts]


def _line(name: str, value: Change | str | None) -> str:
    if isinstance(value, Change):
        return Markup('{} {} → <b class="{}">{}</b>{}').format(
            name, value.before, value.mood, value.after, value.unit
        )
    return f"{name} –" if value is None else f"{name} {value}".strip()


def in_one_line(name: str, parts: Iterable[str]) -> str:
    """`NAME: PSNR 23.22 → <b>25.10</b> dB, SSIM ...`, of what `lines` gave."""
    return Markup("{}: {}").format(name, Markup(", ").join(parts))


@functools.cache
def _environment() -> jinja2.Environment:
    folder = resources.files("deblur_jax.web").joinpath("templates")

    def source(name: str) -> str | None:
        path = folder.joinpath(name)
        return path.read_text(encoding="utf-8") if path.is_file() else None

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=True,  # page.css and page.js are the project's own and are included as they are
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
