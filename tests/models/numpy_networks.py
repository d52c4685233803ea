"""The networks once more in float64 numpy, written from their descriptions: the tests' oracle.

Convolutions are scipy's correlation, one channel at a time; arrays are `[B, H, W, C]`, parameters
the networks' own trees.
"""

from typing import Any

import numpy as np
from scipy.signal import correlate2d

Array = np.ndarray


def random_like(rng: np.random.Generator, shapes: Any, spread: float = 0.3) -> Any:
    """Parameters with every bias and scale at work, drawn from N(0, spread)."""
    if isinstance(shapes, dict):
        return {name: random_like(rng, shape, spread) for name, shape in shapes.items()}
    return (spread * rng.normal(size=shapes.shape)).astype(np.float32)


def conv(x: Array, layer: Any, stride: int = 1, padding: int = 0) -> Array:
    """Zero padding on all sides, correlation with an HWIO kernel, every `stride`-th sample."""
    kernel, bias = np.float64(layer["kernel"]), np.float64(layer["bias"])
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    planes = [
        [
            sum(
                correlate2d(sample[..., i], kernel[..., i, o], "valid")
                for i in range(kernel.shape[2])
            )
            for o in range(kernel.shape[3])
        ]
        for sample in x
    ]
    return np.stack([np.stack(p, -1) for p in planes])[:, ::stride, ::stride] + bias


