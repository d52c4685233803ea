"""State dicts with the authors' keys, made by counting the layers of their `nn.Sequential`."""

import numpy as np

Array = np.ndarray


def generator(width: int, blocks: int, second: int | None = 6) -> dict[str, Array]:
    """`second`: place of a block's second convolution, 6, or 5 without dropout; None for none."""
    w = width
    layers = [("pad", None), ("conv", (w, 3, 7, 7)), ("norm", None), ("relu", None)]
    layers += [("conv", (2 * w, w, 3, 3)), ("norm", None), ("relu", None)]
    layers += [("conv", (4 * w, 2 * w, 3, 3)), ("norm", None), ("relu", None)]
    layers += [("block", (4 * w, 4 * w, 3, 3))] * blocks
    layers += [("up", (4 * w, 2 * w, 3, 3)), ("norm", None), ("relu", None)]
    layers += [("up", (2 * w, w, 3, 3)), ("norm", None), ("relu", None)]
    layers += [("pad", None), ("conv", (3, w, 7, 7)), ("tanh", None)]
    state: dict[str, Array] = {}
    rng = np.random.default_rng(width)
    for number, (kind, shape) in enumerate(layers):
        if shape is None:
            continue
        inner = [""]
        if kind == "block":
            inner = [f".conv_block.{place}" for place in (1, second) if place]
        for place in inner:
            features = shape[1] if kind == "up" else shape[0]
            _add(state, f"model.{number}{place}", shape, features, rng)
    return state


def critic(width: int) -> dict[str, Array]:
    channels = (3, width, 2 * width, 4 * width, 8 * width, 1)
    state: dict[str, Array] = {}
    rng = np.random.default_rng(width)
    for i, number in enumerate((0, 2, 5, 8, 11)):
        shape = (channels[i + 1], channels[i], 4, 4)
        _add(state, f"model.{number}", shape, channels[i + 1], rng)
    return state


def _add(
    state: dict[str, Array],
    place: str,
    shape: tuple[int, ...],
    features: int,
    rng: np.random.Generator,
) -> None:
    state[f"{place}.weight"] = rng.standard_normal(shape, np.float32)
    state[f"{place}.bias"] = rng.standard_normal(features, np.float32)
