"""A generator with its weights, ready for pictures of any size."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from deblur_jax import models
from deblur_jax.errors import UsageError
from deblur_jax.images import Picture, convert_depth
from deblur_jax.restore import layered, memory, tiling
from deblur_jax.restore import self_ensemble as ensemble
from deblur_jax.restore.network import Network, refuse_infinite
from deblur_jax.restore.treatment import AS_IT_IS, Treatment
from deblur_jax.weights.registry import Weights

Array = NDArray[Any]
Floats = NDArray[np.float32]
Bands = Iterator[tuple[int, Floats]]  # the first row of each, and float32[n, W, 3]
Watch = Callable[[float], None]
MOST_TOGETHER = 8  # pictures in one run of the network; more are no faster
log = logging.getLogger(__name__)


class Restorer:
    """Restores blurred pictures with one set of weights.

    A picture is padded by reflection, below and to the right, to the size that the network can
    take, restored and cut back. It is laid into an array of one of few shapes (see `shapes`), for
    each of which a program is compiled once and kept; the result does not depend on the array. What
    does not fit into memory is restored in tiles or, by a network with instance norm, layer by
    layer in strips (always in float32), so that it too comes out as it would in one piece.

    Attributes:
      weights: name, hash, configuration and parameters.
      precision: of the convolutions.
      tile, max_memory: how large pictures are divided.
      dropout: the seed of dropout's masks, None where dropout is off.
      self_ensemble: how many versions of a picture are restored for their mean, 1 for itself.
      device: what restores.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        precision: str = "float32",
        tile: str | int = "auto",
        max_memory: str | int | None = None,
        dropout: int | None = None,
        self_ensemble: int = 1,
        device: jax.Device | None = None,
        reuse: bool = True,
    ) -> None:
        """Takes the weights to the device.

        Args:
          weights: from `weights.registry.load`.
          precision: of the convolutions, 'float32' or 'bfloat16'; norms and output stay float32.
          tile: 'auto', 'none', or the side of tiles in pixels; see `tiling.choose_sides`.
          max_memory: bytes (also '4G') that 'auto' may take for a picture; None is half of what is
            free, 4 GiB at most where tiles change nothing.
          dropout: a seed leaves dropout on, as the authors of DeblurGAN do at test; masks then
            depend on it and on the picture's pixels alone. None, the default, leaves it off.
          self_ensemble: how many versions of a picture, mirrored and turned, are restored for their
            mean, see `self_ensemble.py`: 1, 2, 4 or 8, which take as many times as long.
          device: one of `jax.local_devices()`; None, the default, takes JAX's default device.
          reuse: whether a new size may share a program with larger pictures, see `shapes.Frames`;
            without it each takes the time of its own size alone, once compiled.

        Raises:
          UsageError: a precision, a tile, an amount of memory or a number of versions that does
            not exist, or dropout that the network lacks.
        """
        self.tile = tiling.parse_tile(tile)
        self.max_memory = memory.parse_memory(max_memory)
        self.self_ensemble = ensemble.check(self_ensemble)
        self.network = Network(
            weights, precision=precision, dropout=dropout, device=device, reuse=reuse
        )
        self.weights, self.precision, self.dropout = weights, precision, dropout
        self.device = self.network.device
        self._layered: layered.Layered | None = None
        self._exact = tiling.is_exact(weights.config, weights.batch_stats)

    @property
    def compilations(self) -> int:
        """How many shapes have been compiled so far."""
        return self.network.compilations

    def __call__(self, image: Array) -> Array:
        """Restores uint8[H, W, 3] to uint8[H, W, 3], or uint16 to uint16, rounded to the nearest.

        Raises:
          UsageError: another type or shape.
          UserError: not enough memory, or weights that give values that are not finite.
        """
        return self.restore_picture(Picture(_whole_numbers(image))).rgb

    def batch(self, images: Sequence[Array] | Array) -> list[Array]:
        """Restores several pictures; on an accelerator those of one shape go together.

        Args:
          images: uint8[H, W, 3] or uint16 each, of any sizes; [B, H, W, 3] is a sequence of them.

        Returns:
          What calling gives for each, in their order. Raises as calling does.
        """
        pictures = [_whole_numbers(image) for image in images]
        # On a CPU one picture keeps all cores busy already; dropout's masks depend on the batch.
        alone = self.dropout is not None or self.self_ensemble > 1
        if self.device.platform == "cpu" or alone:
            return [self(image) for image in pictures]
        return self._grouped(pictures)

    def with_floats(self, image: Array) -> tuple[Array, Floats]:
        """Restores uint8[H, W, 3] once, to the picture and what it was made of.

        Returns:
          uint8[H, W, 3] as calling gives it, and the network's own output for it, float32[H, W, 3]:
          -1 is black and 1 is white, not rounded. Every output mode keeps to that range.

        Raises as calling does.
        """
        image = np.asarray(image)
        if image.dtype != np.uint8:
            raise UsageError(f"a picture is uint8[H, W, 3], not {image.dtype}")
        output = self._output(image)
        return convert_depth(_to_unit(output), "uint8"), output

    def restore_unit(self, image: Array) -> Floats:
        """Restores float32[H, W, 3] in [0, 1]; the same comes back. Raises as calling does."""
        return _to_unit(self._output(np.asarray(image, np.float32)))

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
        source = picture.rgb
        _refuse_other_shapes(source)
        floats = source.dtype == np.float32
        peak = np.float32(max(1.0, source.max()) if floats else 1.0)
        scaled = (source / peak).clip(0, 1) if floats else source
        result = np.empty_like(source)
        # Band by band, so that floats of the whole picture are never needed at once.
        for top, band in self._bands(scaled, watch):
            rows = slice(top, top + len(band))
            restored = treatment.apply(convert_depth(scaled[rows], "float32"), _to_unit(band))
            result[rows] = restored * peak if floats else convert_depth(restored, source.dtype.name)
        return picture.with_rgb(result)

    def _output(self, image: Array) -> Floats:
        """What the network makes of [H, W, 3]: float32 of the same shape in [-1, 1]."""
        _refuse_other_shapes(image)
        return np.concatenate([band for _, band in self._bands(image)])

    def _bands(self, image: Array, watch: Watch | None = None) -> Bands:
        """The same from the top down; `image` is uint8, uint16 or float32 in [0, 1]."""
        if self.self_ensemble == 1:
            return self._bands_of_one(image, watch)
        return iter([(0, ensemble.mean(image, self.self_ensemble, self._bands_of_one, watch))])

    def _bands_of_one(self, image: Array, watch: Watch | None) -> Bands:
        """Of the picture as it stands."""
        height, width = image.shape[:2]
        padded = pad_to_fit(image, self.weights.config)
        budget = self._budget(image)
        sides = self._sides(padded, budget)
        if sides is not None and self.dropout is None and layered.can(self.weights.config):
            bands = self._in_strips(padded, budget, watch)
        else:
            bands = self._in_tiles(padded, sides, watch)
        for top, band in bands:
            if top < height:
                yield top, band[: height - top, :width]

    def _in_tiles(self, image: Array, sides: tuple[int, int] | None, watch: Watch | None) -> Bands:
        """In tiles of these sides, or as a whole."""
        config = self.weights.config
        if sides is not None and not self._exact:
            log.warning(
                "%dx%d pixels are restored in tiles of %d: %s norm takes its statistics from each "
                "tile, so the result differs from that of the whole picture",
                image.shape[1], image.shape[0], max(sides), config.norm,
            )  # fmt: skip
        down, across = sides or image.shape[:2]
        radius, multiple = tiling.receptive_radius(config), models.size_multiple(config)
        rows = tiling.split_axis(image.shape[0], down, radius, multiple)
        columns = tiling.split_axis(image.shape[1], across, radius, multiple)
        frame = self.network.frame(rows.size, columns.size)

        def restore(top: int, left: int) -> Floats:
            tile = image[top : top + rows.size, left : left + columns.size]
            return self.network([_signed(tile)], frame)[0]

        return tiling.restore_bands(rows, columns, restore, watch)

    def _in_strips(self, image: Array, budget: int, watch: Watch | None) -> Bands:
        """Layer by layer, with the statistics of the whole picture."""
        if self._layered is None:
            self._layered = layered.Layered(self.weights.params, self.weights.config, self.device)
        height, width = image.shape[:2]
        bands = self._layered.restore(
            lambda places: _signed(image[places]), height, width, budget, watch
        )
        for top, band in bands:
            refuse_infinite(band, self.weights.name)
            yield top, band

    def _grouped(self, images: list[Array]) -> list[Array]:
        """`batch` where pictures whose arrays have one shape are restored together."""
        config = self.weights.config
        found: dict[int, Array] = {}
        groups: dict[tuple[int, int], list[int]] = {}
        for place, image in enumerate(images):
            padded = pad_to_fit(image, config)
            if self._sides(padded, self._budget()) is not None:
                found[place] = self(image)
            else:
                groups.setdefault(self.network.frame(*padded.shape[:2]), []).append(place)
        for frame, places in groups.items():
            fitting = self._budget() // (memory.bytes_per_pixel(config) * frame[0] * frame[1])
            most = max(1, min(fitting, MOST_TOGETHER))
            for start in range(0, len(places), most):
                some = places[start : start + most]
                # Some of them twice rather than a program for each number of pictures.
                full = some if len(some) == 1 else (some * most)[:most]
                outputs = self.network(
                    [_signed(pad_to_fit(images[i], config)) for i in full], frame
                )
                for i, output in zip(some, outputs, strict=False):
                    own = _to_unit(output[: images[i].shape[0], : images[i].shape[1]])
                    found[i] = convert_depth(own, images[i].dtype.name)
        return [found[place] for place in range(len(images))]

    def _budget(self, image: Array | None = None) -> int:
        """Bytes for the network's work; on `image`, where others hold some of it meanwhile."""
        whole = memory.budget(self.device, self.max_memory, exact=self._exact)
        # An accelerator has its own memory, and half of what is free leaves room enough.
        beside = self.self_ensemble > 1 and self.max_memory and self.device.platform == "cpu"
        if image is None or not beside:
            return whole
        return max(whole - ensemble.bytes_beside(image), memory.LEAST)

    def _sides(self, image: Array, budget: int) -> tuple[int, int] | None:
        height, width = image.shape[:2]
        return tiling.choose_sides(height, width, self.tile, self.weights.config, budget)


