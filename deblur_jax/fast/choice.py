"""The one place where it is decided which formulation a training step takes."""

import os
from collections.abc import Callable

import jax

from deblur_jax.fast.convolution import convolution

PLAIN_VARIABLE = "DEBLUR_JAX_PLAIN"


def choose_convolution() -> Callable[..., jax.Array] | None:
    """The function that computes convolutions in training; None for `lax.conv_general_dilated`.

    XLA:CPU is slow at some derivatives of convolutions, see `fast.convolution`; accelerators have
    libraries for all of them. `DEBLUR_JAX_PLAIN=1` in the environment leaves everything to XLA.
    """
    if os.environ.get(PLAIN_VARIABLE, "0") not in ("", "0"):
        return None
    return convolution if jax.default_backend() == "cpu" else None
