"""A model and its clock: pictures restored, compilation apart, and checked before they are scored.

A plain function from picture to picture will do as a model; `restore.restorer.Restorer` also gives
the floats that its picture was rounded from.
"""

import time
from pathlib import Path
from typing import NamedTuple, Protocol

import jax
import numpy as np

from deblur_jax.errors import UserError

MOST_SHAPES = 32  # whose programs are kept; those of one size take some 20 MB


class NamedWeights(Protocol):
    """What the results say of the weights."""

    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...


class Restores(Protocol):
    """uint8[H, W, 3] -> uint8[H, W, 3], with the weights' name: `restore.restorer.Restorer`."""

    @property
    def weights(self) -> NamedWeights: ...
    def __call__(self, image: np.ndarray, /) -> np.ndarray: ...


class Restored(NamedTuple):
    """One picture's restoration.

    Attributes:
      picture: uint8[H, W, 3].
      floats: float32[H, W, 3] that the picture was rounded from, -1 black and 1 white; None of a
        model that gives none.
      seconds: of a call that compiled nothing.
    """

    picture: np.ndarray
    floats: np.ndarray | None
    seconds: float


class TimedRestorer:
    """Restores pictures and times the calls, compilation apart.

    A size that has not been seen is restored twice, since its first call may compile; only the
    second is the picture's time. `first_seconds` is the very first call of all.
    """

    def __init__(self, restorer: Restores) -> None:
        self.restorer = restorer
        self.first_seconds: float | None = None
        self._shapes: set[tuple[int, ...]] = set()

    def __call__(self, blurred: np.ndarray, source: Path | str) -> tuple[np.ndarray, float]:
        """The restored uint8[H, W, 3] and the seconds; raises as `restore` does."""
        restored = self.restore(blurred, source)
        return restored.picture, restored.seconds

    def restore(self, blurred: np.ndarray, source: Path | str) -> Restored:
        """Restores uint8[H, W, 3]; the floats come from the same run of the network.

        Raises:
          UserError: the model fails, or its output is no picture of the input's size, or is not
            finite; the picture is named.
        """
        try:
            restored = self._warm(blurred)
        except UserError as error:
            raise UserError(f"{source}: {error}") from error
        _check(restored.picture, blurred, source, self.restorer.weights.name)
        return restored

    def _warm(self, blurred: np.ndarray) -> Restored:
        if blurred.shape not in self._shapes:
            if len(self._shapes) >= MOST_SHAPES:
                # Programs of every size, the measures' too, are never let go by themselves.
                jax.clear_caches()
                self._shapes.clear()
            seconds = self._timed(blurred).seconds
            self._shapes.add(blurred.shape)
            if self.first_seconds is None:
                self.first_seconds = seconds
        return self._timed(blurred)

    def _timed(self, blurred: np.ndarray) -> Restored:
        with_floats = getattr(self.restorer, "with_floats", None)
        floats: np.ndarray | None = None
        start = time.perf_counter()
        if with_floats is None:
            picture = self.restorer(blurred)
        else:
            picture, floats = with_floats(blurred)
        return Restored(picture, floats, time.perf_counter() - start)


def _check(restored: np.ndarray, blurred: np.ndarray, source: Path | str, weights: str) -> None:
    """A float picture would score as if it were 8-bit, and a NaN in it as black."""
    if np.issubdtype(restored.dtype, np.floating) and not np.isfinite(restored).all():
        raise UserError(f"{source}: the weights {weights} gave values that are not finite")
    if restored.dtype != np.uint8 or restored.shape != blurred.shape:
        raise UserError(
            f"{source}: the weights {weights} gave {restored.dtype}{list(restored.shape)} "
            f"for uint8{list(blurred.shape)}"
        )
