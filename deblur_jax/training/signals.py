"""SIGTERM and SIGINT: what ends a run in good order."""

import signal
from types import FrameType, TracebackType
from typing import Any


class Stopped(BaseException):
    """A signal came before there was anything to save."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Signals:
    """While it is entered, the first signal ends nothing: it is noted, or raised as `Stopped`.

    It is raised while a run is set up, which may take minutes, and noted once `noting` is true. A
    second signal ends the process at once. Outside the main thread nothing is handled.

    Attributes:
      caught: number of the signal that came, or 0.
      noting: whether the next one is only noted.
    """

    def __init__(self) -> None:
        self.caught = 0
        self.noting = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        handled = (signal.SIGTERM, signal.SIGINT)
        before: dict[int, Any] = {number: signal.getsignal(number) for number in handled}
        try:
            for number in handled:
                signal.signal(number, self._note)
        except ValueError:  # not in the main thread: then nobody sends us signals
            return self
        self._before = before
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.caught = number
        signal.signal(number, self._before[number])
        if not self.noting:
            raise Stopped(number)
