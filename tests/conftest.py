"""Fixtures shared by all tests.

Eight virtual CPU devices are asked for before JAX starts, so that the parallel tests run on any
machine; everything else uses the first of them.
"""

import os
from pathlib import Path

FLAG = "--xla_force_host_platform_device_count"
if FLAG not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}=8".strip()

import numpy as np  # noqa: E402
import pytest  # noqa: E402


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
