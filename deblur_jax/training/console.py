"""What a run says on standard output: a line that moves on a terminal, plain lines in a file."""

import sys
import time

PERIOD = 0.5  # seconds between changes of the moving line
_CLEAR = "\r\x1b[K"


class Console:
    """Lines for good, and between them one that shows how far the run is."""

    def __init__(self, *, quiet: bool = False) -> None:
        """`quiet` says nothing at all, as all processes but one do."""
        self._quiet = quiet
        self._moving = sys.stdout.isatty() and not quiet
        self._shown, self._at = False, -PERIOD

    def line(self, text: str) -> None:
        """A line that stays."""
        if not self._quiet:
            print(f"{self._clear()}{text}", flush=True)

    def warn(self, text: str) -> None:
        """A line that stays, on standard error."""
        if not self._quiet:
            print(self._clear(), end="", flush=True)
            print(f"warning: {text}", file=sys.stderr, flush=True)

    def progress(self, text: str) -> None:
        """Changes the moving line; nothing where there is no terminal."""
        now = time.monotonic()
        if self._moving and now - self._at >= PERIOD:
            print(f"{_CLEAR}{text}", end="", flush=True)
            self._shown, self._at = True, now

    def close(self) -> None:
        """Takes the moving line away."""
        print(self._clear(), end="", flush=True)

    def _clear(self) -> str:
        shown, self._shown = self._shown, False
        return _CLEAR if shown else ""
