"""Weights of this package as a `.pth` that the code of DeblurGAN's authors loads."""

import os
from pathlib import Path
from typing import Any

from deblur_jax.weights import authors, registry, tensor_file, torch_files

# How the authors' test script gets the output mode, which a state dict does not hold.
_OUTPUTS = {
    "clip": "restores with --learn_residual",
    "tanh": "restores without --learn_residual",
    "average": "their code has no output mode 'average'",
}


def export(weights: str, output: str | Path, *, critic: bool = False) -> str:
    """Writes a generator or a critic in the authors' layout; float32, exactly.

    Args:
      weights: a shipped name, a file or a workdir, as `registry.load` takes it; or a critic's file.
      output: the `.pth` to write.
      critic: takes a workdir's critic; for a critic's file it need not be said.

    Returns:
      What was written, in a line.

    Raises:
      UserError: no such weights, a network that the layout cannot hold, no PyTorch, or a file that
        cannot be written.
    """
    loaded: Any
    place = Path(os.path.expanduser(weights))  # noqa: PTH111
    if critic or tensor_file.kind_of(place) == "critic":
        loaded = registry.load_critic(weights)
        said = "the authors' critic"
    else:
        loaded = registry.load(weights)
        year = "2018" if loaded.config.block_convolutions == 2 else "2019"
        said = f"the authors' generator of {year}; {_OUTPUTS[loaded.config.output]}"
    torch_files.write_state_dict(output, authors.state_dict(loaded.config, loaded.params))
    return said
