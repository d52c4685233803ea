"""A configuration read from its file, `configs/NAME.py` or `configs/NAME.py:ARG`."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from deblur_jax.errors import UsageError

_REPOSITORY = Path(__file__).resolve().parents[1]


def load(name: str) -> Any:
    """Runs the file's `get_config`, with ARG if there is one.

    Returns:
      An `ml_collections.ConfigDict`.

    Raises:
      UsageError: there is no such file, or it gives no configuration.
    """
    text, _, argument = name.partition(":")
    path = Path(text).expanduser()
    if not path.is_file():
        raise UsageError(f"there is no configuration file {path}")
    spec = importlib.util.spec_from_file_location("benchmarked_config", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    if str(_REPOSITORY) not in sys.path:  # presets import `configs.default`
        sys.path.append(str(_REPOSITORY))
    try:
        spec.loader.exec_module(module)
        config = module.get_config(*([argument] if argument else []))
        _ = config.model.generator
    except Exception as error:  # a file of the user's own raises whatever it raises
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(f"{name} gives no configuration ({problem})") from error
    return config
