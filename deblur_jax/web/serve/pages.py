"""The page, its files, and the API's description as a page: all from this package."""

from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from deblur_jax.images import IMAGE_SUFFIXES, formats
from deblur_jax.restore.sharpness import SHARP
from deblur_jax.web.page import render
from deblur_jax.web.serve import kinds
from deblur_jax.web.serve.limits import Limits
from deblur_jax.web.serve.openapi import describe
from deblur_jax.web.serve.problem import Problem

MOST_PICTURES = 40  # on the page at once: each is kept by the browser, twice
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FRESH = {"Cache-Control": "no-cache"}


def routes(limits: Limits, *, loopback: bool) -> list[Route]:
    """The routes of everything that a browser shows; built once, served from memory."""
    files = static_files()
    document = describe(limits)
    page = render(
        "serve.html",
        limits=limits,
        most_pictures=MOST_PICTURES,
        sharp=SHARP,
        formats=formats.words(),
        accept=",".join(sorted({*IMAGE_SUFFIXES, *kinds.MEDIA_TYPES.values()})),
        loopback=loopback,
    )

    async def show_page(_request: Request) -> HTMLResponse:
        return HTMLResponse(page, headers=FRESH)

    async def show_reference(request: Request) -> HTMLResponse:
        origin = f"{request.url.scheme}://{request.url.netloc}"  # of the examples; escaped
        reference = render(
            "serve_api.html", document=document, origin=origin, value=_value, contents=_contents
        )
        return HTMLResponse(reference, headers=FRESH)

    async def show_document(_request: Request) -> JSONResponse:
        return JSONResponse(document, headers=FRESH)

    async def show_file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            raise Problem(404, "there is no such file")
        suffix = name[name.rindex(".") :]
        return Response(files[name], media_type=MEDIA_TYPES[suffix], headers=FRESH)

    return [
        Route("/", show_page),
        Route("/api", show_reference),
        Route("/api/openapi.json", show_document),
        Route("/static/{name}", show_file),
    ]


def _value(schema: dict[str, Any]) -> str:
    """What a parameter can be, in words."""
    if "enum" in schema:
        return ", ".join(schema["enum"])
    kind = str(schema["type"])
    if "minimum" in schema:
        kind += f", {schema['minimum']} to {schema['maximum']}"
    return kind + (f", default {str(schema['default']).lower()}" if "default" in schema else "")


def _contents(response: dict[str, Any]) -> str:
    """What an answer holds, in words: its formats or fields, and its headers."""
    contents = response["content"]
    schema = contents.get("application/json", {}).get("schema", {})
    parts = list(schema.get("properties", contents))
    return ", ".join([*parts, *response.get("headers", {})])


def static_files() -> dict[str, bytes]:
    """The files that the pages need, by their names; nothing else can be asked for."""
    folder = resources.files("deblur_jax.web").joinpath("templates")
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name == "page.css"
        or (file.name.startswith("serve") and file.name.endswith(tuple(MEDIA_TYPES)))
    }
