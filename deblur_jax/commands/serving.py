"""Serving the page and its API."""

import functools
from typing import Any

from deblur_jax.restore.restorer import Restorer
from deblur_jax.weights import registry


def serve(
    *,
    weights: str = "default",
    precision: str = "float32",
    tile: str | int = "auto",
    max_memory: str | int | None = None,
    dropout: int | None = None,
    self_ensemble: int = 1,
    **options: Any,
) -> None:
    """Serves until it is told to stop; `options` are those of `web.serve.run`.

    Raises:
      UsageError, UserError: as `Restorer`, `registry.load` and `web.serve.run` do.
    """
    from deblur_jax.web.serve.run import run  # brings the server's libraries

    def load() -> Restorer:
        return Restorer(
            registry.load(weights),
            precision=precision,
            tile=tile,
            max_memory=max_memory,
            dropout=dropout,
            self_ensemble=self_ensemble,
        )

    # Whoever reads a pipe wants the address now.
    run(load, say=functools.partial(print, flush=True), **options)
