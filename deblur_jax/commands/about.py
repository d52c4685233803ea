"""What is installed and at hand."""

import platform
from importlib import metadata

from deblur_jax.compiler import cache_folder
from deblur_jax.data.store import stores_at_hand
from deblur_jax.errors import UserError
from deblur_jax.evaluation.device import device_name
from deblur_jax.version import __version__
from deblur_jax.weights import registry

LIBRARIES = ("jax", "jaxlib", "flax", "numpy", "pillow", "tensorflow-cpu", "tensorflow")


def info() -> str:
    """Versions, device, shipped weights with their hashes, and what is cached, a line each."""
    lines = [f"deblur-jax {__version__}", f"python {platform.python_version()}"]
    for library in LIBRARIES:
        try:
            lines.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            continue
    lines.append(f"device {device_name()}")
    for name in registry.names():
        try:
            lines.append(f"weights {name} sha256 {registry.load(name).sha256}")
        except UserError as error:
            lines.append(f"weights {name}: {error}")
    if not registry.names():
        lines.append("weights none shipped")
    lines.append(f"cache {cache_folder() or 'off'}")
    decoded = stores_at_hand()
    if decoded:
        size = sum(path.stat().st_size for store in decoded for path in store.glob("*.npy")) / 1e9
        sets = f"{len(decoded)} set{'s' if len(decoded) > 1 else ''}"
        where = f"in {decoded[0].parent} (may be deleted)"
        lines.append(f"decoded pairs {sets}, {size:.1f} GB, {where}")
    return "\n".join(lines)