def transposed_conv(x: Array, layer: Any) -> Array:
    """Stride 2, 3x3, aligned as PyTorch's with padding 1 and output padding 1.

    Sample i of the input adds its multiple of the kernel to the 2n + 1 samples of the full result,
    from 2i on, and the first row and column are dropped. PyTorch adds its kernel as it stands; the
    kernel here is stored for correlation, which is the same kernel turned by 180 degrees.
    """
    kernel = np.float64(layer["kernel"])[::-1, ::-1]
    batch, height, width, _ = x.shape
    full = np.zeros((batch, 2 * height + 1, 2 * width + 1, kernel.shape[3]))
    for i in range(height):
        for j in range(width):
            patch = np.einsum("bc,hwco->bhwo", x[:, i, j], kernel)
            full[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += patch
    return full[:, 1:, 1:] + np.float64(layer["bias"])


def reflect(x: Array, pad: int) -> Array:
    return np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")


def normalise(x: Array, axes: tuple[int, ...], epsilon: float = 1e-5) -> Array:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def shuffle(x: Array, factor: int) -> Array:
    """Sub-pixel convolution's rearrangement, one output sample at a time."""
    batch, height, width, channels = x.shape
    depth = channels // factor**2
    y = np.zeros((batch, height * factor, width * factor, depth))
    for row in range(factor):
        for column in range(factor):
            start = (row * factor + column) * depth
            y[:, row::factor, column::factor] = x[..., start : start + depth]
    return y


def unshuffle(y: Array, factor: int) -> Array:
    """The inverse of `shuffle`."""
    parts = [y[:, i::factor, j::factor] for i in range(factor) for j in range(factor)]
    return np.concatenate(parts, -1)


def generator(
    params: Any, x: Array, *, blocks: int, norm: str, dropout: list[Array] | None = None
) -> Array:
    """The paper's generator, output clipped; `dropout` has a multiplier for each block."""
    x = np.float64(x)
    count = 0

    def normed(y: Array) -> Array:
        nonlocal count
        if norm == "instance":
            return normalise(y, (1, 2))
        layer = params[f"Norm_{count}"]["BatchNorm_0"]
        count += 1
        return normalise(y, (0, 1, 2)) * np.float64(layer["scale"]) + np.float64(layer["bias"])

    y = relu(normed(conv(reflect(x, 3), params["head"])))
    y = relu(normed(conv(y, params["down_0"], stride=2, padding=1)))
    y = relu(normed(conv(y, params["down_1"], stride=2, padding=1)))
    for i in range(blocks):
        z = relu(normed(conv(reflect(y, 1), params[f"block_{i}_a"])))
        z = z if dropout is None else z * dropout[i]
        y = y + normed(conv(reflect(z, 1), params[f"block_{i}_b"]))
    y = relu(normed(transposed_conv(y, params["up_0"]["ConvTranspose_0"])))
    y = relu(normed(transposed_conv(y, params["up_1"]["ConvTranspose_0"])))
    y = conv(reflect(y, 3), params["tail"])
    return np.clip(x + np.tanh(y), -1, 1)


def light_generator(params: Any, x: Array, *, blocks: int) -> Array:
    """The generator on unshuffled pixels, output clipped."""
    x = np.float64(x)

    def block(y: Array, name: str) -> Array:
        z = relu(conv(y, params[f"{name}_a"], padding=1))
        return y + conv(z, params[f"{name}_b"], padding=1)

    y = conv(unshuffle(x, 4), params["head"], padding=1)
    skip = y = block(block(y, "before_0"), "before_1")
    y = conv(y, params["down"], stride=2, padding=1)
    for i in range(blocks):
        y = block(y, f"inner_{i}")
    y = skip + shuffle(conv(y, params["up"]), 2)
    y = block(block(y, "after_0"), "after_1")
    return np.clip(x + shuffle(conv(y, params["tail"], padding=1), 4), -1, 1)


def nafnet(params: Any, x: Array, *, outer_blocks: tuple[int, ...], blocks: int) -> Array:
    """The generator of NAFNet's blocks, output clipped; a stage's parameters are stacked."""
    x = np.float64(x)

    def dense(y: Array, layer: Any) -> Array:
        return y @ np.float64(layer["kernel"]) + np.float64(layer.get("bias", 0.0))

    def gate(y: Array) -> Array:
        half = y.shape[-1] // 2
        return y[..., :half] * y[..., half:]

    def norm(y: Array, p: Any, name: str) -> Array:
        return normalise(y, (3,), 1e-6) * p[f"{name}_scale"] + p[f"{name}_shift"]

    def depthwise(y: Array, p: Any) -> Array:
        channels = [
            conv(y[..., c : c + 1], {"kernel": p["kernel"][:, :, None, c : c + 1],
                                     "bias": p["bias"][c : c + 1]}, padding=1)
            for c in range(y.shape[-1])
        ]  # fmt: skip
        return np.concatenate(channels, -1)

    def stage(y: Array, count: int, name: str) -> Array:
        for i in range(count):
            p = {k: _at(v, i) for k, v in params[name].items()}
            z = gate(depthwise(dense(norm(y, p, "norm_a"), p["expand_a"]), p["depthwise"]))
            y = y + dense(z, p["project_a"]) * p["project_a"]["weight"]
            z = gate(dense(norm(y, p, "norm_b"), p["expand_b"]))
            y = y + dense(z, p["project_b"]) * p["project_b"]["weight"]
        return y

    y = conv(unshuffle(x, 2), params["head"], padding=1)
    skips = []
    for level, count in enumerate(outer_blocks):
        y = stage(y, count, f"before_{level}")
        skips.append(y)
        y = dense(unshuffle(y, 2), params[f"down_{level}"])
    y = stage(y, blocks, "inner")
    for level in reversed(range(len(outer_blocks))):
        y = skips[level] + shuffle(dense(y, params[f"up_{level}"]), 2)
        y = stage(y, outer_blocks[level], f"after_{level}")
    return np.clip(x + shuffle(conv(y, params["tail"], padding=1), 2), -1, 1)


def _at(value: Any, i: int) -> Any:
    """The i-th block's parameters of a stage's."""
    if isinstance(value, dict):
        return {k: _at(v, i) for k, v in value.items()}
    return np.float64(value[i])


def critic(params: Any, x: Array, *, norm: str) -> Array:
    """The patch critic: five 4x4 convolutions with a zero padding of 2."""
    y = np.float64(x)
    for i, stride in enumerate((2, 2, 2, 1)):
        y = conv(y, params[f"conv_{i}"], stride=stride, padding=2)
        if i and norm == "instance":
            y = normalise(y, (1, 2))
        if i and norm == "batch":
            layer = params[f"Norm_{i}"]["BatchNorm_0"]
            y = normalise(y, (0, 1, 2)) * np.float64(layer["scale"]) + np.float64(layer["bias"])
        y = np.where(y > 0, y, 0.2 * y)
    return conv(y, params["score"], padding=2)
