"""The shape of a generator and of a critic, as plain values that can be hashed and saved."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from deblur_jax.errors import UsageError

GENERATORS = ("resnet", "unshuffle", "nafnet")
# Without a norm of a picture's or a batch's statistics, and without tanh around what they add.
LOCAL_GENERATORS = ("unshuffle", "nafnet")
NORMS = ("instance", "batch", "none")
OUTPUTS = ("clip", "average", "tanh")
UPSAMPLES = ("transpose", "transpose_same", "resize_conv", "resize_conv_same", "pixel_shuffle")
DOWNSAMPLES = ("symmetric", "same")
INITS = ("normal", "glorot")


class _FromDict:
    """Building a configuration from a mapping, with an error that names what does not fit."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]):
        """Makes a configuration from a mapping; fields that it lacks keep their defaults.

        Raises:
          UsageError: for a field or a value that does not exist.
        """
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise UsageError(
                f"{cls.__name__} has no field {unknown[0]!r}; it has {', '.join(sorted(known))}"
            )
        return cls(**dict(values))

    def to_dict(self) -> dict[str, Any]:
        """The fields and their values, ready for JSON."""
        fields = dataclasses.asdict(self)  # type: ignore[call-overload]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def _check_choice(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"model.{field} is {value!r}; it can be {', '.join(choices)}")


def _check_at_least(field: str, value: int, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise UsageError(f"model.{field} is {value!r}; it must be a whole number from {least} on")


def _check_share(field: str, value: float) -> None:
    if not isinstance(value, (int, float)) or not 0.0 <= value < 1.0:
        raise UsageError(f"model.{field} is {value!r}; it must be in [0, 1)")


def _check_positive(field: str, value: float) -> None:
    if not isinstance(value, (int, float)) or not 0.0 < value < math.inf:
        raise UsageError(f"model.{field} is {value!r}; it must be a positive number")


@dataclasses.dataclass(frozen=True)
class GeneratorConfig(_FromDict):
    """The shape of a generator.

    Attributes:
      generator: `resnet` is the paper's network; `unshuffle` the light one that works at a
        quarter of the resolution; `nafnet` one of NAFNet's blocks, from half of it downwards.
      width: channels after the first convolution (paper: 64).
      blocks: residual blocks at the coarsest resolution (paper: 9).
      outer_blocks: of `nafnet`: blocks at each finer resolution, the finest first, as many before
        the coarsest as after it; each step down halves the sides and doubles the channels.
      norm: `instance` (paper: no scale, no shift, statistics of each image), `batch`, `none`.
      norm_epsilon: added to the variance (PyTorch's default, 1e-5; Keras has 1e-3).
      norm_momentum: share of the old moving average that a batch norm keeps.
      output: `clip` is clip(x + tanh(y), -1, 1); `average` is (x + tanh(y)) / 2; `tanh` is
        tanh(y) without the global skip. `unshuffle` and `nafnet` add y itself instead of tanh(y).
      upsample: `transpose` is a transposed convolution aligned as PyTorch's (paper),
        `transpose_same` as TensorFlow's 'SAME'; `resize_conv` doubles pixels and convolves with
        reflected borders, `resize_conv_same` with zeros around; `pixel_shuffle`.
      downsample: zeros around the strided convolutions: `symmetric`, one on each side (paper), or
        `same`, as TensorFlow places them: one below and to the right where sizes are even.
      dropout: rate after the first ReLU of each residual block (paper: 0.5).
      block_convolutions: 2; or 1 for networks that the authors' code trained from 2019 on, whose
        blocks end after the first ReLU.
      init: how parameters are drawn: `normal` is N(0, 0.02) for kernels and N(1, 0.02) for scales
        of a norm (authors' code); `glorot` is Glorot-uniform and ones (Keras, TensorFlow).
    """

    generator: str = "resnet"
    width: int = 64
    blocks: int = 9
    outer_blocks: tuple[int, ...] = (2, 4)
    norm: str = "instance"
    norm_epsilon: float = 1e-5
    norm_momentum: float = 0.9
    output: str = "clip"
    upsample: str = "transpose"
    downsample: str = "symmetric"
    dropout: float = 0.5
    block_convolutions: int = 2
    init: str = "normal"

    def __post_init__(self) -> None:
        _check_choice("generator", self.generator, GENERATORS)
        _check_choice("norm", self.norm, NORMS)
        _check_choice("output", self.output, OUTPUTS)
        _check_choice("upsample", self.upsample, UPSAMPLES)
        _check_choice("downsample", self.downsample, DOWNSAMPLES)
        _check_choice("init", self.init, INITS)
        _check_at_least("width", self.width, 1)
        _check_at_least("blocks", self.blocks, 0)
        if not isinstance(self.outer_blocks, (tuple, list)) or not self.outer_blocks:
            raise UsageError(
                f"model.outer_blocks is {self.outer_blocks!r}; it must be whole numbers, (2, 4) say"
            )
        for count in self.outer_blocks:
            _check_at_least("outer_blocks", count, 0)
        object.__setattr__(self, "outer_blocks", tuple(self.outer_blocks))  # JSON has lists
        _check_positive("norm_epsilon", self.norm_epsilon)
        _check_share("norm_momentum", self.norm_momentum)
        _check_share("dropout", self.dropout)
        if self.block_convolutions not in (1, 2):
            raise UsageError(
                f"model.block_convolutions is {self.block_convolutions!r}; it can be 1, 2"
            )
        if self.generator in LOCAL_GENERATORS and self.norm != "none":
            raise UsageError(
                f"model.generator {self.generator!r} has no normalisation: set model.norm to 'none'"
            )


@dataclasses.dataclass(frozen=True)
class CriticConfig(_FromDict):
    """The shape of a critic.

    Attributes:
      width: channels of the first convolution (paper: 64); the next ones have 2, 4, 8 times it.
      norm: on the second to the fourth convolution: `instance` (paper), `batch` or `none`.
      norm_epsilon, norm_momentum: as in `GeneratorConfig`.
      last_convolution: ends with a convolution to one score per patch (paper); without it the
        activations of the layer before are the scores (the Columbia report's code).
      init: as in `GeneratorConfig`.
    """

    width: int = 64
    norm: str = "instance"
    norm_epsilon: float = 1e-5
    norm_momentum: float = 0.9
    last_convolution: bool = True
    init: str = "normal"

    def __post_init__(self) -> None:
        _check_choice("norm", self.norm, NORMS)
        _check_at_least("width", self.width, 1)
        _check_choice("init", self.init, INITS)
        _check_positive("norm_epsilon", self.norm_epsilon)
        _check_share("norm_momentum", self.norm_momentum)
