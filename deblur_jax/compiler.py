"""How programs are compiled: the options that serve the backend, and the cache on disk."""

import functools
import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

# XLA:CPU hands unpadded convolutions to YNNPACK, which takes 3 to 7 times as long for them as its
# own code (measured with jax 0.10.2 on Zen 3); an empty list of fusions keeps it out.
CPU_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}
# Its products of bfloat16 are up to twice as fast as XLA's; in float32 they are a tenth slower, for
# the paper's network (docs/performance.md).
CPU_BFLOAT16_OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"
}
CACHE_VARIABLE = "DEBLUR_JAX_CACHE"


@functools.cache
def compiler_options(dtype: Any = jnp.float32) -> dict[str, Any]:
    """The options that this JAX knows for its default backend; {} on accelerators.

    An option that XLA does not know is an error, so it is tried once on a program of one number.

    Args:
      dtype: of the program's products.
    """
    if jax.default_backend() != "cpu":
        return {}
    choices = [CPU_BFLOAT16_OPTIONS] if dtype == jnp.bfloat16 else []
    for options in (*choices, CPU_OPTIONS):
        try:
            jax.jit(lambda x: x + 1, compiler_options=options).lower(0.0).compile()
        except Exception:  # the type differs between versions of JAX
            continue
        return dict(options)
    return {}


def jit(function: Callable[..., Any], *, dtype: Any = jnp.float32, **options: Any) -> Any:
    """`jax.jit` with `compiler_options(dtype)` and other `options`; starts the backend."""
    return jax.jit(function, compiler_options=compiler_options(dtype), **options)


def on_cpu() -> AbstractContextManager[Any]:
    """Runs what is within on the CPU, where that is at hand beside an accelerator.

    For small work of many kinds: a GPU's compiler takes a second for each program.
    """
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:
        return nullcontext()


def compile_mapped(mapped: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.pmap`'s function, compiled with `compiler_options()`, which `jax.pmap` cannot be given.

    Programs are compiled when first needed, one for each structure, shapes and types of arguments.
    Among several processes the function is left as it is: only `jax.pmap` itself knows how to make
    one array of the parts that each of them has.
    """
    programs: dict[Any, Any] = {}

    def call(*arguments: Any) -> Any:
        if jax.process_count() > 1 or not compiler_options():
            return mapped(*arguments)
        leaves, structure = jax.tree.flatten(arguments)
        key = (structure, *map(_kind, leaves))
        if key not in programs:
            lowered = mapped.lower(*arguments)  # type: ignore[attr-defined]
            programs[key] = lowered.compile(compiler_options=compiler_options())
        return programs[key](*arguments)

    return call


def _kind(leaf: Any) -> tuple[Any, ...]:
    """What a program depends on of an argument."""
    weak = getattr(leaf, "weak_type", False)
    return getattr(leaf, "shape", ()), getattr(leaf, "dtype", type(leaf)), weak


def loops_are_slow() -> bool:
    """Whether a loop around convolutions should be unrolled, or left to Python.

    XLA:CPU compiles a convolution and its gradients within a loop to plain code on one thread: a
    step of gradient descent on one 3x3 convolution takes 0.5 to 0.75 s there, and 0.02 s outside
    (jax 0.10.2 on two cores of Zen 3, 2026-11-23).
    """
    return jax.default_backend() == "cpu"


def cache_folder() -> Path | None:
    """Where compiled programs are kept: $DEBLUR_JAX_CACHE or ~/.cache/deblur_jax; None if empty."""
    named = os.environ.get(CACHE_VARIABLE)
    if named is not None:
        return Path(named).expanduser() if named else None
    try:
        return Path.home() / ".cache" / "deblur_jax"
    except RuntimeError:  # a user without a home
        return None


def enable_compilation_cache() -> Path | None:
    """Keeps compiled programs on disk between runs; called by entries only.

    Returns the folder, or None where there is none that can be written: then nothing is kept, which
    costs time but no result.
    """
    folder = cache_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # The default leaves out what compiles in under a second; of small programs there are many.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    # A damaged entry is compiled anew; a word about it helps nobody.
    warnings.filterwarnings("ignore", message=".*persistent compilation cache.*")
    return folder
