"""Pairs that are made before training, beside those that are read."""

from collections.abc import Sequence
from typing import Any, Protocol


class Pool(Protocol):
    """Pairs of one size that are made, not read."""

    @property
    def labels(self) -> Sequence[str]:
        """Of each pair, the part that it belongs to."""

    @property
    def count(self) -> int:
        """How many pairs."""

    @property
    def size(self) -> int:
        """Pixels, their side."""

    @property
    def stamp(self) -> Any:
        """A value for JSON that changes when the pixels do."""

    def sound(self) -> tuple["Pool", list[str]]:
        """The pool without the photographs that cannot be used, and a sentence for each of these.

        Raises:
          UserError: nothing is left to make pairs of.
        """

    def make(self, blurred: Any, sharp: Any) -> None:
        """Assigns each picture to `blurred[i]` and `sharp[i]`, uint8[count, size, size, 3]."""
