"""The command `python -m benchmarks.peers`; the package's docstring says what it does."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import command, machine, networks
from benchmarks.peers import contenders, materials, table, training
from benchmarks.peers.compare import compare
from benchmarks.peers.contenders import Contender
from benchmarks.peers.job import RESTORE, TRAINING_PARTS, Job, usable_cores
from benchmarks.peers.rounds import PAUSE_S
from deblur_jax.errors import UsageError

SIZE = 256  # pixels, of a picture to restore


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Times the same network here, in PyTorch, ONNX Runtime and OpenVINO.",
    )
    command.add_network(made)
    made.add_argument("--size", type=command.positive, help=f"pixels a side (default: {SIZE})")
    made.add_argument("--height", type=command.positive, help="pixels, with --width")
    made.add_argument("--width", type=command.positive, help="pixels")
    made.add_argument("--runs", type=command.positive, default=9, help="rounds")
    made.add_argument(
        "--contenders",
        metavar="A,B,…",
        help=f"of {', '.join(contenders.CONTENDERS)} (default: all that can do it)",
    )
    made.add_argument("--training", action="store_true", help="times a training step")
    made.add_argument("--part", choices=TRAINING_PARTS, help="of --training (default: step)")
    made.add_argument("--vgg-weights", metavar="FILE", help="of --training (default: random)")
    command.add_json(made)
    return made


def job_of(arguments: argparse.Namespace, folder: Path) -> Job:
    """What the arguments ask for, with the size as it was given.

    Raises:
      UsageError: arguments that do not go together.
    """
    if not arguments.training:
        for option in ("part", "vgg_weights"):
            if getattr(arguments, option) is not None:
                raise UsageError(f"--{option.replace('_', '-')} is for --training alone")
    elif arguments.weights is not None:
        raise UsageError("--training starts from a configuration, not from --weights")
    part = (arguments.part or "step") if arguments.training else RESTORE
    height, width = _size(arguments, training.SIZES.get(part, SIZE))
    return Job(
        folder, part, arguments.config, arguments.weights, height, width, usable_cores(),
        arguments.vgg_weights or "",
    )  # fmt: skip


def _size(arguments: argparse.Namespace, usual: int) -> tuple[int, int]:
    sides = (arguments.height, arguments.width)
    if sides == (None, None):
        return (arguments.size or usual,) * 2
    if None in sides or arguments.size is not None:
        raise UsageError("a size is either --size or both --height and --width")
    if arguments.training and sides[0] != sides[1]:
        raise UsageError(f"training is on square crops, not on {sides[1]}x{sides[0]} pixels")
    return sides


def write(job: Job, chosen: Sequence[Contender]) -> tuple[Job, dict[str, Any]]:
    """Writes the job's files; gives it with its padded size, and what is known of the network."""
    if job.part != RESTORE:
        setup = training.write(job)
        job.save()
        config = training.configuration(job)
        generator, params = setup.recipe.generator, setup.state.generator
        origin = {"config": job.config, "weights": None, "vgg_source": config.loss.vgg_source}
    else:
        network = networks.chosen(job.config, job.weights)
        generator, params = network.config, network.params
        rows, columns = networks.padded(job.height, job.width, generator)
        job = Job(**vars(job) | {"height": rows, "width": columns})
        wanted = [*chosen, contenders.reference(job.part)]
        modules = {m for each in wanted if each and not each.lacking() for m in each.modules}
        materials.write(job, network, modules)
        job.save()
        origin = network.origin | {"vgg_source": None}
    numbers = sum(int(leaf.size) for leaf in jax.tree.leaves(params))
    return job, origin | {"generator": generator.to_dict(), "parameters": numbers}


def _benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
    described = machine.describe()
    with tempfile.TemporaryDirectory(prefix="peers_") as folder:
        asked = job_of(arguments, Path(folder))
        chosen = contenders.chosen(arguments.contenders, asked.part)
        job, network = write(asked, chosen)
        found = compare(
            job, chosen, arguments.runs, np.random.default_rng(), pause=lambda: time.sleep(PAUSE_S)
        )
    return {
        "benchmark": "peers",
        "part": job.part,
        **network,
        **described,
        "height": asked.height,
        "width": asked.width,
        "padded_height": job.height,
        "padded_width": job.width,
        "batch": 1,
        "threads": job.threads,
        "pause_s": PAUSE_S,
        **found,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    jax.config.update("jax_platforms", "cpu")  # as in the contenders' processes
    return command.run(parser(), argv, _benchmark, table.sentences)


if __name__ == "__main__":
    sys.exit(main())
