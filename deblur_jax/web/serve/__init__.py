"""The page that restores pictures in a browser, and its small API, from this machine's memory."""

from deblur_jax.web.serve.limits import Limits
from deblur_jax.web.serve.run import run

__all__ = ["Limits", "run"]
