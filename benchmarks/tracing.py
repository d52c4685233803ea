"""Traces of what a device does during a call, by `jax.profiler`.

`--profile DIR` writes one below DIR/plugins/profile/. To open it:

- in TensorBoard: `pip install tensorboard xprof`, `tensorboard --logdir DIR`, its Profile page;
- in Perfetto: load the `*.trace.json.gz` at https://ui.perfetto.dev.

Each call is a step of that number. Calls under the profiler are slower: they come after the timed
ones and are not among them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from deblur_jax import atomic
from deblur_jax.errors import UserError

CALLS = 3  # more show nothing new and make the trace large


def refuse_unwritable(folder: Path) -> None:
    """Makes the folder of a trace; UserError, before the measuring, where none can be written."""
    atomic.refuse_unwritable(folder / "plugins")


def record(call: Callable[[], Any], folder: Path) -> None:
    """Writes a trace of `CALLS` calls, each to the end of the device's work.

    Args:
      call: gives any tree of arrays; compiled and warmed up.
      folder: that `refuse_unwritable` has passed. Earlier traces in it stay.

    Raises:
      UserError: the trace cannot be written.
    """
    try:
        with jax.profiler.trace(folder):
            for number in range(CALLS):
                with jax.profiler.StepTraceAnnotation("call", step_num=number):
                    jax.block_until_ready(call())
    except (OSError, RuntimeError) as error:  # JAX's errors are of both kinds
        raise UserError(f"no trace was written to {folder}: {atomic.reason(error)}") from error
