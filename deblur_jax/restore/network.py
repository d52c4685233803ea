"""A generator compiled for few shapes of arrays, with pictures of any size laid into them."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from deblur_jax import fast, models
from deblur_jax.compiler import jit
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models.extent import Extent
from deblur_jax.models.layers import PLAIN
from deblur_jax.restore.shapes import COST, Frames
from deblur_jax.weights.registry import Weights

Array = NDArray[Any]
Floats = NDArray[np.float32]
PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


class Network:
    """Weights on a device, and a program for each shape of array that was asked for.

    Attributes:
      weights, dropout, device: as given.
      compilations: how many programs there are so far.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        precision: str = "float32",
        dropout: int | None = None,
        device: jax.Device | None = None,
        reuse: bool = True,
    ) -> None:
        """Takes the weights to the device; arguments and errors as of `Restorer`."""
        if precision not in PRECISIONS:
            raise UsageError(f"precision is {precision!r}; it can be {', '.join(PRECISIONS)}")
        if dropout is not None and not weights.config.dropout:
            raise UsageError(f"the weights {weights.name} were trained without dropout")
        self.weights = weights
        self.dropout = dropout
        self.device = device or jax.devices()[0]
        self.compilations = 0
        # A batch norm without averages is the one layer that an extent does not reach.
        self._any_frame = weights.config.norm != "batch" or bool(weights.batch_stats)
        cost = COST.get(self.device.platform, COST["other"]) if reuse else 0
        self._frames = Frames(models.size_multiple(weights.config), cost=cost)
        params, self._forward = self._formulation(PRECISIONS[precision])
        self._params = jax.device_put(params, device)
        self._program = jit(self._some, dtype=PRECISIONS[precision])

    def frame(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the array for a picture whose sides the network can take."""
        return self._frames.choose(height, width) if self._any_frame else (height, width)

    def __call__(self, images: Sequence[Floats], frame: tuple[int, int]) -> list[Floats]:
        """Restores pictures in one run of the network.

        Args:
          images: float32[H, W, 3] in [-1, 1] each, of sides that the network can take.
          frame: the array for each, from `frame`.

        Returns:
          float32[H, W, 3] in [-1, 1] each.

        Raises:
          UserError: not enough memory, or weights that give values that are not finite.
        """
        frames = np.stack([_framed(image, frame) for image in images])
        sizes = np.array([image.shape[:2] for image in images], np.int32)
        numbers = np.zeros(len(images), np.uint32)
        if self.dropout is not None:
            numbers = np.array([zlib.crc32(image.tobytes()) for image in images], np.uint32)
        try:
            outputs = np.asarray(self._program(self._params, frames, sizes, numbers))
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
                raise UserError(
                    f"not enough memory for {frames.shape[2]}x{frames.shape[1]} pixels at once; "
                    "smaller tiles need less"
                ) from error
            raise
        found = [out[:high, :wide] for out, (high, wide) in zip(outputs, sizes, strict=True)]
        for output in found:
            refuse_infinite(output, self.weights.name)
        return found

    def _some(
        self, params: Any, frames: jax.Array, sizes: jax.Array, numbers: jax.Array
    ) -> jax.Array:
        """Restores the pictures of `sizes`, int32[B, 2], at the top left of float32[B, H, W, 3]."""
        self.compilations += 1  # runs only while JAX traces a new shape
        shape = (frames.shape[1], frames.shape[2])
        extent = Extent(sizes[:, 0], sizes[:, 1], shape) if self._any_frame else None
        return self._forward(params, frames, extent, numbers)

    def _formulation(self, dtype: Any) -> tuple[Any, Callable[..., jax.Array]]:
        """Parameters and a function of them, of pictures [B, H, W, 3], an extent and numbers."""
        weights, stats = self.weights, self.weights.batch_stats or None
        if self.dropout is None:
            prepared, forward = fast.choose_forward(
                weights.params,
                weights.config,
                batch_stats=stats,
                dtype=dtype,
                platform=self.device.platform,
            )
            return prepared, lambda params, x, extent, _numbers: forward(params, x, extent)

        def with_dropout(
            params: Any, x: jax.Array, extent: Extent | None, numbers: jax.Array
        ) -> jax.Array:
            own, averages = params
            return models.apply_generator(
                own,
                x,
                weights.config,
                keys=jax.vmap(self._key)(numbers),
                batch_stats=averages,
                dtype=dtype,
                operations=extent.operations(PLAIN) if extent else PLAIN,
            )

        return (weights.params, stats), with_dropout

    def _key(self, number: jax.Array) -> jax.Array:
        return jax.random.fold_in(jax.random.key(self.dropout or 0), number)


def _framed(image: Floats, shape: tuple[int, int]) -> Floats:
    if shape == image.shape[:2]:
        return image
    frame = np.zeros((*shape, 3), np.float32)
    frame[: image.shape[0], : image.shape[1]] = image
    return frame


def refuse_infinite(output: Floats, name: str) -> None:
    """Raises UserError, with the weights' name, where a value is not finite."""
    if not np.isfinite(output).all():
        raise UserError(f"the weights {name} gave values that are not finite")
