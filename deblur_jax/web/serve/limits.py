"""What the server takes: how large, how many, how slow."""

import math
from dataclasses import dataclass

from deblur_jax.errors import UsageError

MEGA = 10**6


@dataclass(frozen=True)
class Limits:
    """The server's bounds; all of them are told to whom they stop.

    Attributes:
      megabytes: of one upload, in millions of bytes.
      megapixels: of one picture.
      waiting: requests that are uploaded, wait or are answered at once; more are sent away.
      upload_seconds: that one upload may take.
      silent_seconds: without a byte, after which an upload, or a download, is ended.
      head_seconds: that a connection may take to send a request's head.
      connections: that may be open at once, idle ones too.
    """

    megabytes: float = 64
    megapixels: float = 50
    waiting: int = 32
    upload_seconds: float = 300
    silent_seconds: float = 15
    head_seconds: float = 15
    connections: int = 256

    def __post_init__(self) -> None:
        if not 0 < self.megabytes < math.inf:
            raise UsageError(f"{self.megabytes} megabytes leave no picture to restore")
        if not 0 < self.megapixels < math.inf:
            raise UsageError(f"{self.megapixels} megapixels leave no picture to restore")
        if self.waiting < 1:
            raise UsageError(f"{self.waiting} requests at once leave none to answer")

    @property
    def bytes(self) -> int:
        """The largest upload."""
        return int(self.megabytes * MEGA)

    @property
    def pixels(self) -> int:
        """The largest picture."""
        return int(self.megapixels * MEGA)

    @property
    def held(self) -> int:
        """Bytes of uploads that are held at once, and of results that wait to be fetched."""
        return 4 * self.bytes
