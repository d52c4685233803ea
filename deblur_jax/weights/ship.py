"""Makes shipped weights of a training run.

    python -m deblur_jax.weights.ship --workdir DIR --name NAME [--gzip]

Writes `shipped/NAME.safetensors` in half precision, or that gzipped, and its hash into
`shipped/sha256.json`, where `registry.load` verifies it. The file says which preset and perceptual
loss trained it, and how many steps; the card for readers, `shipped/NAME.md`, is written by hand.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from deblur_jax.atomic import reason, write_text
from deblur_jax.errors import UserError
from deblur_jax.weights import registry


def ship(workdir: str, name: str, *, gzip: bool = False) -> str:
    """Writes the weights that a workdir has reached under a name; returns their sha256.

    What was there under that name goes.

    Raises:
      UserError: the workdir has no checkpoint, or the files cannot be written.
    """
    weights = registry.load(workdir)
    plain = registry.SHIPPED / f"{name}.safetensors"
    zipped = plain.with_name(f"{plain.name}.gz")
    path, other = (zipped, plain) if gzip else (plain, zipped)
    card = weights.card | {"name": name}
    digest = registry.save(
        path, weights.config, weights.params, batch_stats=weights.batch_stats, card=card
    )
    known = json.loads(registry.HASHES.read_text()) if registry.HASHES.exists() else {}
    write_text(registry.HASHES, json.dumps(known | {name: digest}, indent=2, sort_keys=True) + "\n")
    try:
        other.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot remove {other}, which has the same name: {reason(error)}"
        ) from error
    return digest


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Make shipped weights of a training run.")
    parser.add_argument("--workdir", required=True, help="folder of the run")
    parser.add_argument("--name", required=True, help="name under which they ship")
    parser.add_argument("--gzip", action="store_true", help="a smaller file, slower to load")
    options = parser.parse_args(arguments)
    try:
        digest = ship(options.workdir, options.name, gzip=options.gzip)
    except UserError as error:
        print(f"ship: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{options.name}: sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
