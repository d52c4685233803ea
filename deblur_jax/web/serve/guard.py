"""Who may ask, and what every answer carries: a page elsewhere must not use this server."""

import ipaddress
import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deblur_jax.web.serve.problem import Problem, answer

log = logging.getLogger(__name__)
# No script, style or picture from elsewhere, none within the page, and nobody may frame it. What a
# script makes of text can never become HTML.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware around `app`; `loopback` tells that only this machine can reach the server.

    A name on the internet can be made to point to 127.0.0.1, and a page from there would then count
    as the server's own. So on the loopback only the loopback's names are answered to.
    """

    def __init__(self, app: ASGIApp, *, loopback: bool) -> None:
        self._app = app
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def dress(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                message = {**message, "headers": headers.raw}
            await send(message)

        try:
            self._check(scope["method"], Headers(scope=scope))
            await self._app(scope, receive, dress)
        except Problem as problem:
            await answer(problem)(scope, receive, dress)
        except Exception as error:
            log.warning("internal error, %s: %s", type(error).__name__, error)
            log.debug("where it comes from", exc_info=True)
            if not started:
                await answer(Problem(500, "internal error"))(scope, receive, dress)

    def _check(self, method: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if self._loopback and not is_loopback(_name(host)):
            raise Problem(
                421, "this server answers to localhost, 127.0.0.1 and [::1], not to this name"
            )
        if method in ("GET", "HEAD"):
            return
        origin = headers.get("origin")
        elsewhere = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if elsewhere or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Problem(403, "pages from elsewhere may not use this server")


def is_loopback(name: str) -> bool:
    """Whether a host's name or address, without brackets, is that of the loopback."""
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """The host of `host:port`; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
