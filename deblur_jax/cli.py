"""The command line: parses, calls `deblur_jax.commands`, prints, and gives the exit code.

0: all done; 1: some inputs failed, each named on stderr; 2: the call itself is wrong.
"""

import argparse
import os
import shlex
import sys
import textwrap
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from deblur_jax.errors import UserError
from deblur_jax.version import __version__

if TYPE_CHECKING:
    from deblur_jax.restore.files import Progress, Summary

INTERRUPTED = 130  # 128 + SIGINT
METHODS = ("trajectory", "camera", "gaussian", "median")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
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

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> Any:
        command = commands.add_parser(name, help=text, description=text, parents=[shared])
        command.set_defaults(run=run)
        return command

    _add_deblur(add("deblur", _deblur, "restore files, folders (recursively) and globs"))
    _add_evaluate(add("evaluate", _evaluate, "score weights over pairs of pictures"))
    _add_blur(add("blur", _blur, "make blurred copies of pictures"))
    _add_kernel_study(
        add("kernel-study", _kernel_study, "blur sharp pictures by three kernels and restore them")
    )
    _add_report(add("report", _report, "make a page, Markdown, CSV and plots of what was measured"))
    _add_make_pairs(
        add("make-pairs", _make_pairs, "average the frames of videos to pairs, as GoPro was made")
    )
    _add_import_weights(
        add("import-weights", _import_weights, "make weights of the authors' .pth or a Keras .h5")
    )
    _add_export_weights(
        add("export-weights", _export_weights, "write weights as a .pth of the authors' layout")
    )
    add("info", _info, "print versions, device, weights at hand and the cache folder")
    return parser


def _add_files(command: argparse.ArgumentParser, output: str) -> None:
    command.add_argument("inputs", nargs="+", metavar="INPUT", help="a file, a folder or a glob")
    command.add_argument("--output", required=True, metavar="PATH", help=output)
    command.add_argument("--overwrite", action="store_true", help="replace results that exist")


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights",
        default="default",
        metavar="NAME|PATH",
        help="a shipped name, a weights file, or a training workdir (default: %(default)s)",
    )
    command.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    command.add_argument(
        "--dropout",
        type=int,
        metavar="SEED",
        help="leave dropout on while restoring, as DeblurGAN's authors do (default: off)",
    )


def _add_deblur(command: argparse.ArgumentParser) -> None:
    _add_files(command, "a picture's path for one input, otherwise a folder")
    _add_model(command)
    command.add_argument(
        "--tile",
        default="auto",
        metavar="auto|none|PIXELS",
        help="restore large pictures in tiles of this side (default: %(default)s)",
    )
    command.add_argument(
        "--compare", action="store_true", help="also write NAME_compare.png, blurred | restored"
    )


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--pairs", metavar="DIR", help="a folder with blur/ and sharp/, input/ and target/, A/, B/"
    )
    source.add_argument(
        "--dataset", choices=("gopro", "kohler"), help="GoPro's test set or Köhler's benchmark"
    )
    command.add_argument(
        "--directory", metavar="DIR", help="where the data set was unpacked (GoPro has a default)"
    )
    command.add_argument(
        "--subset", choices=("linear", "gamma"), help="GoPro's blur/ or blur_gamma/"
    )
    command.add_argument("--output", required=True, metavar="FILE", help="results.json to write")
    command.add_argument("--protocol", choices=("full", "half", "resize256"), default="full")
    command.add_argument(
        "--filter",
        choices=("bicubic", "nearest"),
        default="bicubic",
        help="how half and resize256 shrink (default: %(default)s)",
    )
    command.add_argument("--limit", type=int, metavar="N", help="score only the first N pairs")
    command.add_argument(
        "--pictures",
        type=int,
        default=8,
        metavar="N",
        help="keep N pictures for a report, in a folder beside FILE (default: %(default)s)",
    )
    command.add_argument(
        "--perceptual",
        nargs="+",
        choices=("lpips", "niqe"),
        default=[],
        help="further scores (pip install 'deblur-jax[perceptual]')",
    )
    command.add_argument("--overwrite", action="store_true", help="replace results that exist")
    _add_model(command)


