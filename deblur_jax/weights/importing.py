"""Networks of other projects into files of ours: what a file is, reading it, writing it.

`.pth`: DeblurGAN's authors, generator and critic. `.h5`: the Keras port's generator. A file is
known by its first bytes, not by its name.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from deblur_jax.atomic import reason
from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.models.config import OUTPUTS
from deblur_jax.weights import authors, keras_port, registry, torch_files
from deblur_jax.weights.imported import Imported


class Source(NamedTuple):
    """A network and the file that it was read from.

    Attributes:
      network: the network; its output mode is settled.
      card: what a file of ours will say of it.
    """

    network: Imported
    card: dict[str, Any]


def read(path: str | Path, output_mode: str | None = None) -> Source:
    """Reads a `.pth` of DeblurGAN's authors or an `.h5` of the Keras port; runs nothing in it.

    Args:
      path: the file.
      output_mode: `clip`, `average` or `tanh`, which no file says; None takes `clip` for a `.pth`,
        as training with --learn_residual gives, and `average` for an `.h5`.

    Raises:
      UserError: the file cannot be read, or is not what it should be; names the first key that does
        not fit.
      UsageError: an output mode that does not exist, or one for a critic.
    """
    if output_mode is not None and output_mode not in OUTPUTS:
        raise UsageError(f"--output-mode {output_mode}: it can be {', '.join(OUTPUTS)}")
    data = _bytes(Path(path))
    if data.startswith(keras_port.MAGIC):
        network = keras_port.read(data, str(path))
    elif data.startswith(torch_files.MAGIC):
        network = authors.read(torch_files.read_state_dict(data, str(path)), str(path))
    else:
        what = "is empty" if not data else "is neither a .pth of PyTorch nor an .h5 of Keras"
        raise UserError(f"{path} {what}")
    if output_mode is not None:
        network = network._replace(config=_with_output(network.config, output_mode, path))
    card = {
        "source": Path(path).name,
        "source_sha256": hashlib.sha256(data).hexdigest(),
        "layout": network.layout,
        "licence": "not stated in the file: that of whoever trained these weights",
    }
    return Source(network, card)


def write(output: str | Path, source: Source) -> str:
    """Writes the network in float32, exactly as it was read; returns the file's sha256.

    Raises:
      UserError: the file cannot be written.
    """
    network, card = source
    config = network.config
    if isinstance(config, CriticConfig):
        return registry.save_critic(output, config, network.params, card=card, dtype=np.float32)
    return registry.save(
        output,
        config,
        network.params,
        batch_stats=network.batch_stats,
        card=card,
        dtype=np.float32,
    )


def describe(network: Imported) -> str:
    """Layout, width, blocks, parameters and output mode in a line."""
    config = network.config
    count = sum(leaf.size for leaf in jax.tree.leaves(network.params))
    parts = [network.layout, f"width {config.width}"]
    if isinstance(config, GeneratorConfig):
        parts.append(f"{config.blocks} block{'s' if config.blocks != 1 else ''}")
    averages = sum(leaf.size for leaf in jax.tree.leaves(network.batch_stats))
    moving = f" and {averages:,} moving averages" if averages else ""
    parts.append(f"{count:,} parameters{moving}")
    if isinstance(config, GeneratorConfig):
        parts.append(f"output mode {config.output}")
    return ", ".join(parts)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(error)}") from error


def _with_output(
    config: GeneratorConfig | CriticConfig, mode: str, path: str | Path
) -> GeneratorConfig:
    if isinstance(config, CriticConfig):
        raise UsageError(f"--output-mode {mode}: {path} holds a critic, which has no output mode")
    return dataclasses.replace(config, output=mode)
