"""Compiler options that are asked for once, and the cache on disk."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax import compiler


@pytest.fixture(autouse=True)
def asked_anew():
    compiler.compiler_options.cache_clear()
    yield
    compiler.compiler_options.cache_clear()


def test_known_options_are_used_and_compile():
    options = compiler.compiler_options()
    assert options in ({}, compiler.CPU_OPTIONS)
    assert compiler.jit(lambda x: 2 * x)(3.0) == 6.0


def test_products_of_bfloat16_have_options_of_their_own():
    options = compiler.compiler_options(jnp.bfloat16)
    assert options in ({}, compiler.CPU_OPTIONS, compiler.CPU_BFLOAT16_OPTIONS)
    double = compiler.jit(lambda x: 2 * x, dtype=jnp.bfloat16)
    assert double(jnp.ones((), jnp.bfloat16)) == 2.0


def test_unknown_options_are_dropped(monkeypatch):
    unknown = {"xla_no_such_option_at_all": ""}
    monkeypatch.setattr(compiler, "CPU_BFLOAT16_OPTIONS", unknown)
    assert compiler.compiler_options(jnp.bfloat16) == compiler.compiler_options()
    compiler.compiler_options.cache_clear()
    monkeypatch.setattr(compiler, "CPU_OPTIONS", unknown)
    assert compiler.compiler_options() == compiler.compiler_options(jnp.bfloat16) == {}
    assert compiler.jit(lambda x: 2 * x)(3.0) == 6.0


def test_accelerators_get_no_cpu_options(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler.compiler_options() == {}


def test_static_arguments_pass_through():
    double = compiler.jit(lambda x, n: x * n, static_argnums=1)
    assert double(3.0, 4) == 12.0


def test_the_cache_is_filled(tmp_path):
    program = (
        "import jax; from deblur_jax import compiler\n"
        "print(compiler.enable_compilation_cache())\n"
        "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)\n"
        "compiler.jit(lambda x: x @ x)(jax.numpy.ones((8, 8)))\n"
    )
    folder = tmp_path / "deep" / "cache"
    environment = os.environ | {compiler.CACHE_VARIABLE: str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(folder)
    assert list(folder.iterdir())


def test_a_cache_that_cannot_be_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(compiler.CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    assert compiler.enable_compilation_cache() is None
    monkeypatch.setenv(compiler.CACHE_VARIABLE, "")
    assert compiler.enable_compilation_cache() is None
    monkeypatch.delenv(compiler.CACHE_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert compiler.cache_folder() == tmp_path / ".cache" / "deblur_jax"


def test_mapped_functions_are_compiled_once_a_shape_and_give_their_state_away():
    traces = []

    def step(state, x):
        traces.append(x.shape)
        return {"sum": state["sum"] + jax.lax.psum(x.sum(), "devices")}, x.max()

    devices = jax.device_count()
    mapped = jax.pmap(
        step, axis_name="devices", in_axes=(None, 0), out_axes=(None, 0), donate_argnums=0
    )
    call = compiler.compile_mapped(mapped)
    first = {"sum": jax.numpy.zeros(3)}
    state = first
    for length in (2, 2, 5, 2):
        # The state comes from one device at first, then from all of them.
        state, largest = call(state, np.full((devices, length), 2.0, np.float32))
        assert largest.shape == (devices,)
    np.testing.assert_array_equal(state["sum"], 3 * [2.0 * devices * (2 + 2 + 5 + 2)])
    assert traces == [(2,), (5,)]
    assert first["sum"].is_deleted()


def test_mapped_functions_get_the_options(monkeypatch):
    given = []

    class Lowered:
        def compile(self, compiler_options):
            given.append(compiler_options)
            return lambda x: x + 1

    mapped = lambda x: x + 2  # noqa: E731
    mapped.lower = lambda x: Lowered()
    monkeypatch.setattr(compiler, "compiler_options", lambda: {"some_option": ""})
    assert compiler.compile_mapped(mapped)(1.0) == 2.0
    assert given == [{"some_option": ""}]
    monkeypatch.setattr(compiler, "compiler_options", dict)
    assert compiler.compile_mapped(mapped)(1.0) == 3.0
    monkeypatch.setattr(compiler, "compiler_options", lambda: {"some_option": ""})
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert compiler.compile_mapped(mapped)(1.0) == 3.0
