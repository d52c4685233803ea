"""The state dicts of DeblurGAN's authors (PyTorch) as our parameters, and the way back.

Layouts, from models/networks.py of KupynOrest/DeblurGAN, where a network is one `nn.Sequential`
and a key holds the layer's place in it:

- 2018 (dd9e940): `model.1` head, `model.4` and `model.7` down, from `model.10` on the blocks with
  two convolutions `conv_block.1` and `.6` (`.5` without dropout), two transposed convolutions
  three places apart, the tail.
- 2019 (68aa1b1 and later): the same, but blocks of one convolution, which end after the first ReLU.
- the critic of both: `model.0`, `.2`, `.5`, `.8`, `.11`.

Kernels of convolutions are stored OIHW, those of transposed ones IOHW and for the transposed
product: JAX wants the latter turned by 180 degrees.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from deblur_jax.errors import UserError
from deblur_jax.models import CriticConfig, GeneratorConfig, init_critic, init_generator
from deblur_jax.weights.imported import Imported, as_float32, put
from deblur_jax.weights.tensor_file import flatten

_FIRST_BLOCK = 10  # place of the first residual block
_SECOND_UP, _TAIL = 3, 7  # places behind the first transposed convolution
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_DATA_PARALLEL = "module."
_EPSILON = 1e-5  # of torch.nn.InstanceNorm2d, which the authors leave as it is


class Slot(NamedTuple):
    """Where a key's tensor stands in our tree, and its shape in theirs."""

    path: tuple[str, ...]
    shape: tuple[int, ...]


def read(tensors: Mapping[str, Any], source: str) -> Imported:
    """A generator or a critic out of a state dict; width and number of blocks are its own.

    The running statistics that instance norms carry since 2019 are passed over: the authors always
    normalise by the picture's own.

    Args:
      tensors: key to array or tensor, in the file's order.
      source: how errors shall name the file.

    Raises:
      UserError: names the first key that does not belong; where all do, the first that is missing;
        where none is, the first of a wrong shape.
    """
    parallel = bool(tensors) and all(key.startswith(_DATA_PARALLEL) for key in tensors)
    prefix = _DATA_PARALLEL if parallel else ""
    state = {key.removeprefix(prefix): value for key, value in tensors.items()}
    config: GeneratorConfig | CriticConfig
    if {"model.0.weight", "model.0.bias"} & state.keys():  # a generator's first layer is a padding
        config = CriticConfig(width=_width(state, "model.0.weight"))
        layout = "the authors' critic"
    else:
        config = _generator_config(state)
        year, count = ("2018", "two") if config.block_convolutions == 2 else ("2019", "one")
        a_block = "convolutions a block" if count == "two" else "convolution a block"
        layout = f"the authors' generator of {year}, {count} {a_block}"
    slots = _slots(config)
    _check(state, slots, f"{layout}, width {config.width}", prefix, source)
    params: dict[str, Any] = {}
    for key, slot in slots.items():
        put(params, slot.path, _ours(as_float32(state[key], prefix + key, source), slot))
    return Imported(config, params, {}, layout)


def state_dict(config: GeneratorConfig | CriticConfig, params: Any) -> dict[str, np.ndarray]:
    """Our parameters as the authors' state dict, 2018's layout or, for one convolution, 2019's.

    2019's code wants the running statistics of its instance norms to be there: zeros and ones.

    Raises:
      UserError: a network that the layout cannot hold.
    """
    _refuse_other_networks(config)
    leaves = {tuple(name.split("/")): np.asarray(a) for name, a in flatten(params).items()}
    state: dict[str, np.ndarray] = {}
    statistics = isinstance(config, GeneratorConfig) and config.block_convolutions == 1
    slots = _slots(config)
    last = next(reversed(slots))
    for key, slot in slots.items():
        state[key] = np.ascontiguousarray(_theirs(leaves[slot.path], slot), np.float32)
        if statistics and key.endswith("bias") and key != last:
            *place, number, _ = key.split(".")
            norm = ".".join([*place, str(int(number) + 1)])
            state[f"{norm}.running_mean"] = np.zeros(slot.shape, np.float32)
            state[f"{norm}.running_var"] = np.ones(slot.shape, np.float32)
            state[f"{norm}.num_batches_tracked"] = np.zeros((), np.int64)
    return state


def _generator_config(state: Mapping[str, Any]) -> GeneratorConfig:
    """The shape that the keys speak of; where they contradict themselves `_check` will find it."""
    found = (re.fullmatch(r"model\.(\d+)\.conv_block\.(\d+)\.weight", key) for key in state)
    places = [(int(match[1]), int(match[2])) for match in found if match]
    blocks = max((number for number, _ in places), default=_FIRST_BLOCK - 1) - _FIRST_BLOCK + 1
    blocks = max(blocks, _blocks_before_tail(state))
    within = {place for _, place in places}
    return GeneratorConfig(
        width=_width(state, "model.1.weight"),
        blocks=max(0, min(blocks, len(state))),
        norm_epsilon=_EPSILON,
        dropout=0.0 if 5 in within and 6 not in within else 0.5,
        block_convolutions=1 if within == {1} else 2,
    )


