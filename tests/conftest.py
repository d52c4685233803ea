"""Fixtures shared by all tests.

Eight virtual CPU devices are asked for before JAX starts, so that the parallel tests run on any
machine; everything else uses the first of them. XLA is told to optimise little: the tests' networks
are tiny, and compiling them takes most of the suite's time.
"""

import os
from collections.abc import Iterator
from pathlib import Path

FLAGS = {
    "--xla_force_host_platform_device_count": "8",
    "--xla_backend_optimization_level": "0",
    "--xla_llvm_disable_expensive_passes": "true",
}
given = os.environ.get("XLA_FLAGS", "")
added = [f"{flag}={value}" for flag, value in FLAGS.items() if flag not in given]
os.environ["XLA_FLAGS"] = " ".join([given, *added]).strip()

# Compiled programs are shared between tests, with the programs that they start, and with the next
# run; nothing is written into the user's own cache.
CACHE = Path(__file__).resolve().parents[1] / ".pytest_cache" / "compiled"
os.environ["DEBLUR_JAX_CACHE"] = os.environ["JAX_COMPILATION_CACHE_DIR"] = str(CACHE)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

# Each program that XLA compiles for the CPU takes some mappings of memory; Linux gives a process
# 65530, and the suite would use them up: then XLA crashes, wherever it happens to be.
MAPPINGS = Path("/proc/self/maps")
MOST_MAPPINGS = 20_000


@pytest.fixture(autouse=True, scope="module")
def _few_mappings() -> Iterator[None]:
    """Lets compiled programs go after a file of tests, once there are many."""
    yield
    if MAPPINGS.exists() and MAPPINGS.read_bytes().count(b"\n") > MOST_MAPPINGS:
        jax.clear_caches()


def shared_data_root() -> Path:
    """Where the development data lies, whether it is there or not."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("DEBLUR_SHARED_DATA", default))


@pytest.fixture
def shared_data() -> Path:
    """The development data (real GoPro and REDS pairs, photographs, VGG19); skips without it."""
    root = shared_data_root()
    if not root.is_dir():
        pytest.skip(f"development data is not at {root} (set DEBLUR_SHARED_DATA)")
    return root


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
