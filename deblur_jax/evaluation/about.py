"""What a document says of its own making: the weights, the call, the versions and the time."""

import platform
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from deblur_jax.version import __version__

_LIBRARIES = ("jax", "jaxlib", "flax", "numpy", "pillow")
# What a card may tell beside name and hash, and of which type it then is.
_OF_CARD: dict[str, type] = {"preset": str, "step": int, "loss": dict}


def versions() -> dict[str, str]:
    """Of this package, of Python, and of the libraries that a score depends on."""
    own = {"deblur_jax": __version__, "python": platform.python_version()}
    return own | {library: metadata.version(library) for library in _LIBRARIES}


def now() -> str:
    """The time in UTC, to the second, such as `2026-11-24T08:15:00+00:00`."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def of_weights(weights: Any) -> dict[str, Any]:
    """Name and sha256, and of the card the preset, step and loss that trained the weights."""
    card = getattr(weights, "card", None) or {}
    told = {key: card.get(key) for key, kind in _OF_CARD.items() if isinstance(card.get(key), kind)}
    return {"name": weights.name, "sha256": weights.sha256} | told


def of_call(
    restorer: Any, *, command: str | None, limit: int | None, devices: int
) -> dict[str, Any]:
    """{"precision", "dropout", "self_ensemble", "limit", "command", ...} of a document.

    Precision, dropout and self-ensemble are the restorer's, null where it has none.
    """
    return {
        "precision": getattr(restorer, "precision", None),
        "dropout": getattr(restorer, "dropout", None),
        "self_ensemble": getattr(restorer, "self_ensemble", None),
        "limit": limit,
        "command": command,
        "date": now(),
        "versions": versions(),
        "devices": devices,
    }
