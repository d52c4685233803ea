"""Large pictures by a network with instance norm: layer by layer, in strips of rows.

Every norm gets the statistics of the whole picture, so that nothing shows where strips meet: the
result is that of the whole picture, but for rounding. See `fast.strips` for the network's side.

Two arrays stay between the layers: what the blocks add up, and a block's inner result. They are
float32 where the memory lets them, else float16, else in a file that has no name.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from deblur_jax.atomic import reason
from deblur_jax.compiler import jit
from deblur_jax.errors import UserError
from deblur_jax.fast import resnet, strips
from deblur_jax.fast.strips import MARGIN, Rows
from deblur_jax.models import GeneratorConfig
from deblur_jax.restore.memory import bytes_per_pixel
from deblur_jax.restore.shapes import frame_side

Floats = NDArray[np.float32]
STRIP_SHARE = 0.25  # of the memory that one strip may take
MOST_ROWS = 64  # of a strip, at a quarter of the resolution; more are no faster
LARGEST_HALF = 65504.0  # of float16


def can(config: GeneratorConfig) -> bool:
    """Whether a network can be run this way."""
    return config.generator == "resnet" and config.norm == "instance"


class Plan(NamedTuple):
    """How a picture is run.

    Attributes:
      rows: of a strip, at a quarter of the resolution.
      dtype: of what stays between the layers.
      on_disk: whether that lies in a file.
    """

    rows: int
    dtype: Any
    on_disk: bool


def plan(height: int, width: int, config: GeneratorConfig, memory: int) -> Plan:
    """The quickest and most exact way that `memory` bytes suffice for."""
    row = 4 * frame_side(width, 4) * bytes_per_pixel(config)
    rows = int(STRIP_SHARE * memory / row) - 2 * MARGIN
    rows = max(1, min(rows, MOST_ROWS, height // 4))
    left = memory - row * (rows + 2 * MARGIN)
    for dtype in (np.float32, np.float16):
        if 2 * _kept(height, width, config) * np.dtype(dtype).itemsize <= left:
            return Plan(rows, dtype, False)
    return Plan(rows, np.float16, True)


def _kept(height: int, width: int, config: GeneratorConfig) -> int:
    return height // 4 * (frame_side(width, 4) // 4) * 4 * config.width


class Layered:
    """A generator for which `can`, ready for pictures of any size."""

    def __init__(self, params: Any, config: GeneratorConfig, device: jax.Device) -> None:
        """Prepares its parameters; see `fast.resnet.prepare`."""
        self._config = config
        self._prepared = jax.device_put(resnet.prepare(params, config), device)
        self._front = jit(partial(strips.front, config=config))
        self._back = jit(partial(strips.back, config=config))
        self._tail = jit(partial(strips.tail, config=config))
        self._block = jit(_convolved, static_argnames=("relu",))

    def restore(
        self,
        strip_of: Callable[[NDArray[np.intp]], Floats],
        height: int,
        width: int,
        memory: int,
        watch: Callable[[float], None] | None = None,
    ) -> Iterator[tuple[int, Floats]]:
        """Restores a picture.

        Args:
          strip_of: gives rows of it by their numbers, float32[n, width, 3] in [-1, 1].
          height, width: of the picture, multiples of 4.
          memory: bytes that it may take.
          watch: told the share that is done.

        Yields:
          The first row of a band, and the band, float32[n, width, 3] in [-1, 1].

        Raises:
          UserError: no space for what has to be kept in a file.
        """
        run = _Run(self, strip_of, height, width, plan(height, width, self._config, memory), watch)
        yield from run.bands()


def _convolved(
    kernel: Any, y: Any, z: Any, at: Rows, scale: Any, *, relu: bool
) -> tuple[jax.Array, jax.Array, strips.Moments]:
    """What a block's convolution begins with, its result and its moments."""
    y = strips.trunk(_floats(y), _floats(z), scale, relu=relu)
    return y, *strips.block(kernel, y, at)


