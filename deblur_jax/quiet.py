"""Keeps the libraries' own words off the terminal; called by entries, never by the package itself.

What goes wrong reaches the user as one sentence of ours. A setting that the user made stays.
"""

import os
import sys
from typing import Any

from absl import logging

# TensorFlow reads both when it is imported: notes and warnings of its C++ parts, and the word that
# oneDNN is on, which no level of logging holds back. It only moves pictures here.
_TENSORFLOW = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}


def quiet_libraries() -> None:
    """Silences Orbax, clu and TensorFlow, short of a fatal error; called before their import."""
    for name, value in _TENSORFLOW.items():
        os.environ.setdefault(name, value)
    logging.set_verbosity(logging.FATAL)
    sys.unraisablehook = _without_closed_loops


def _without_closed_loops(unraisable: Any) -> None:
    """Drops what TensorStore's threads say once a failed call has closed their event loop."""
    error = unraisable.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
        sys.__unraisablehook__(unraisable)
