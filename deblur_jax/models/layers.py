"""Layers that the networks share: padding, norms, dropout and upsampling.

Linen modules here are private to `deblur_jax.models`. Arrays are `[B, H, W, C]`; convolutions run
in `dtype`, parameters and statistics stay in float32.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

# DeblurGAN draws kernels from N(0, 0.02) and scales of a norm from N(1, 0.02): authors' code
# at dd9e940, models/networks.py:14-22.
KERNEL_INITS = {"normal": nn.initializers.normal(0.02), "glorot": nn.initializers.glorot_uniform()}


def _scale_init(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    return 1.0 + 0.02 * jax.random.normal(key, shape, dtype)


_SCALE_INITS = {"normal": _scale_init, "glorot": nn.initializers.ones_init()}


def reflect_pad(x: jax.Array, pad: int) -> jax.Array:
    """Pads height and width by reflection that does not repeat the border.

    Rows and columns are gathered by index, which XLA compiles to faster code on a CPU than
    `jnp.pad` (2.7 against 3.9 to 16.6 ms for the paper's residual tensors).

    Args:
      x: `[B, H, W, C]` with H and W larger than `pad`.
      pad: rows and columns added on each side.

    Returns:
      `[B, H + 2 pad, W + 2 pad, C]`.
    """
    check_reflection(x, pad)
    height, width = x.shape[1:3]
    rows = np.pad(np.arange(height), pad, mode="reflect")
    columns = np.pad(np.arange(width), pad, mode="reflect")
    return x[:, rows][:, :, columns]


def check_reflection(x: jax.Array, pad: int) -> None:
    """Raises ValueError where `[B, H, W, C]` has too few rows or columns to be reflected so far."""
    height, width = x.shape[1:3]
    if min(height, width) <= pad:
        raise ValueError(f"cannot reflect {pad} pixels at the border of {height}x{width}")


def instance_norm(x: jax.Array, epsilon: float) -> jax.Array:
    """Normalises each image's channels over height and width, without scale and shift.

    Statistics have float32's precision at least, whatever the dtype of `x`, and are two-pass, as
    large means would cost a one-pass variance its digits.
    """
    values = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = values.mean((1, 2), keepdims=True)
    centred = values - mean
    variance = jnp.square(centred).mean((1, 2), keepdims=True)
    return (centred * jax.lax.rsqrt(variance + epsilon)).astype(x.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def pixel_norm(x: jax.Array, scale: jax.Array, shift: jax.Array, epsilon: float) -> jax.Array:
    """Normalises the channels of each pixel, then scales and shifts them (LayerNorm2d).

    Statistics have float32's precision at least, whatever the dtype of `x`, `[B, H, W, C]`. Its
    derivative keeps `x` and two numbers a pixel, where the plain one keeps wide intermediates:
    on accelerators memory's traffic is what a step waits for.
    """
    return _pixel_norm_forward(x, scale, shift, epsilon)[0]


def _pixel_norm_forward(
    x: jax.Array, scale: jax.Array, shift: jax.Array, epsilon: float
) -> tuple[jax.Array, Any]:
    values = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = values.mean(-1, keepdims=True)
    inverse = jax.lax.rsqrt(jnp.square(values - mean).mean(-1, keepdims=True) + epsilon)
    y = ((values - mean) * inverse * scale + shift).astype(x.dtype)
    return y, (x, scale, mean, inverse)


def _pixel_norm_backward(_epsilon: float, kept: Any, gradient: jax.Array) -> Any:
    x, scale, mean, inverse = kept
    normal = (x.astype(mean.dtype) - mean) * inverse
    gradient = gradient.astype(mean.dtype)
    scaled = gradient * scale
    along = (scaled * normal).mean(-1, keepdims=True)
    own = inverse * (scaled - scaled.mean(-1, keepdims=True) - normal * along)
    return own.astype(x.dtype), (gradient * normal).sum((0, 1, 2)), gradient.sum((0, 1, 2))


pixel_norm.defvjp(_pixel_norm_forward, _pixel_norm_backward)


@jax.custom_vjp
def depthwise(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """A convolution of each channel by itself, stride 1, zeros around.

    The sum of nine shifted products, which compilers join into one loop. As a grouped convolution
    it takes XLA:CPU thirteen times as long (774 against 59 ms for 360x640x128; jax 0.10.2, two
    cores of Zen 5, 2026-11-27), and its own derivative would be nine padded pictures.

    Args:
      x: `[B, H, W, C]`.
      kernel: float32[3, 3, C].
      bias: float32[C].

    Returns:
      `[B, H, W, C]` of the dtype of `x`; sums are float32 at least.
    """
    return (_shifted_sum(x, kernel) + bias).astype(x.dtype)


def _shifted(x: jax.Array) -> list[list[jax.Array]]:
    """`x` seen from each of the 3x3 neighbours, zeros beyond its borders."""
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [[padded[:, i : i + height, j : j + width] for j in range(3)] for i in range(3)]


def _shifted_sum(x: jax.Array, kernel: jax.Array) -> jax.Array:
    neighbours = _shifted(x)
    total: Any = 0.0
    for i in range(3):
        for j in range(3):
            total = total + neighbours[i][j].astype(kernel.dtype) * kernel[i, j]
    return total


def _depthwise_forward(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> Any:
    return depthwise(x, kernel, bias), (x, kernel)


def _depthwise_backward(kept: Any, gradient: jax.Array) -> Any:
    x, kernel = kept
    own = _shifted_sum(gradient, kernel[::-1, ::-1]).astype(x.dtype)
    wide = gradient.astype(kernel.dtype)
    sums = [
        jnp.stack([(view.astype(kernel.dtype) * wide).sum((0, 1, 2)) for view in row])
        for row in _shifted(x)
    ]
    return own, jnp.stack(sums), wide.sum((0, 1, 2))


depthwise.defvjp(_depthwise_forward, _depthwise_backward)


def depthwise_grouped(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    """`depthwise` as a grouped convolution, which accelerators have libraries for.

    A training step of a NAFNet takes 44 ms with it and 54 ms with shifted products (width 64, 28
    blocks, 16 crops of 256x256, bfloat16; jax 0.11.2 on an H100, 2026-11-27).
    """
    y = jax.lax.conv_general_dilated(
        x,
        kernel[:, :, None].astype(x.dtype),
        window_strides=(1, 1),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )
    return y + bias.astype(x.dtype)


class Operations(NamedTuple):
    """What networks are computed with; a backend may have quicker ones, an `Extent` has its own.

    Attributes:
      convolution: computes what `lax.conv_general_dilated` does, in the layers whose gradients a
        backend may be slow at; None for that itself.
      instance_norm: (x, epsilon) to x normalised.
      depthwise: (x, kernel, bias) to x with each channel convolved.
      nafnet_block: (parameters, x, dtype) to what `nafnet.Block` makes of x, where nothing drops
        out and nothing is cleared; None for that itself.
      ends: as `convolution`, for DeblurGAN's first and last layers, whose input or result has three
        channels; None for what those layers take otherwise.
      unroll: whether blocks with stacked parameters stand one after the other in the program. A
        loop over them compiles in a fraction of the time; on a CPU a pass takes a fifth longer.
      remat: of residual blocks only the input is kept for the gradient, the rest computed again.
      reflect_pad: (x, pad) to x with reflected borders.
      clear: of x what a convolution with zeros around it may see; stands in front of each.
    """

    convolution: Callable[..., jax.Array] | None = None
    instance_norm: Callable[[jax.Array, float], jax.Array] = instance_norm
    depthwise: Callable[[jax.Array, jax.Array, jax.Array], jax.Array] = depthwise
    nafnet_block: Callable[[Any, jax.Array, Any], jax.Array] | None = None
    ends: Callable[..., jax.Array] | None = None
    unroll: bool = True
    remat: bool = False
    reflect_pad: Callable[[jax.Array, int], jax.Array] = reflect_pad
    clear: Callable[[jax.Array], jax.Array] = lambda x: x


PLAIN = Operations()


class Norm(nn.Module):
    """Instance norm, batch norm or nothing.

    Batch norm uses the moving averages if `use_moving_averages`, and otherwise the statistics of
    the batch, averaged over `axis_name` where one is given.
    """

    kind: str
    epsilon: float
    momentum: float
    use_moving_averages: bool
    dtype: Any
    axis_name: str | None = None
    draw: str = "normal"
    operations: Operations = PLAIN

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        if self.kind == "none":
            return x
        if self.kind == "instance":
            return self.operations.instance_norm(x, self.epsilon)
        return nn.BatchNorm(
            use_running_average=self.use_moving_averages,
            momentum=self.momentum,
            epsilon=self.epsilon,
            dtype=self.dtype,
            scale_init=_SCALE_INITS[self.draw],
            axis_name=self.axis_name,
            use_fast_variance=False,  # two passes, as in `instance_norm`
        )(x)


def sample_dropout(
    x: jax.Array, keys: jax.Array | None, rate: float, layer: int | jax.Array
) -> jax.Array:
    """Drops activations with one mask per sample, so that a mask follows its sample anywhere.

    Args:
      x: `[B, H, W, C]`.
      keys: typed PRNG keys `[B]`, or None for no dropout.
      rate: share of activations set to zero; the rest is scaled by 1 / (1 - rate).
      layer: number of the layer, so that no two layers share a mask.
    """
    if keys is None or rate == 0.0:
        return x

    def draw(key: jax.Array) -> jax.Array:
        return jax.random.bernoulli(jax.random.fold_in(key, layer), 1 - rate, x.shape[1:])

    keep = jax.vmap(draw)(keys)
    return jnp.where(keep, x / (1 - rate), jnp.zeros((), x.dtype)).astype(x.dtype)


def depth_to_space(x: jax.Array, factor: int) -> jax.Array:
    """`[B, H, W, C f f]` to `[B, H f, W f, C]`; channels are ordered (row, column, channel)."""
    batch, height, width, channels = x.shape
    depth = channels // factor**2
    x = x.reshape(batch, height, width, factor, factor, depth).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height * factor, width * factor, depth)


def space_to_depth(x: jax.Array, factor: int) -> jax.Array:
    """The inverse of `depth_to_space`."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // factor, factor, width // factor, factor, channels)
    x = x.transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // factor, width // factor, channels * factor**2)


# Of the 2n + 1 samples that a transposed convolution gives, what is left out in JAX's terms:
# PyTorch (padding 1, output padding 1) drops the first, TensorFlow's 'SAME' the last, so that one
# picture is the other shifted by a pixel.
_TRANSPOSED_PADDING = {
    "transpose": ((1, 2), (1, 2)),
    "transpose_same": ((2, 1), (2, 1)),
}


class Upsample(nn.Module):
    """Doubles height and width by one of the learned ways of `GeneratorConfig.upsample`.

    The convolutions are 3x3, the transposed ones of stride 2.
    """

    features: int
    kind: str
    dtype: Any
    draw: str = "normal"
    operations: Operations = PLAIN

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        reflect, clear = self.operations.reflect_pad, self.operations.clear
        if self.kind in _TRANSPOSED_PADDING:
            # As `nn.ConvTranspose` computes it; that layer's name stands in saved weights.
            return nn.Conv(
                self.features,
                (3, 3),
                input_dilation=(2, 2),
                padding=_TRANSPOSED_PADDING[self.kind],
                dtype=self.dtype,
                kernel_init=KERNEL_INITS[self.draw],
                conv_general_dilated=self.operations.convolution,
                name="ConvTranspose_0",
            )(clear(x))
        if self.kind == "pixel_shuffle":
            x = conv(4 * self.features, 3, self.dtype, draw=self.draw)(reflect(x, 1))
            return depth_to_space(x, 2)
        x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        if self.kind == "resize_conv":
            return conv(self.features, 3, self.dtype, draw=self.draw)(reflect(x, 1))
        return conv(self.features, 3, self.dtype, padding=1, draw=self.draw)(clear(x))


def conv(
    features: int,
    size: int,
    dtype: Any,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    draw: str = "normal",
    kernel_init: Any = None,
    convolution: Callable[..., jax.Array] | None = None,
    name: str | None = None,
) -> nn.Conv:
    """A square convolution with zero padding, a bias and float32 parameters.

    Args:
      features: channels of the result.
      size: side of the kernel in pixels.
      dtype: of the arithmetic.
      stride: in pixels.
      padding: zeros on each side, or (before, after).
      draw: name in `KERNEL_INITS`; kernel_init: an initialiser in its place.
      convolution: computes as `lax.conv_general_dilated` does; None for that.
      name: of the layer.
    """
    pads = (padding, padding) if isinstance(padding, int) else padding
    return nn.Conv(
        features,
        (size, size),
        strides=(stride, stride),
        padding=(pads, pads),
        dtype=dtype,
        kernel_init=kernel_init or KERNEL_INITS[draw],
        conv_general_dilated=convolution,
        name=name,
    )