def _floats(y: Any) -> Any:
    return None if y is None else y.astype(jnp.float32)


class _Run:
    """One picture on its way through the layers."""

    def __init__(
        self,
        network: Layered,
        strip_of: Callable[[NDArray[np.intp]], Floats],
        height: int,
        width: int,
        chosen: Plan,
        watch: Callable[[float], None] | None,
    ) -> None:
        self.network, self.config = network, network._config
        self.strip_of, self.watch, self.plan = strip_of, watch, chosen
        self.height, self.width = height, width
        self.frame = frame_side(width, 4)
        self.lines = height // 4  # rows at a quarter of the resolution
        self.tops = range(0, self.lines, chosen.rows)
        passes = 3 + self.config.blocks * self.config.block_convolutions + 3
        self.steps, self.done = passes * len(self.tops), 0

    def bands(self) -> Iterator[tuple[int, Floats]]:
        """The whole of it."""
        shape = (self.lines, self.frame // 4, 4 * self.config.width)
        with _kept_array(shape, self.plan) as y, _kept_array(shape, self.plan) as z:
            scale = self._first_layers(z)
            added = self._blocks(y, z, scale)
            yield from self._last_layers(y, z, *added)

    def _first_layers(self, z: Any) -> Any:
        """Fills z with the second strided convolution's result; returns the scale of its norm."""
        scales: list[Any] = []
        for number in range(3):
            merged = _Merged(self.config.norm_epsilon)
            for top in self.tops:
                x, at = self._window(top, MARGIN, 4)
                found, moments = self.network._front(self.network._prepared, x, at, scales)
                merged.add(moments)
                if number == 2:
                    self._put(z, top, found)
                self._told()
            scales.append(merged.scale())
        return scales[2]

    def _blocks(self, y: Any, z: Any, scale: Any) -> tuple[bool, Any, bool]:
        """Runs all blocks.

        Returns:
          Whether y holds something yet, and how z is added to it: the scale, and whether through a
          ReLU.
        """
        two = self.config.block_convolutions == 2
        begun = False  # so far z is what the first block sees, once normalised
        for number in range(self.config.blocks):
            kernels = self.network._prepared["blocks"][number]
            scale = self._pass(kernels["a"]["kernel"], y, z, scale, begun=begun, relu=not two)
            begun = True
            if two:
                scale = self._pass(kernels["b"]["kernel"], None, z, scale, begun=False, relu=True)
        return begun, scale, not two

    def _pass(self, kernel: Any, y: Any, z: Any, scale: Any, *, begun: bool, relu: bool) -> Any:
        """One convolution of the blocks: z becomes its result, and y, if given, what it began with.

        A strip also sees the row above it, which its predecessor has replaced: that is kept.
        """
        merged = _Merged(self.config.norm_epsilon)
        above: dict[str, Any] = {}
        for top in self.tops:
            places = np.arange(top - 1, top + self.plan.rows + 1).clip(0, self.lines - 1)
            windows = {"z": z[places]}
            if begun:
                windows["y"] = y[places]
            for name, rows in above.items():
                windows[name][0] = rows
            last = min(self.plan.rows, self.lines - top)  # of the own rows; the first stands at 1
            above = {name: rows[last].copy() for name, rows in windows.items()}
            own, convolved, moments = self.network._block(
                kernel,
                windows["y"][None] if begun else None,
                windows["z"][None],
                self._at(top - 1, 1),
                scale,
                relu=relu,
            )
            merged.add(moments)
            if y is not None:
                self._put(y, top, own[:, 1:-1])
            self._put(z, top, convolved)
            self._told()
        return merged.scale()

    def _last_layers(
        self, y: Any, z: Any, begun: bool, scale: Any, relu: bool
    ) -> Iterator[tuple[int, Floats]]:
        network = self.network
        scales: list[Any] = []
        for number in range(3):
            merged = _Merged(self.config.norm_epsilon)
            for top in self.tops:
                places = self._places(top, MARGIN)
                trunk = _trunk(y[places] if begun else None, z[places], scale, relu)[None]
                at = self._at(top - MARGIN, 1)
                if number < 2:
                    _, moments = network._back(network._prepared, trunk, at, scales)
                    merged.add(moments)
                    self._told()
                    continue
                x, _ = self._window(top, 0, 4)
                band = np.asarray(network._tail(network._prepared, x, trunk, at, scales))[0]
                self._told()
                yield 4 * top, band[: self.height - 4 * top, : self.width]
            if number < 2:
                scales.append(merged.scale())

    def _window(self, top: int, margin: int, factor: int) -> tuple[Floats, Rows]:
        """Rows of the picture itself around a strip, in an array as wide as the frame."""
        first = factor * (top - margin)
        count = factor * (self.plan.rows + 2 * margin)
        places = np.arange(first, first + count).clip(0, self.height - 1)
        x = np.zeros((1, count, self.frame, 3), np.float32)
        x[0, :, : self.width] = self.strip_of(places)
        return x, self._at(first, factor)

    def _places(self, top: int, margin: int) -> NDArray[np.intp]:
        return np.arange(top - margin, top + self.plan.rows + margin).clip(0, self.lines - 1)

    def _at(self, first: int, factor: int) -> Rows:
        """`first` and the picture's size at a resolution of `factor` by its quarter."""
        sides = (first, self.lines * factor, self.width // 4 * factor)
        return Rows(*(np.int32(side) for side in sides))

    def _put(self, kept: Any, top: int, rows: Any) -> None:
        values = np.asarray(rows)[0, : self.lines - top]
        if kept.dtype == np.float16:
            values = values.clip(-LARGEST_HALF, LARGEST_HALF)
        kept[top : top + len(values)] = values

    def _told(self) -> None:
        self.done += 1
        if self.watch is not None:
            self.watch(self.done / self.steps)


class _Merged:
    """Moments of all strips together, by the formula of Chan and others, in float64."""

    def __init__(self, epsilon: float) -> None:
        self._epsilon = epsilon
        self._pixels = 0
        self._mean: Any = 0.0
        self._square: Any = 0.0

    def add(self, moments: strips.Moments) -> None:
        pixels = int(moments.pixels)
        if not pixels:
            return
        total = self._pixels + pixels
        away = np.asarray(moments.mean, np.float64) - self._mean
        self._mean = self._mean + away * pixels / total
        self._square = self._square + np.asarray(moments.square, np.float64)
        self._square = self._square + away**2 * self._pixels * pixels / total
        self._pixels = total

    def scale(self) -> tuple[Floats, Floats]:
        """Scale and shift, float32[C], that normalise."""
        scale = 1 / np.sqrt(self._square / self._pixels + self._epsilon)
        return scale.astype(np.float32), (-self._mean * scale).astype(np.float32)


@partial(jax.jit, static_argnums=3)
def _trunk(y: Any, z: Any, scale: Any, relu: bool) -> jax.Array:
    return strips.trunk(_floats(y), _floats(z), scale, relu=relu)


@contextlib.contextmanager
def _kept_array(shape: tuple[int, int, int], chosen: Plan) -> Iterator[Any]:
    """An array [lines, columns, channels] in memory, or in a file that is gone afterwards."""
    if not chosen.on_disk:
        yield np.empty(shape, chosen.dtype)
        return
    size = int(np.prod(shape)) * np.dtype(chosen.dtype).itemsize
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile(prefix="deblur_jax."))
            # Claimed beforehand, as a full disk would end the process when a page is written.
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise UserError(
                f"no space for {size / 1e9:.1f} GB in {tempfile.gettempdir()}, which a picture "
                f"that is larger than the memory needs: {reason(error)}"
            ) from error
        yield np.memmap(file, chosen.dtype, "r+", shape=shape)
