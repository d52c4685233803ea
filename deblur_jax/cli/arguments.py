"""The arguments of each command."""

import argparse

METHODS = ("trajectory", "camera", "gaussian", "median")
FORMATS = ("png", "jpeg", "jpg", "webp", "tiff", "tif", "bmp", "avif", "heic")


def add_files(command: argparse.ArgumentParser, output: str) -> None:
    command.add_argument("inputs", nargs="+", metavar="INPUT", help="a file, a folder or a glob")
    command.add_argument("--output", required=True, metavar="PATH", help=output)
    command.add_argument("--overwrite", action="store_true", help="replace results that exist")


def add_model(command: argparse.ArgumentParser) -> None:
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
    command.add_argument(
        "--self-ensemble",
        type=int,
        default=1,
        metavar="1|2|4|8",
        help="restore so many mirrored and turned versions and take their mean: a little better, "
        "as many times as slow (default: %(default)s)",
    )


def add_deblur(command: argparse.ArgumentParser) -> None:
    add_files(command, "a picture's (or video's) path for one input, otherwise a folder")
    add_model(command)
    _add_division(command)
    command.add_argument(
        "--strength",
        type=float,
        default=1.0,
        metavar="0..1",
        help="how much of the restoration is taken, 0.5 is halfway (default: %(default)s)",
    )
    command.add_argument(
        "--luminance-only",
        action="store_true",
        help="keep the colours as they were and take the change of brightness alone",
    )
    command.add_argument(
        "--format",
        choices=FORMATS,
        help="of the results (default: each input's own; PNG where that cannot be written)",
    )
    command.add_argument(
        "--quality",
        type=int,
        metavar="1..100",
        help="of JPEG, WebP, AVIF and HEIC (default: as the input's)",
    )
    command.add_argument(
        "--compare",
        action="store_true",
        help="also write blurred | restored: NAME_compare.png, of a video in its own format",
    )
    command.add_argument(
        "--preview",
        type=int,
        nargs="?",
        const=512,
        metavar="PIXELS",
        help="restore only the middle of each picture (default: %(const)s pixels square) and write "
        "it beside its original as NAME_preview.png",
    )
    command.epilog = (
        "The weights are for motion blur of a moving camera. Long streaks become softer and may "
        "keep a double contour; what was out of focus, noise and blocks of JPEG stay."
    )


def _add_division(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tile",
        default="auto",
        metavar="auto|none|PIXELS",
        help="restore large pictures in tiles of this side (default: %(default)s)",
    )
    command.add_argument(
        "--max-memory",
        metavar="SIZE",
        help="what restoring a picture may take, such as 4G, before it is divided "
        "(default: by what is free)",
    )


def add_serve(command: argparse.ArgumentParser) -> None:
    add_model(command)
    _add_division(command)
    command.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; other than the default, other machines reach it "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)"
    )
    command.add_argument(
        "--max-megabytes", type=float, default=64, help="of one upload (default: %(default)s)"
    )
    command.add_argument(
        "--max-megapixels", type=float, default=50, help="of one picture (default: %(default)s)"
    )
    command.add_argument(
        "--max-waiting",
        type=int,
        default=32,
        help="requests at once; more are sent away (default: %(default)s)",
    )


def add_export(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--output", required=True, metavar="FILE", help="jax.export artifact to write"
    )
    command.add_argument("--weights", default="default", metavar="NAME|PATH")
    command.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    command.add_argument(
        "--values",
        choices=("uint8", "float32"),
        default="uint8",
        help="type of pictures, uint8 to 255 or float32 to 1 (default: %(default)s)",
    )
    command.add_argument(
        "--platforms",
        nargs="+",
        choices=("cpu", "cuda", "rocm", "tpu"),
        default=["cpu", "cuda", "tpu"],
        help="what it shall run on (default: %(default)s)",
    )
    command.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def add_evaluate(command: argparse.ArgumentParser) -> None:
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
    add_model(command)


def add_blur(command: argparse.ArgumentParser) -> None:
    add_files(command, "a picture's path for one input, otherwise a folder")
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


def add_kernel_study(command: argparse.ArgumentParser) -> None:
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
    add_model(command)


def add_report(command: argparse.ArgumentParser) -> None:
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


def add_make_pairs(command: argparse.ArgumentParser) -> None:
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


def add_import_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "input",
        metavar="FILE",
        help="a .pth of DeblurGAN's authors (generator or critic), or an .h5 of the Keras port",
    )
    command.add_argument(
        "--output", required=True, metavar="PATH", help="weights file to write; gzipped with .gz"
    )
    command.add_argument(
        "--output-mode",
        choices=("clip", "average", "tanh"),
        help="what the network adds up to, which no file says (default: clip, of an .h5 average)",
    )
    command.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def add_export_weights(command: argparse.ArgumentParser) -> None:
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
