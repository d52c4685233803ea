"""The server's application: its addresses, and what stands before all of them."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from deblur_jax.web.serve.endpoints import Api
from deblur_jax.web.serve.guard import Guard
from deblur_jax.web.serve.linger import Linger
from deblur_jax.web.serve.pages import routes
from deblur_jax.web.serve.problem import Problem, on_problem, on_status


def build_app(api: Api, *, loopback: bool) -> ASGIApp:
    """The ASGI application over `api`; `loopback` tells that only this machine can reach it."""
    app = Starlette(
        routes=[
            *routes(api.limits, loopback=loopback),
            Route("/healthz", api.health),
            Route("/api/queue", api.queue),
            Route("/api/queue/{ticket}", api.ticket),
            Route("/api/restore", _Asgi(api.restore), methods=["POST"]),
            Route("/api/preview", _Asgi(api.preview), methods=["POST"]),
        ],
        exception_handlers={Problem: on_problem, HTTPException: on_status},
    )
    app.router.redirect_slashes = False  # it would redirect to whatever host the client names
    return Linger(Guard(app, loopback=loopback))


class _Asgi:
    """Marks a method as an ASGI application: Starlette takes functions for request to response."""

    def __init__(self, call: ASGIApp) -> None:
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._call(scope, receive, send)
