"""Keeps Pillow's warnings about odd files off the terminal, whichever threads read at once."""

import contextlib
import threading
import warnings
from collections.abc import Iterator

_lock = threading.Lock()
_readers = 0
_filters = contextlib.ExitStack()


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """No warning of any kind meanwhile.

    Python's own `catch_warnings` swaps the filters of the whole process: where threads overlap, the
    last to leave would bring back the filters of another one. Here the first puts them away and the
    last brings them back.
    """
    global _readers, _filters
    with _lock:
        _readers += 1
        if _readers == 1:
            _filters = contextlib.ExitStack()
            _filters.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if not _readers:
                _filters.close()
