"""The same arithmetic in formulations that a backend is quicker at."""

from deblur_jax.fast.choice import choose_forward, choose_operations
from deblur_jax.fast.convolution import convolution

__all__ = ["choose_forward", "choose_operations", "convolution"]
