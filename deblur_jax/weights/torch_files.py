"""PyTorch's `.pth` files as arrays by name. PyTorch is optional, and needed for this alone.

A `.pth` is a pickle, which can call whatever its maker wished. It is read with `weights_only`, so
that nothing but tensors and containers comes out of it and nothing in it is run.
"""

import io
import pickle
import re
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax.atomic import atomic_write
from deblur_jax.errors import UserError

# Of a zip archive, and of the pickles that PyTorch wrote before 1.6 and can still write.
MAGIC = (b"PK\x03\x04", b"\x80")
# Before 2.6 `weights_only` could be got around by a file (CVE-2025-32434).
_LEAST_TORCH = (2, 6)
# What `weights_only` refused, by its dotted name, in the words of PyTorch 2.6 to 2.13.
_REFUSED_NAME = re.compile(r"GLOBAL ([\w.]*\w)\s")


def read_state_dict(data: bytes, source: str) -> dict[str, Any]:
    """The tensors of a state dict, in the file's order.

    Args:
      data: the file's bytes.
      source: how errors shall name it.

    Returns:
      Name to a dense torch tensor on the CPU without a gradient, of a dtype that NumPy has: floats
      that it lacks, bfloat16 and those of 8 bits, become float32.

    Raises:
      UserError: no PyTorch, a damaged file, one that holds more than tensors, or something else.
    """
    torch = _torch("reading a .pth")
    loaded = _load(torch, data, source)
    if not isinstance(loaded, dict):
        kind = type(loaded).__name__
        raise UserError(f"{source} holds no state dict but one object of type {kind}")
    tensors: dict[str, Any] = {}
    for name, value in loaded.items():
        if not isinstance(name, str) or not torch.is_tensor(value):
            raise UserError(
                f"{source} is no state dict: its entry {name!r} is no tensor but of type "
                f"{type(value).__name__}"
            )
        if value.layout != torch.strided or value.is_quantized or value.is_complex():
            raise UserError(f"{source}: the tensor {name} is sparse, quantised or complex")
        if value.is_meta:
            raise UserError(
                f"{source}: the tensor {name} has a shape but no values (it was saved from the "
                "meta device)"
            )
        tensors[name] = _in_numpys_dtype(torch, value.detach().cpu(), name, source)
    return tensors


def write_state_dict(path: str | Path, tensors: dict[str, np.ndarray]) -> None:
    """Writes arrays as a state dict that `torch.load` of any version from 1.6 on reads.

    Raises:
      UserError: no PyTorch, or the file cannot be written.
    """
    torch = _torch("writing a .pth")
    state = OrderedDict((name, torch.from_numpy(np.array(a))) for name, a in tensors.items())
    with atomic_write(path) as stream:
        torch.save(state, stream)


def _in_numpys_dtype(torch: Any, value: Any, name: str, source: str) -> Any:
    if value.is_floating_point() and value.dtype not in (
        torch.float16,
        torch.float32,
        torch.float64,
    ):
        try:
            return value.float()
        except RuntimeError as error:  # packed, say two numbers of 4 bits in a byte
            raise _unreadable(value, name, source) from error
    try:
        value.numpy()
    except (TypeError, RuntimeError) as error:
        raise _unreadable(value, name, source) from error
    return value


def _unreadable(value: Any, name: str, source: str) -> UserError:
    return UserError(f"{source}: the tensor {name} is of {value.dtype}, which cannot be read here")


def _torch(doing: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise UserError(f"{doing} needs PyTorch: pip install 'deblur-jax[torch]'") from error
    version = tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2])
    if version < _LEAST_TORCH:
        raise UserError(
            f"{doing} needs PyTorch 2.6 or newer, as {torch.__version__} can run code that a file "
            "brings: pip install 'deblur-jax[torch]'"
        )
    return torch


def _load(torch: Any, data: bytes, source: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old pickles and TorchScript
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        refused = _REFUSED_NAME.search(f"{error} ")
        if refused is None:
            raise _damaged(source) from error
        raise UserError(
            f"{source} is no plain state dict: it asks for {refused[1]}, which is not loaded, as "
            "no code that a file brings is ever run; save network.state_dict() instead"
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise _damaged(source) from error


def _damaged(source: str) -> UserError:
    return UserError(f"cannot read {source}: it is cut off, damaged, or not torch.save's")