def _add_blur(command: argparse.ArgumentParser) -> None:
    _add_files(command, "a picture's path for one input, otherwise a folder")
    command.add_argument("--method", choices=METHODS, default="trajectory")
    command.add_argument(
        "--kernel-size", type=int, metavar="PIXELS", help="default: one that suits the method"
    )
    command.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    command.add_argument(
        "--constants", choices=("code", "paper"), help="trajectory: Algorithm 1's (default: code)"
    )
    command.add_argument(
        "--light",
        choices=("stored", "gamma", "srgb"),
        help="trajectory, camera: what is averaged, stored values or light (default: stored)",
    )
    command.add_argument(
        "--exposure",
        type=float,
        metavar="FRACTION",
        help="trajectory, camera: the shutter is open for this part of the path (default: 1)",
    )
    command.add_argument(
        "--noise",
        type=float,
        nargs=2,
        metavar=("READ", "SHOT"),
        help="add noise: standard deviation in grey levels everywhere, and from light at white",
    )
    command.add_argument(
        "--jpeg", type=int, metavar="QUALITY", help="pass the result through a JPEG file (1 to 100)"
    )
    command.add_argument(
        "--compat", choices=("official",), help="blur as the 2018 code of the authors does"
    )


def _add_kernel_study(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--images", required=True, metavar="DIR", help="a folder of sharp pictures (recursively)"
    )
    command.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="gets kernel_study.json, plots and sheets of pictures",
    )
    command.add_argument("--limit", type=int, metavar="N", help="study only the first N pictures")
    command.add_argument("--overwrite", action="store_true", help="replace a study that exists")
    _add_model(command)


def _add_report(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--results",
        nargs="+",
        default=[],
        metavar="[NAME=]FILE",
        help="results.json, kernel_study.json, a benchmark's JSON, metrics.jsonl or a workdir; "
        "NAME= gives the model another name",
    )
    command.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="gets index.html, report.md, tables/ (CSV) and plots/ (SVG)",
    )
    command.add_argument(
        "--weights",
        metavar="NAME|PATH",
        help="first measure the kernel study and pictures of other kinds with these weights",
    )
    command.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    command.add_argument("--overwrite", action="store_true", help="replace a report that exists")


def _add_make_pairs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "inputs",
        nargs="+",
        metavar="VIDEO|FRAMES",
        help="a video of many frames a second, or a folder of its frames as pictures",
    )
    command.add_argument(
        "--output",
        required=True,
        metavar="DIR",
        help="gets SCENE/{blur,blur_gamma,sharp}/NNNNNN.png (8 bits), the scene named as its input "
        "and the picture as the sharp frame's number, from 0",
    )
    command.add_argument(
        "--frames",
        default="7,9,11,13",
        metavar="N,N",
        help="how many frames to average, odd; each window draws one (default: %(default)s)",
    )
    command.add_argument(
        "--blurred",
        choices=("blur", "blur_gamma", "both"),
        default="both",
        help="blur: the mean of the stored values; blur_gamma: of light, for a gamma of 2.2 "
        "(default: %(default)s)",
    )
    command.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    command.add_argument("--limit", type=int, metavar="N", help="at most N pairs of each input")
    command.add_argument("--overwrite", action="store_true", help="replace pairs that exist")


def _add_import_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "input",
        metavar="FILE",
        help="a .pth of DeblurGAN's authors (generator or critic), or an .h5 of the Keras port",
    )
    command.add_argument("--output", required=True, metavar="PATH", help="weights file to write")
    command.add_argument(
        "--output-mode",
        choices=("clip", "average", "tanh"),
        help="what the network adds up to, which no file says (default: clip, of an .h5 average)",
    )
    command.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def _add_export_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "weights",
        metavar="WEIGHTS",
        help="a shipped name, a weights file (a critic's too), or a training workdir",
    )
    command.add_argument("--output", required=True, metavar="FILE", help=".pth to write")
    command.add_argument(
        "--critic", action="store_true", help="of a workdir, write the critic, not the generator"
    )
    command.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def _deblur(args: argparse.Namespace) -> int:
    from deblur_jax import commands

    return _through_files(
        args,
        lambda progress: commands.deblur(
            args.inputs,
            args.output,
            weights=args.weights,
            precision=args.precision,
            tile=args.tile,
            dropout=args.dropout,
            compare=args.compare,
            overwrite=args.overwrite,
            progress=progress,
        ),
    )


