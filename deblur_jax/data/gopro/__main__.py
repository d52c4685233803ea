"""`python -m deblur_jax.data.gopro`: fetches GOPRO_Large, unpacks it and checks it."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from deblur_jax.atomic import reason
from deblur_jax.data.gopro.fetch import SHA256, URL, fetch
from deblur_jax.data.gopro.pairs import COMMAND, default_directory, unpacked
from deblur_jax.data.gopro.scenes import GOPRO
from deblur_jax.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0 complete, 1 failed, 2 a wrong call, 130 ^C."""
    options = _parser().parse_args(argv)
    try:
        root = fetch(
            options.directory.expanduser(),
            archive=options.zip,
            url=options.url,
            sha256=options.sha256,
            say=lambda sentence: print(sentence, file=sys.stderr, flush=True),
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # such as a folder on the way that may not be looked into
        print(f"error: {error.filename}: {reason(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from there", file=sys.stderr)
        return 130
    print(_next_steps(root))
    return 0


def _next_steps(root: Path) -> str:
    folder = shlex.quote(str(root))
    at_home = root == unpacked(default_directory())
    pairs = "--dataset gopro" if at_home else f"--pairs {shlex.quote(str(root / 'test'))}"
    return (
        f"GoPro is complete at {root}: {GOPRO.train_pairs} training pairs, {GOPRO.test_pairs} test"
        " pairs; its zip is not needed any more\n"
        f"train:  python main.py --config=configs/best.py --workdir=out/gopro"
        f" --config.data.pairs={folder} --config.data.split=train_fit"
        f" --config.data.validation={folder} --config.data.validation_split=validation\n"
        f"score:  deblur-jax evaluate {pairs} --output results.json --weights out/gopro"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Fetches GOPRO_Large (about 9 GB, and as much again unpacked; CC BY 4.0),"
        " verifies, unpacks and checks it. The same command goes on after an interruption.",
    )
    parser.add_argument(
        "--directory", type=Path, default=default_directory().parent, metavar="DIR",
        help="folder that gets GOPRO_Large/ and its zip, or has them (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--zip", type=Path, metavar="FILE", help="a GOPRO_Large.zip you have")
    parser.add_argument(
        "--sha256", default=SHA256, metavar="HASH",
        help="the zip's SHA-256; the default is one repository's claim, not verified here",
    )  # fmt: skip
    parser.add_argument("--url", default=URL, help="where to fetch it from (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
