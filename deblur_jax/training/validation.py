"""PSNR on held-out pairs while a run goes on."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax import compiler, fast
from deblur_jax.data.store import Store
from deblur_jax.models import GeneratorConfig, apply_generator, size_multiple
from deblur_jax.training import hosts


class Validation:
    """Scores a generator on decoded pairs, of which one at a time is in use."""

    def __init__(self, pairs: Store, config: GeneratorConfig, dtype: Any) -> None:
        """Scores the blurred pictures.

        Args:
          pairs: at least one; each is cut to the multiple that the network takes.
          config: the generator's shape.
          dtype: of its convolutions.

        Raises:
          UserError: the store on disk is damaged, as `scores` does.
        """
        self._store, self._multiple = pairs, size_multiple(config)
        operations = fast.choose_operations()

        def error(params: Any, stats: Any, blurred: jax.Array, sharp: jax.Array) -> jax.Array:
            x = blurred.astype(jnp.float32)[None] / 127.5 - 1
            y = apply_generator(
                params, x, config, batch_stats=stats, dtype=dtype, operations=operations
            )
            pixels = jnp.clip(jnp.round((y[0] + 1) * 127.5), 0, 255)
            return jnp.square(pixels - sharp).mean()

        self._error = compiler.jit(error)
        self._blurred = [_psnr(np.square(b.astype(float) - s).mean()) for b, s in self._pairs()]

    def _pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        sides = self._store.boxes[2:] // self._multiple * self._multiple
        for number, (height, width) in enumerate(sides.T):
            blurred, sharp = self._store.crop(number, 0, 0, int(height), int(width))
            yield blurred, sharp

    def scores(
        self, params: Any, batch_stats: Any, halt: Callable[[], bool] = lambda: False
    ) -> dict[str, float] | None:
        """Mean PSNR in dB of 8-bit pictures, restored and blurred, and the worst picture's gain.

        Each of several processes restores a share of the pictures.

        Args:
          params, batch_stats: the generator's.
          halt: asked before each picture; once it says yes, nothing more is restored, and the
            result is None. Among several processes it is not asked.
        """
        stats = batch_stats or None
        process, processes = jax.process_index(), jax.process_count()
        own = np.zeros(len(self._blurred))
        for number, (blurred, sharp) in enumerate(self._pairs()):
            if processes == 1 and halt():
                return None
            if number % processes == process:
                own[number] = _psnr(float(self._error(params, stats, blurred, sharp)))
        restored = hosts.together(own)
        gains = np.subtract(restored, self._blurred)
        return {
            "validation/psnr": float(np.mean(restored)),
            "validation/psnr_blurred": float(np.mean(self._blurred)),
            "validation/worst_gain": float(gains.min()),
        }


def _psnr(squared_error: float) -> float:
    return float(10 * np.log10(255**2 / max(squared_error, 1e-10)))
