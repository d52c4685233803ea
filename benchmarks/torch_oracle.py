"""The networks in PyTorch that the tests hold ours against: `tests/golden/torch_networks.py`.

What is timed is what is proven to be the same network.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parents[1] / "tests" / "golden"


def torch_networks() -> Any:
    """The module; PyTorch must be installed."""
    if str(_FOLDER) not in sys.path:
        sys.path.append(str(_FOLDER))
    return importlib.import_module("torch_networks")
