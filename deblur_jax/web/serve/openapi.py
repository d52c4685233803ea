"""The API's description in OpenAPI 3.1: what `/api/openapi.json` gives and `/api` shows."""

from typing import Any

from deblur_jax.images import formats
from deblur_jax.restore.sharpness import SHARP
from deblur_jax.version import __version__
from deblur_jax.web.serve.kinds import MEDIA_TYPES, written
from deblur_jax.web.serve.limits import Limits

Json = dict[str, Any]


def describe(limits: Limits) -> Json:
    """The whole document, with the limits that hold here."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "deblur_jax",
            "version": __version__,
            "description": "Restores motion-blurred photographs. A picture is sent as the body of "
            "a request and comes back as the body of its answer; it is kept in memory while it is "
            "worked on, and nowhere else. One picture is restored at a time, in the order in which "
            "they have come.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/api/restore": {"post": _restore(limits)},
            "/api/preview": {"post": _preview(limits)},
            "/api/queue": {"get": _queue()},
            "/api/queue/{ticket}": {"get": _ticket()},
            "/healthz": {"get": _health()},
        },
    }


def _restore(limits: Limits) -> Json:
    return {
        "operationId": "restore",
        "summary": "Restores a picture.",
        "description": "The connection stays open until the picture is there; to give up, close "
        "it.",
        "parameters": [
            _option(
                "strength",
                "How much of the restoration is taken: 0 none of it, 1 all of it.",
                {"type": "number", "minimum": 0, "maximum": 1, "default": 1},
            ),
            _option(
                "luminance_only",
                "Takes only the change of lightness; colours stay as they were.",
                {"type": "boolean", "default": False},
            ),
            _option(
                "format",
                "The format to answer in; left out, the picture's own.",
                {"type": "string", "enum": list(written())},
            ),
            _option(
                "quality",
                "Of a JPEG, lossy WebP or AVIF; left out, as good as the picture that was sent.",
                {"type": "integer", "minimum": 1, "maximum": 100},
            ),
            _ticket_header(),
        ],
        "requestBody": _body(limits),
        "responses": {
            "200": _picture("The restored picture.", list(written().values()), restored=True),
            **_errors(limits),
        },
        "x-example": "curl --data-binary @photo.jpg 'HOST/api/restore?strength=0.8' -o sharp.jpg",
    }


def _preview(limits: Limits) -> Json:
    return {
        "operationId": "preview",
        "summary": "Turns a picture into one that every browser shows, without restoring it.",
        "description": "At full size, as 8-bit JPEG, or PNG where it has transparency.",
        "parameters": [_ticket_header()],
        "requestBody": _body(limits),
        "responses": {"200": _picture("The same picture.", [".jpg", ".png"]), **_errors(limits)},
        "x-example": "curl --data-binary @scan.tif HOST/api/preview -o scan.jpg",
    }


def _queue() -> Json:
    return {
        "operationId": "queue",
        "summary": "How busy the server is, and what it takes.",
        "responses": {
            "200": _json(
                "Numbers of requests, and the limits.",
                {
                    "restoring": "integer",
                    "waiting": "integer",
                    "uploading": "integer",
                    "served": "integer",
                    "most_served": "integer",
                    "most_megabytes": "number",
                    "most_megapixels": "number",
                },
            )
        },
        "x-example": "curl HOST/api/queue",
    }


def _ticket() -> Json:
    place = {"name": "ticket", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "operationId": "ticket",
        "summary": "How far a request is that was sent with this X-Ticket.",
        "description": "`state` is uploading, waiting, restoring or sending, and unknown where the "
        "request has not come yet or is over; `ahead` counts those before it; `share` is how much "
        "of the upload or of the restoration is done, 0 to 1, and a guess by earlier pictures "
        "where `estimated` is true.",
        "parameters": [{**place, "description": "As it was sent."}],
        "responses": {
            "200": _json(
                "Where the request is.",
                {"state": "string", "ahead": "integer", "share": "number", "estimated": "boolean"},
            ),
        },
        "x-example": "curl HOST/api/queue/4f1c9a32-77",
    }


def _health() -> Json:
    told = {"status": "string", "version": "string", "weights": "object", "waiting": "integer"}
    return {
        "operationId": "health",
        "summary": "Whether the server is well, and with which weights.",
        "responses": {
            "200": _json("It is; `weights.state` is loading or ready.", told),
            "503": _json("The weights could not be loaded.", told),
        },
        "x-example": "curl HOST/healthz",
    }


def _option(name: str, words: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": words, "schema": schema}


def _ticket_header() -> Json:
    return {
        "name": "X-Ticket",
        "in": "header",
        "description": "A name of your choice, new for each request, by which to ask "
        "/api/queue/{ticket}.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{8,64}$"},
    }


def _body(limits: Limits) -> Json:
    return {
        "required": True,
        "description": f"The bytes of a {formats.words()} picture, up to {limits.megabytes:g} MB "
        f"and {limits.megapixels:g} megapixels. No form; Content-Type does not matter.",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }


def _picture(words: str, suffixes: list[str], *, restored: bool = False) -> Json:
    told = {
        "X-Width": ("Pixels.", "integer"),
        "X-Height": ("Pixels.", "integer"),
        "X-Seconds": ("Reading, restoring and writing took so long.", "number"),
    }
    if restored:
        told["X-Sharpness-Before"] = (f"0 to 1; from {SHARP:g} on it needs no restoring.", "number")
        told["X-Sharpness-After"] = ("The same measure of what came of it.", "number")
    return {
        "description": words,
        "headers": {
            name: {"description": text, "schema": {"type": kind}}
            for name, (text, kind) in told.items()
        },
        "content": {
            MEDIA_TYPES[suffix]: {"schema": {"type": "string", "format": "binary"}}
            for suffix in suffixes
        },
    }


def _json(words: str, fields: dict[str, str]) -> Json:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in fields.items()},
        "required": list(fields),
    }
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _error(words: str) -> Json:
    return _json(words, {"error": "string"})


def _errors(limits: Limits) -> Json:
    return {
        "400": _error("The body is empty."),
        "403": _error("A page from elsewhere sent it."),
        "408": _error(
            f"No byte came for {limits.silent_seconds:g} s, or the upload took longer than "
            f"{limits.upload_seconds:g} s."
        ),
        "409": _error("The ticket is in use."),
        "413": _error(
            f"More than {limits.megabytes:g} MB, or more than {limits.megapixels:g} megapixels."
        ),
        "415": _error("No picture, or one that cannot be read."),
        "422": _error("An option that is unknown or impossible, or a format that cannot hold it."),
        "500": _error("The server failed."),
        "503": {
            **_error(f"Busy: {limits.waiting} requests are served at once. Try again later."),
            "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
        },
    }
