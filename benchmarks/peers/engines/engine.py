"""What a library's module gives."""

import importlib
import importlib.metadata
from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import NDArray

from benchmarks.peers.contenders import Contender
from benchmarks.peers.job import Job

Arrays = dict[str, NDArray[Any]]


class Engine(NamedTuple):
    """A network that is loaded.

    Attributes:
      packages: whose versions matter, as pip calls them.
      compile: makes it ready to be called; called once, first.
      call: one run, which returns when the result is there.
      outputs: from a run's result to copies: `picture`, float32[1, H, W, 3] in [-1, 1]; or
        `loss/…`, scalars, and `gradient/…`, in PyTorch's layout.
    """

    packages: tuple[str, ...]
    compile: Callable[[], None]
    call: Callable[[], Any]
    outputs: Callable[[Any], Arrays]


def start(contender: Contender, job: Job) -> Engine:
    """Imports the contender's library and loads the network into it."""
    module = importlib.import_module(f"benchmarks.peers.engines.{contender.engines[job.part]}")
    return module.start(job, contender.variant)


def versions(engine: Engine) -> dict[str, str]:
    """The versions of an engine's packages."""
    return {package: importlib.metadata.version(package) for package in engine.packages}
