"""Which photographs pairs can be made of: whole pictures, and large enough."""

from collections.abc import Sequence
from pathlib import Path

from deblur_jax.data.synthetic import crops
from deblur_jax.data.threads import in_threads
from deblur_jax.errors import UserError
from deblur_jax.images import read_rgb


def sound(photographs: Sequence[Path], size: int) -> tuple[list[Path], list[str]]:
    """Reads each photograph that is large enough, to its end.

    Args:
      photographs: picture files.
      size: least length of the shorter side in pixels.

    Returns:
      The photographs without those that cannot be read, and a sentence for each of these.

    Raises:
      UserError: none that can be read is large enough.
    """

    def fault(number: int) -> str | None:
        try:
            if crops.shorter_side(photographs[number]) >= size:
                read_rgb(photographs[number])
        except UserError as error:
            return str(error)
        return None

    faults = in_threads(fault, len(photographs), None, "looking at photographs", "photograph")
    whole = [path for path, found in zip(photographs, faults, strict=True) if found is None]
    broken = [found for found in faults if found is not None]
    if not whole:
        raise UserError(f"none of {len(photographs)} photographs can be used: {broken[0]}")
    crops.usable(whole, size)
    return whole, broken
