"""The restorer, loaded in the background by the thread that uses it."""

from collections.abc import Callable
from typing import Any

from deblur_jax.web.serve.line import Job
from deblur_jax.web.serve.work import Restores


class Model:
    """A restorer that is there after `load`, and what is told of it.

    Attributes:
      state: 'loading', 'ready' or 'failed'.
      error: what loading raised.
    """

    def __init__(self, load: Callable[[], Restores]) -> None:
        self._load = load
        self._restorer: Restores | None = None
        self._device: str | None = None
        self.state = "loading"
        self.error: Exception | None = None

    def load(self, _job: Job) -> None:
        """Work for a line, before any other."""
        try:
            from deblur_jax.evaluation.device import device_name  # starts JAX

            self._restorer = self._load()
            self._device = device_name()
            self.state = "ready"
        except Exception as error:
            self.error, self.state = error, "failed"

    def restorer(self) -> Restores:
        """What `load` has loaded."""
        if self._restorer is None:
            raise RuntimeError("no weights are loaded")
        return self._restorer

    def told(self) -> dict[str, Any]:
        """Its part of `/healthz`."""
        weights = getattr(self._restorer, "weights", None)
        return {
            "state": self.state,
            "name": getattr(weights, "name", None),
            "sha256": getattr(weights, "sha256", None),
            "device": self._device,
            "programs": "compiled when the first picture of a size comes",
        }
