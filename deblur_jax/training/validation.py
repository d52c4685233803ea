"""PSNR on held-out pairs while a run goes on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax import compiler
from deblur_jax.models import GeneratorConfig, apply_generator, size_multiple


class Validation:
    """Scores a generator on pairs that are kept in memory."""

    def __init__(
        self, pairs: list[tuple[np.ndarray, np.ndarray]], config: GeneratorConfig, dtype: Any
    ) -> None:
        """Cuts each pair to the multiple that the network takes.

        Args:
          pairs: (blurred, sharp), each uint8[H, W, 3].
          config: the generator's shape.
          dtype: of its convolutions.
        """
        multiple = size_multiple(config)
        self._pairs = [
            tuple(
                p[: p.shape[0] // multiple * multiple, : p.shape[1] // multiple * multiple]
                for p in pair
            )
            for pair in pairs
        ]

        def error(params: Any, stats: Any, blurred: jax.Array, sharp: jax.Array) -> jax.Array:
            x = blurred.astype(jnp.float32)[None] / 127.5 - 1
            y = apply_generator(params, x, config, batch_stats=stats, dtype=dtype)
            pixels = jnp.clip(jnp.round((y[0] + 1) * 127.5), 0, 255)
            return jnp.square(pixels - sharp).mean()

        self._error = compiler.jit(error)
        self._blurred = [_psnr(np.square(b.astype(float) - s).mean()) for b, s in self._pairs]

    def scores(self, params: Any, batch_stats: Any) -> dict[str, float]:
        """Mean PSNR in dB of 8-bit pictures, restored and blurred, and the worst picture's gain."""
        stats = batch_stats or None
        restored = [_psnr(float(self._error(params, stats, b, s))) for b, s in self._pairs]
        gains = np.subtract(restored, self._blurred)
        return {
            "validation/psnr": float(np.mean(restored)),
            "validation/psnr_blurred": float(np.mean(self._blurred)),
            "validation/worst_gain": float(gains.min()),
        }


def _psnr(squared_error: float) -> float:
    return float(10 * np.log10(255**2 / max(squared_error, 1e-10)))
