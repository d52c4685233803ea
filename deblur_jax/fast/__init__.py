"""The same arithmetic in formulations that a backend is quicker at."""

from deblur_jax.fast.choice import choose_convolution, choose_forward
from deblur_jax.fast.convolution import convolution

__all__ = ["choose_convolution", "choose_forward", "convolution"]
