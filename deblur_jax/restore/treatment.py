"""How much of a restoration is taken: its strength, and whether colours may change."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deblur_jax.errors import UsageError
from deblur_jax.images.picture import LUMA

Array = NDArray[Any]


@dataclass(frozen=True)
class Treatment:
    """What is made of a picture and its restoration.

    Attributes:
      strength: 0 gives the picture as it was, 1 its restoration, between them a mean of the two.
      luminance_only: takes only the change of the luma (ITU-R BT.601); Cb and Cr stay as they were.
    """

    strength: float = 1.0
    luminance_only: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:  # NaN is refused as well
            raise UsageError(f"a strength of {self.strength} is not possible; it can be 0 to 1")

    def apply(self, blurred: Array, restored: Array) -> Array:
        """Both float32[H, W, 3] in [0, 1]; the same comes back, `restored` itself where it is all.

        Values are mixed as they are stored, not as light: so does a browser that lays one picture
        over the other.
        """
        if self.strength == 1.0 and not self.luminance_only:
            return restored
        change = restored - blurred
        if self.luminance_only:
            # The same step for all three channels moves the luma alone: its weights sum up to 1.
            change = (change @ np.array(LUMA, np.float32))[..., None]
        return (blurred + np.float32(self.strength) * change).clip(0, 1)


AS_IT_IS = Treatment()
