"""The command line: parses, calls `deblur_jax.commands`, prints, and gives the exit code.

0: all done; 1: some inputs failed, each named on stderr; 2: the call itself is wrong.
"""

import argparse
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence

from deblur_jax.cli import arguments, runs
from deblur_jax.errors import UserError
from deblur_jax.huge_pages import start_again_with_huge_pages
from deblur_jax.version import __version__

INTERRUPTED = 130  # 128 + SIGINT
Run = Callable[[argparse.Namespace], int]
# Name, what carries it out, what adds its arguments, and what it does.
COMMANDS: tuple[tuple[str, Run, Callable[[argparse.ArgumentParser], None], str], ...] = (
    ("deblur", runs.deblur, arguments.add_deblur, "restore pictures, folders, globs and videos"),
    ("serve", runs.serve, arguments.add_serve, "a page in the browser that restores pictures"),
    ("evaluate", runs.evaluate, arguments.add_evaluate, "score weights over pairs of pictures"),
    ("blur", runs.blur, arguments.add_blur, "make blurred copies of pictures"),
    (
        "kernel-study",
        runs.kernel_study,
        arguments.add_kernel_study,
        "blur sharp pictures by three kernels and restore them",
    ),
    (
        "report",
        runs.report,
        arguments.add_report,
        "make a page, Markdown, CSV and plots of what was measured",
    ),
    (
        "make-pairs",
        runs.make_pairs,
        arguments.add_make_pairs,
        "average the frames of videos to pairs, as GoPro was made",
    ),
    (
        "import-weights",
        runs.import_weights,
        arguments.add_import_weights,
        "make weights of the authors' .pth or a Keras .h5",
    ),
    (
        "export-weights",
        runs.export_weights,
        arguments.add_export_weights,
        "write weights as a .pth of the authors' layout",
    ),
    (
        "export",
        runs.export,
        arguments.add_export,
        "write a file that JAX alone restores pictures with",
    ),
    (
        "info",
        runs.info,
        lambda _command: None,
        "print versions, device, weights at hand and the cache folder",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command, of the process' own arguments without `argv`, and returns its exit code."""
    if argv is None:
        start_again_with_huge_pages()
    try:
        args = build_parser().parse_args(argv)
        args.call = shlex.join(["deblur-jax", *(sys.argv[1:] if argv is None else argv)])
    except SystemExit as stop:  # --help, --version, or an error that argparse has explained
        return int(stop.code or 0)
    debug = getattr(args, "debug", False)
    try:
        return _guarded(args.run, args)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        if debug:
            traceback.print_exc()
        return _complain("interrupted", INTERRUPTED)
    except UserError as error:
        if debug:
            traceback.print_exc()
        return _complain(str(error), error.exit_code)
    except OSError as error:  # the disk, or a pipe: not ours to explain further
        if debug:
            traceback.print_exc()
        named = f"{error.filename}: " if error.filename else ""
        return _complain(f"{named}{error.strerror or error}", 1)
    except MemoryError:
        return _complain("not enough memory", 1)
    except Exception as error:
        if debug:
            raise
        text = " ".join(str(error).split())[:300]
        return _complain(
            f"internal error, {type(error).__name__}: {text} (--debug shows where it comes from)", 1
        )


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands. Each sets `run`, the function that carries it out."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show tracebacks",
    )
    parser = argparse.ArgumentParser(
        prog="deblur-jax", description="Restores motion-blurred photographs.", parents=[shared]
    )
    parser.add_argument("--version", action="version", version=f"deblur-jax {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    for name, run, add_arguments, text in COMMANDS:
        command = commands.add_parser(name, help=text, description=text, parents=[shared])
        command.set_defaults(run=run)
        add_arguments(command)
    return parser


def _guarded(run: Run, args: argparse.Namespace) -> int:
    from deblur_jax.quiet import quiet_libraries

    if not getattr(args, "debug", False):
        quiet_libraries()
    if args.run is not runs.info:
        from deblur_jax.compiler import enable_compilation_cache

        enable_compilation_cache()
    code = run(args)
    sys.stdout.flush()  # a closed pipe shows here, not while Python shuts down
    return code


def _complain(sentence: str, code: int) -> int:
    print(f"deblur-jax: {sentence}", file=sys.stderr)
    return code
