"""Trains and evaluates: python main.py --config=configs/NAME.py --workdir=DIR [--mode=…].

This file is intentionally kept short: it reads flags and dispatches.
"""

import sys

from absl import app, flags
from ml_collections import config_flags

from deblur_jax.errors import UserError
from deblur_jax.huge_pages import start_again_with_huge_pages

MODES = ("train", "evaluate", "train_and_evaluate", "prepare", "calibrate")
_CONFIG = config_flags.DEFINE_config_file("config", None, "File of the configuration.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    MODES,
    "What to do; prepare decodes and makes the training pairs and shows them, calibrate weighs the "
    "terms of the generator's loss.",
)
_PROFILE = flags.DEFINE_bool("profile", False, "Leave a trace of a few steps in the workdir.")
# SLURM, Open MPI and TPU slices are found without them; see docs/launching.md.
_COORDINATOR = flags.DEFINE_string(
    "coordinator", "", "host:port of the first of several processes."
)
_PROCESSES = flags.DEFINE_integer("processes", 0, "How many processes train together.")
_PROCESS_ID = flags.DEFINE_integer("process-id", -1, "Number of this one, from 0 on.")


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the command line; what is wrong with it becomes one sentence and exit code 2."""
    try:
        rest = flags.FLAGS(argv)
        missing = [f"--{name}" for name in ("config", "workdir") if flags.FLAGS[name].value is None]
        if missing:
            raise ValueError(f"{' and '.join(missing)} must be given")
        if rest[1:]:
            raise ValueError(f"unexpected argument {rest[1]!r}")
        _ = _CONFIG.value.seed  # a file that could not be read says so only now
    except Exception as error:  # ml_collections raises whatever a config file raises
        from deblur_jax.training.config_errors import explain

        print(f"main.py: {explain(error)}", file=sys.stderr)
        sys.exit(2)
    return rest


def main(argv: list[str]) -> int:
    """Dispatches to training and evaluation; returns the exit code."""
    del argv
    from deblur_jax.compiler import enable_compilation_cache
    from deblur_jax.data.overview import prepare_run
    from deblur_jax.evaluation.run import evaluate_run
    from deblur_jax.quiet import quiet_libraries
    from deblur_jax.training import hosts
    from deblur_jax.training.calibrate import calibrate_run
    from deblur_jax.training.loop import train

    try:
        if not flags.FLAGS["verbosity"].present:
            quiet_libraries()
        hosts.join(_COORDINATOR.value, _PROCESSES.value, _PROCESS_ID.value)
        hosts.check_mode(_MODE.value)
        enable_compilation_cache()
        code = 0
        if _MODE.value == "prepare":
            prepare_run(_CONFIG.value, _WORKDIR.value)
        if _MODE.value == "calibrate":
            calibrate_run(_CONFIG.value, _WORKDIR.value)
        if _MODE.value in ("train", "train_and_evaluate"):
            code = train(_CONFIG.value, _WORKDIR.value, profile=_PROFILE.value)
        if _MODE.value in ("evaluate", "train_and_evaluate") and code == 0:
            code = 1 if "failed" in evaluate_run(_CONFIG.value, _WORKDIR.value) else 0
    except UserError as error:
        print(f"main.py: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # the disk, or a right that is missing
        print(f"main.py: {error.filename or 'error'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the first step; later ones save first
        print("main.py: interrupted", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    start_again_with_huge_pages()
    app.run(main, flags_parser=parse_flags)