def _blur(args: argparse.Namespace) -> int:
    from deblur_jax import commands

    return _through_files(
        args,
        lambda progress: commands.blur(
            args.inputs,
            args.output,
            method=args.method,
            kernel_size=args.kernel_size,
            seed=args.seed,
            constants=args.constants,
            light=args.light,
            exposure=args.exposure,
            noise=None if args.noise is None else (args.noise[0], args.noise[1]),
            jpeg=args.jpeg,
            compat=args.compat,
            overwrite=args.overwrite,
            progress=progress,
        ),
    )


def _evaluate(args: argparse.Namespace) -> int:
    from deblur_jax import commands
    from deblur_jax.evaluation.results import summary
    from deblur_jax.progress import Reporter

    with Reporter("pair") as reporter:
        results = commands.evaluate(
            args.output,
            pairs=args.pairs,
            dataset=args.dataset,
            directory=args.directory,
            subset=args.subset,
            protocol=args.protocol,
            filter=args.filter,
            weights=args.weights,
            precision=args.precision,
            dropout=args.dropout,
            limit=args.limit,
            pictures=args.pictures,
            perceptual=args.perceptual,
            overwrite=args.overwrite,
            command=args.call,
            progress=reporter.item,
            say=reporter.say,
        )
    if results is None:
        print(f"{args.output}: exists and was skipped (--overwrite replaces it)")
        return 0
    print(summary(results))
    return 1 if "failed" in results else 0


def _kernel_study(args: argparse.Namespace) -> int:
    from deblur_jax import commands
    from deblur_jax.evaluation.kernel_study.findings import table
    from deblur_jax.progress import Reporter

    with Reporter() as reporter:
        study = commands.kernel_study(
            args.images,
            args.output,
            weights=args.weights,
            precision=args.precision,
            dropout=args.dropout,
            limit=args.limit,
            overwrite=args.overwrite,
            progress=reporter.job,
        )
    if study is None:
        print(f"{args.output}: holds a study, which was skipped (--overwrite replaces it)")
        return 0
    print(table(study.document["summary"]))
    print(textwrap.fill(study.document["conclusion"], 100))
    print(f"{args.output}: {study.summary}")
    return 1 if study.summary.failed else 0


def _report(args: argparse.Namespace) -> int:
    from deblur_jax import commands
    from deblur_jax.progress import Reporter

    with Reporter() as reporter:
        said = commands.report(
            args.results,
            args.output,
            weights=args.weights,
            precision=args.precision,
            overwrite=args.overwrite,
            progress=reporter.item,
        )
    print(said)
    return 0


def _make_pairs(args: argparse.Namespace) -> int:
    from deblur_jax import commands
    from deblur_jax.data.video.scenes import summary
    from deblur_jax.progress import FrameReporter

    with FrameReporter() as reporter:
        scenes = commands.make_pairs(
            args.inputs,
            args.output,
            frames=args.frames,
            blurred=args.blurred,
            seed=args.seed,
            limit=args.limit,
            overwrite=args.overwrite,
            frame_progress=reporter.frame,
            scene_progress=reporter.scene,
        )
    print(f"{args.output}: {summary(scenes)}")
    return 1 if any(scene.failure for scene in scenes) else 0


def _import_weights(args: argparse.Namespace) -> int:
    from deblur_jax import commands

    print(
        commands.import_weights(
            args.input, args.output, output_mode=args.output_mode, overwrite=args.overwrite
        )
    )
    return 0


def _export_weights(args: argparse.Namespace) -> int:
    from deblur_jax import commands

    print(
        commands.export_weights(
            args.weights, args.output, critic=args.critic, overwrite=args.overwrite
        )
    )
    return 0


def _info(_args: argparse.Namespace) -> int:
    from deblur_jax import commands

    print(commands.info())
    return 0


def _through_files(args: argparse.Namespace, command: Callable[["Progress"], "Summary"]) -> int:
    from deblur_jax.progress import Reporter

    with Reporter() as reporter:
        summary = command(reporter.job)
    print(f"{args.output}: {summary}")
    return 1 if summary.failed else 0


def _guarded(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    from deblur_jax.quiet import quiet_libraries

    if not getattr(args, "debug", False):
        quiet_libraries()
    if args.run is not _info:
        from deblur_jax.compiler import enable_compilation_cache

        enable_compilation_cache()
    code = run(args)
    sys.stdout.flush()  # a closed pipe shows here, not while Python shuts down
    return code


def _complain(sentence: str, code: int) -> int:
    print(f"deblur-jax: {sentence}", file=sys.stderr)
    return code