def _blocks_before_tail(state: Mapping[str, Any]) -> int:
    """How many blocks the last layers leave room for, as a file can lack its last block; or 0."""
    found = (re.fullmatch(r"model\.(\d+)\.weight", key) for key in state)
    tail = max((int(match[1]) for match in found if match), default=0)
    up = tail - _TAIL
    if all(f"model.{place}.weight" in state for place in (up, up + _SECOND_UP)):
        return up - _FIRST_BLOCK
    return 0


def _width(state: Mapping[str, Any], key: str) -> int:
    shape = tuple(state[key].shape) if key in state else ()
    return shape[0] if len(shape) == 4 and shape[0] else 64


def _convolutions(config: GeneratorConfig | CriticConfig) -> dict[str, tuple[str, ...]]:
    """Place in the authors' network to path in ours, in their order."""
    if isinstance(config, CriticConfig):
        ours = [("conv_0",), ("conv_1",), ("conv_2",), ("conv_3",), ("score",)]
        return dict(zip((f"model.{i}" for i in (0, 2, 5, 8, 11)), ours, strict=True))
    places: dict[str, tuple[str, ...]] = {
        "model.1": ("head",),
        "model.4": ("down_0",),
        "model.7": ("down_1",),
    }
    second = 6 if config.dropout else 5
    for i in range(config.blocks):
        places[f"model.{_FIRST_BLOCK + i}.conv_block.1"] = (f"block_{i}_a",)
        if config.block_convolutions == 2:
            places[f"model.{_FIRST_BLOCK + i}.conv_block.{second}"] = (f"block_{i}_b",)
    after = _FIRST_BLOCK + config.blocks
    places[f"model.{after}"] = ("up_0", "ConvTranspose_0")
    places[f"model.{after + _SECOND_UP}"] = ("up_1", "ConvTranspose_0")
    places[f"model.{after + _TAIL}"] = ("tail",)
    return places


def _slots(config: GeneratorConfig | CriticConfig) -> dict[str, Slot]:
    if isinstance(config, CriticConfig):
        shapes = jax.eval_shape(lambda: init_critic(jax.random.key(0), config))
    else:
        shapes = jax.eval_shape(lambda: init_generator(jax.random.key(0), config))
    leaves = flatten(shapes)
    slots: dict[str, Slot] = {}
    for place, path in _convolutions(config).items():
        for theirs, ours in (("weight", "kernel"), ("bias", "bias")):
            shape = leaves["/".join((*path, ours))].shape
            slot = Slot((*path, ours), shape)
            nothing = np.broadcast_to(np.float32(0), shape)  # takes no memory, whatever the shape
            slots[f"{place}.{theirs}"] = slot._replace(shape=_theirs(nothing, slot).shape)
    return slots


def _ours(array: np.ndarray, slot: Slot) -> np.ndarray:
    if slot.path[-1] == "bias":
        return array
    if "ConvTranspose_0" in slot.path:
        return np.ascontiguousarray(array.transpose(2, 3, 0, 1)[::-1, ::-1])
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0))


def _theirs(array: np.ndarray, slot: Slot) -> np.ndarray:
    if slot.path[-1] == "bias":
        return array
    if "ConvTranspose_0" in slot.path:
        return array[::-1, ::-1].transpose(2, 3, 0, 1)
    return array.transpose(3, 2, 0, 1)


def _check(
    state: Mapping[str, Any], slots: Mapping[str, Slot], network: str, prefix: str, source: str
) -> None:
    norms = _norms(slots)
    for key, value in state.items():
        place, _, kind = key.rpartition(".")
        if key in slots or (place in norms and kind in _STATISTICS):
            continue
        # A convolution can stand where a norm should, where layers before it are missing.
        scale = state.get(f"{place}.weight", value)
        if place in norms and kind in ("weight", "bias") and np.ndim(scale) == 1:
            raise UserError(
                f"{source}: the key {prefix}{key} is a batch norm's; networks of the authors are "
                "read with instance norm alone"
            )
        raise UserError(f"{source}: the key {prefix}{key} does not belong to {network}")
    for key in slots:
        if key not in state:
            raise UserError(f"{source} lacks the key {prefix}{key} of {network}")
    for key, slot in slots.items():
        shape = tuple(state[key].shape)
        if shape != slot.shape:
            raise UserError(
                f"{source}: the key {prefix}{key} has shape {shape}; {network}, has {slot.shape}"
            )


def _norms(slots: Mapping[str, Slot]) -> set[str]:
    """Places right behind a convolution; behind a critic's first and last is none, nor a key."""
    places = [key.removesuffix(".weight").split(".") for key in slots if key.endswith("weight")]
    return {".".join([*place[:-1], str(int(place[-1]) + 1)]) for place in places}


def _refuse_other_networks(config: GeneratorConfig | CriticConfig) -> None:
    wanted: dict[str, Any] = {"norm": "instance", "norm_epsilon": _EPSILON}
    if isinstance(config, CriticConfig):
        wanted |= {"last_convolution": True}
    else:
        wanted = {"generator": "resnet", **wanted}
        wanted |= {"upsample": "transpose", "downsample": "symmetric"}
    for field, value in wanted.items():
        found = getattr(config, field)
        if found != value:
            raise UserError(
                f"the authors' layout holds networks with {field} {value!r} alone, and this one's "
                f"is {found!r}"
            )