def on_every_device(
    weights: Weights,
    *,
    precision: str = "float32",
    dropout: int | None = None,
    self_ensemble: int = 1,
) -> list[Restorer]:
    """A restorer for each of this process's accelerators, or one where there are only CPUs.

    Virtual CPU devices share the same cores: more of them would be no faster. They are there to be
    timed, so each size has its own program. Raises as `Restorer`.
    """
    devices = jax.local_devices()
    some: list[jax.Device | None] = [*devices] if devices[0].platform != "cpu" else [None]
    return [
        Restorer(
            weights,
            precision=precision,
            dropout=dropout,
            self_ensemble=self_ensemble,
            device=each,
            reuse=False,
        )
        for each in some
    ]


def pad_to_fit(image: Array, config: models.GeneratorConfig) -> Array:
    """Pads [H, W, 3] below and to the right to a size that the network takes.

    The border is reflected without repeating it, to and fro where the picture is smaller than the
    padding; a single row or column is repeated.
    """
    multiple, least = models.size_multiple(config), models.minimum_size(config)
    pads = [
        (0, -(-max(length, least) // multiple) * multiple - length) for length in image.shape[:2]
    ]
    return np.pad(image, [*pads, (0, 0)], mode="reflect") if any(p for _, p in pads) else image


def _whole_numbers(image: Array) -> Array:
    image = np.asarray(image)
    if image.dtype not in (np.uint8, np.uint16):
        raise UsageError(f"a picture is uint8[H, W, 3] (or uint16), not {image.dtype}")
    _refuse_other_shapes(image)
    return image


def _refuse_other_shapes(image: Array) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise UsageError(f"a picture has the shape [H, W, 3], not {list(image.shape)}")


def _signed(image: Array) -> Floats:
    """From any depth to float32 in [-1, 1], as networks take it."""
    return 2 * convert_depth(image, "float32") - 1


def _to_unit(output: Floats) -> Floats:
    return ((output + 1) / 2).clip(0, 1)
