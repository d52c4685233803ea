"""A generator with its weights, ready for pictures of any size."""

import logging
import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from deblur_jax import fast, models
from deblur_jax.compiler import jit
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import Picture, convert_depth
from deblur_jax.restore import tiling
from deblur_jax.restore.treatment import AS_IT_IS, Treatment
from deblur_jax.weights.registry import Weights

Array = NDArray[Any]
Watch = Callable[[float], None]
PRECISIONS = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
log = logging.getLogger(__name__)


class Restorer:
    """Restores blurred pictures with one set of weights.

    A picture is padded by reflection, below and to the right, to the size that the network can
    take, restored and cut back. One program is compiled for each padded size and kept.

    Attributes:
      weights: name, hash, configuration and parameters.
      precision: of the convolutions.
      dropout: the seed of dropout's masks, None where dropout is off.
      device: what restores, None for JAX's default.
      compilations: how many sizes have been compiled so far.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        precision: str = "float32",
        tile: str | int = "auto",
        dropout: int | None = None,
        device: jax.Device | None = None,
    ) -> None:
        """Takes the weights to the device.

        Args:
          weights: from `weights.registry.load`.
          precision: of the convolutions, 'float32' or 'bfloat16'; norms and output stay float32.
          tile: 'auto', 'none', or the side of tiles in pixels; see `tiling.choose_side`.
          dropout: a seed leaves dropout on, as the authors of DeblurGAN do at test; masks then
            depend on it and on the picture's pixels alone. None, the default, leaves it off.
          device: one of `jax.local_devices()`; None, the default, takes JAX's default device.

        Raises:
          UsageError: a precision or a tile that does not exist, or dropout that the network lacks.
        """
        if precision not in PRECISIONS:
            raise UsageError(f"precision is {precision!r}; it can be {', '.join(PRECISIONS)}")
        if dropout is not None and not weights.config.dropout:
            raise UsageError(f"the weights {weights.name} were trained without dropout")
        self.weights = weights
        self.dropout = dropout
        self.device = device
        self.precision = precision
        self.tile = tiling.parse_tile(tile)
        self.compilations = 0
        self._exact = tiling.is_exact(weights.config, weights.batch_stats)
        params, self._forward = self._network()
        self._params = jax.device_put(params, device)
        self._program = jit(self._one)

    def __call__(self, image: Array) -> Array:
        """Restores uint8[H, W, 3] to uint8[H, W, 3], or uint16 to uint16, rounded to the nearest.

        Raises:
          UsageError: another type or shape.
          UserError: not enough memory, or weights that give values that are not finite.
        """
        image = np.asarray(image)
        if image.dtype not in (np.uint8, np.uint16):
            raise UsageError(f"a picture is uint8[H, W, 3] (or uint16), not {image.dtype}")
        return convert_depth(self.restore_unit(convert_depth(image, "float32")), image.dtype.name)

    def with_floats(self, image: Array) -> tuple[Array, NDArray[np.float32]]:
        """Restores uint8[H, W, 3] in one run of the network to the picture and what it was made of.

        Returns:
          uint8[H, W, 3] as calling gives it, and the network's own output for it, float32[H, W, 3]:
          -1 is black and 1 is white, not rounded. Every output mode keeps to that range.

        Raises as calling does.
        """
        image = np.asarray(image)
        if image.dtype != np.uint8:
            raise UsageError(f"a picture is uint8[H, W, 3], not {image.dtype}")
        output = self._output(convert_depth(image, "float32"))
        return convert_depth(_to_unit(output), "uint8"), output

    def restore_unit(self, image: Array) -> NDArray[np.float32]:
        """Restores float32[H, W, 3] in [0, 1]; the same comes back. Raises as calling does."""
        return _to_unit(self._output(np.asarray(image, np.float32)))

    def _output(
        self, image: NDArray[np.float32], watch: Watch | None = None
    ) -> NDArray[np.float32]:
        """What the network makes of float32[H, W, 3] in [0, 1]: the same shape around [-1, 1]."""
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise UsageError(f"a picture has the shape [H, W, 3], not {list(image.shape)}")
        height, width = image.shape[:2]
        padded = pad_to_fit(2 * image - 1, self.weights.config)
        side = self._side(*padded.shape[:2])
        if side is None:
            restored = self._restore(padded)
        else:
            restored = tiling.restore_in_tiles(
                padded,
                side,
                tiling.receptive_radius(self.weights.config),
                models.size_multiple(self.weights.config),
                self._restore,
                watch,
            )
        if not np.isfinite(restored).all():
            raise UserError(f"the weights {self.weights.name} gave values that are not finite")
        return restored[:height, :width]

    def restore_picture(
        self, picture: Picture, treatment: Treatment = AS_IT_IS, *, watch: Watch | None = None
    ) -> Picture:
        """Restores a picture's colours at its own depth; what else it has stays as it was.

        A float picture is taken as 0..1; one that is brighter anywhere is scaled to its brightest
        value and back, and what is below 0 becomes 0.

        Args:
          picture: uint8, uint16 or float32.
          treatment: how much of the restoration is taken.
          watch: told the share that is done, 0 to 1, between tiles; what it raises ends the work.
        """
        floats = picture.rgb.dtype == np.float32
        peak = np.float32(max(1.0, picture.rgb.max()) if floats else 1.0)
        unit = (picture.rgb / peak).clip(0, 1) if floats else convert_depth(picture.rgb, "float32")
        restored = treatment.apply(unit, _to_unit(self._output(unit, watch)))
        return picture.with_rgb(
            restored * peak if floats else convert_depth(restored, picture.rgb.dtype.name)
        )

    def _network(self) -> tuple[Any, Callable[..., jax.Array]]:
        """Parameters and a function of them, of pictures [B, H, W, 3] and of a number."""
        weights, dtype = self.weights, PRECISIONS[self.precision]
        stats = weights.batch_stats or None
        if self.dropout is None:
            platform = None if self.device is None else self.device.platform
            prepared, forward = fast.choose_forward(
                weights.params, weights.config, batch_stats=stats, dtype=dtype, platform=platform
            )
            return prepared, lambda params, x, _number: forward(params, x)

        def with_dropout(params: Any, x: jax.Array, number: jax.Array) -> jax.Array:
            keys, (own, averages) = self._keys(number), params
            return models.apply_generator(
                own, x, weights.config, keys=keys, batch_stats=averages, dtype=dtype
            )

        return (weights.params, stats), with_dropout

    def _one(self, params: Any, image: jax.Array, number: jax.Array) -> jax.Array:
        self.compilations += 1  # runs only while JAX traces a new size
        return self._forward(params, image[None], number)[0]

    def _keys(self, number: jax.Array) -> jax.Array:
        return jax.random.fold_in(jax.random.key(self.dropout or 0), number)[None]

    def _restore(self, image: Array) -> NDArray[np.float32]:
        try:
            number = np.uint32(0 if self.dropout is None else zlib.crc32(image.tobytes()))
            return np.asarray(self._program(self._params, image, number))
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
                raise UserError(
                    f"not enough memory for {image.shape[1]}x{image.shape[0]} pixels at once; "
                    "smaller tiles need less"
                ) from error
            raise

    def _side(self, height: int, width: int) -> int | None:
        config = self.weights.config
        device = self.device or jax.devices()[0]
        memory = tiling.free_memory() if device.platform == "cpu" else _memory_of(device)
        side = tiling.choose_side(
            height, width, self.tile, config, exact=self._exact, memory=memory
        )
        if side is not None and not self._exact:
            log.warning(
                "%dx%d pixels are restored in tiles of %d: %s norm takes its statistics from each "
                "tile, so the result differs from that of the whole picture",
                width, height, side, config.norm,
            )  # fmt: skip
        return side


def on_every_device(
    weights: Weights, *, precision: str = "float32", dropout: int | None = None
) -> list[Restorer]:
    """A restorer for each of this process's accelerators, or one where there are only CPUs.

    Virtual CPU devices share the same cores: more of them would be no faster. Raises as `Restorer`.
    """
    devices = jax.local_devices()
    some: list[jax.Device | None] = [*devices] if devices[0].platform != "cpu" else [None]
    return [Restorer(weights, precision=precision, dropout=dropout, device=each) for each in some]


def pad_to_fit(image: Array, config: models.GeneratorConfig) -> NDArray[np.float32]:
    """Pads [H, W, 3] below and to the right to a size that the network takes.

    The border is reflected without repeating it, to and fro where the picture is smaller than the
    padding; a single row or column is repeated.
    """
    multiple, least = models.size_multiple(config), models.minimum_size(config)
    pads = [
        (0, -(-max(length, least) // multiple) * multiple - length) for length in image.shape[:2]
    ]
    return np.pad(image, [*pads, (0, 0)], mode="reflect") if any(p for _, p in pads) else image


def _to_unit(output: NDArray[np.float32]) -> NDArray[np.float32]:
    return ((output + 1) / 2).clip(0, 1)


def _memory_of(device: jax.Device) -> int:
    """Bytes that JAX may take on an accelerator."""
    stats = device.memory_stats() or {}
    return int(stats.get("bytes_limit", tiling.UNKNOWN_MEMORY))
