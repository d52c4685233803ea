"""Who is compared: the module that runs it, the libraries that it needs, its environment."""

import importlib.util
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.peers.job import RESTORE, TRAINING_PARTS
from deblur_jax.errors import UsageError

OURS = ("jax", "jax-plain")
PLAIN_VARIABLE = "DEBLUR_JAX_PLAIN"  # as in `deblur_jax.fast.choice`, which a peer does not import


class Contender(NamedTuple):
    """How one library runs the network.

    Attributes:
      name: on the command line and in the JSON file.
      engines: part of a job to the module of `benchmarks.peers.engines` that runs it.
      variant: what the module is to make of it.
      modules: Python modules that must be there.
      environment: variables of its process.
    """

    name: str
    engines: Mapping[str, str]
    variant: str = ""
    modules: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}

    def lacking(self) -> list[str]:
        """The modules that are not installed."""
        return [name for name in self.modules if importlib.util.find_spec(name) is None]


_JAX = {RESTORE: "jax_restore"} | dict.fromkeys(TRAINING_PARTS, "jax_train")
_TORCH = {RESTORE: "torch_restore"} | dict.fromkeys(TRAINING_PARTS, "torch_train")
# PyTorch's threads wait for each other, by default busily: on two cores with a load of 4 a pass of
# the paper's network took 1158 ms at 256x256, against 677 (2026-11-26). Passes of a millisecond
# take about another one.
_PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}
_ALL = (
    Contender("jax", _JAX, environment={PLAIN_VARIABLE: "0"}),
    Contender("jax-plain", _JAX, environment={PLAIN_VARIABLE: "1"}),
    Contender("torch", _TORCH, "", ("torch",), _PATIENT),
    Contender("torch-compile", {RESTORE: "torch_restore"}, "compile", ("torch",), _PATIENT),
    Contender("onnxruntime", {RESTORE: "onnx_runtime"}, modules=("onnxruntime", "onnx")),
    Contender("openvino", {RESTORE: "open_vino"}, modules=("openvino", "onnx")),
)
# Of several, the first that is installed says what is right.
_REFERENCES = (
    Contender("torch-float64", _TORCH, "float64", ("torch",), _PATIENT),
    Contender("jax-float64", {RESTORE: "jax_restore"}, "float64", (), {"JAX_ENABLE_X64": "1"}),
)
CONTENDERS = {contender.name: contender for contender in _ALL}
REFERENCES = {contender.name: contender for contender in _REFERENCES}


def named(name: str) -> Contender:
    """The contender or reference of a name."""
    return (CONTENDERS | REFERENCES)[name]


def chosen(names: str | None, part: str) -> list[Contender]:
    """The contenders of a list with commas, in its order; None for all that can do the part.

    Raises:
      UsageError: one that does not exist, stands there twice, or cannot do it.
    """
    able = [name for name, contender in CONTENDERS.items() if part in contender.engines]
    if names is None:
        return [CONTENDERS[name] for name in able]
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in able:
            why = "cannot train" if name in CONTENDERS else "does not exist"
            raise UsageError(f"the contender {name!r} {why}; there are {', '.join(able)}")
        if wanted.count(name) > 1:
            raise UsageError(f"the contender {name!r} is there twice")
    return [CONTENDERS[name] for name in wanted]


def reference(part: str) -> Contender | None:
    """Who says what is right; None where nobody can."""
    able = (each for each in _REFERENCES if part in each.engines and not each.lacking())
    return next(able, None)
