"""What each choice of the recipe `best` is worth: short trainings that differ in one thing each.

    python -m benchmarks.ablation --data DATA --workdir out/ablation --pairs DIR … --json FILE

Each variant is a run of `main.py` with `configs/fast.py`, `COMMON` and its own changes, and is then
scored by `deblur-jax evaluate` over each folder of pairs. What is finished in the workdir is not
done again, so that the call can be interrupted, and made again with `--only NAME …`. Steps are as
many for all of a group; beside the scores stands the processor time, which other work on the
machine changes little.

A gain is the mean of restored PSNR less that of the blurred picture. Runs so short order choices;
they do not say how good a full training becomes.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import command, machine
from deblur_jax import atomic
from deblur_jax.errors import UserError

CONFIG = "configs/fast.py"
# Small enough for two cores; all else in `base` is `best` with the network of `fast`.
COMMON = (
    "--config.loss.pixel=psnr",
    "--config.loss.grid_weight=0",
    "--config.train.optimizer=adam",
    "--config.train.steps=2000",
    "--config.train.warmup_steps=200",
    "--config.train.batch_size=8",
    "--config.data.crop=128",
    "--config.data.synthetic=4000",
    "--config.train.precision=float32",
    "--config.train.validate_every=0",
    "--config.train.images_every=0",
)
REAL_ONLY = ("--config.data.synthetic=0", "--config.data.photographs=")
NO_REAL = "--config.data.mixture=()"
CRITIC = (
    "--config.train.batch_size=2",
    "--config.train.steps=1000",
    "--config.loss.adversarial_weight=0.01",
)


class Variant(NamedTuple):
    """A training: which choice it asks after, and what it changes from `base`."""

    choice: str
    changes: tuple[str, ...] = ()


VARIANTS = {
    "base": Variant("the recipe"),
    "real": Variant("data", REAL_ONLY),
    "synthetic": Variant("data", (NO_REAL,)),
    "trajectory": Variant(
        "data",
        (
            NO_REAL,
            "--config.data.shares.camera=0",
            "--config.data.shares.trajectory=1",
        ),
    ),
    "gamma": Variant("data", ("--config.data.shares.gamma=1",)),
    "nafnet": Variant(
        "network",
        (
            "--config.model.generator=nafnet",
            "--config.model.width=32",
            "--config.model.blocks=8",
            "--config.model.outer_blocks=(1,1)",
        ),
    ),
    "l1": Variant("loss", ("--config.loss.pixel=l1",)),
    "charbonnier": Variant("loss", ("--config.loss.pixel=charbonnier",)),
    "mse": Variant("loss", ("--config.loss.pixel=mse",)),
    "perceptual": Variant("loss", ("--config.loss.perceptual_weight=1e-5",)),
    "muon": Variant("optimizer", ("--config.train.optimizer=muon",)),
    "no_average": Variant("average", ("--config.train.average_decay=0",)),
    "longer_average": Variant("average", ("--config.train.average_decay=0.9995",)),
    "clip": Variant("limit", ("--config.train.clip_norm=0.5", "--config.train.adam_b2=0.999")),
    "no_critic": Variant("order", (*CRITIC, "--config.loss.adversarial_weight=0")),
    "critic_from_start": Variant("order", CRITIC),
    "critic_after": Variant("order", (*CRITIC, "--config.train.pretrain_generator_steps=800")),
}

Run = Callable[[Sequence[str], Path], float]


def run_command(call: Sequence[str], log: Path) -> float:
    """Runs a command, its output into `log`, and gives its processor time in seconds.

    Raises:
      UserError: it failed; the last line of its output is named.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("w") as out:
        ended = subprocess.run(call, stdout=out, stderr=subprocess.STDOUT)
    if ended.returncode:
        lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise UserError(f"{' '.join(call[1:3])} failed: {lines[-1]}; {log} has the rest")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def training(name: str, data: Path, workdir: Path) -> list[str]:
    """The command that trains a variant, without Python's path."""
    return [
        "main.py",
        f"--config={CONFIG}",
        f"--workdir={workdir / name}",
        f"--config.data.root={data}",
        f"--config.data.cache={workdir / 'cache'}",
        *COMMON,
        *VARIANTS[name].changes,
    ]


def measure(
    names: Sequence[str], data: Path, workdir: Path, pairs: Sequence[Path], run: Run = run_command
) -> dict[str, Any]:
    """Trains and scores each variant that is not finished; gives what is known of all `names`."""
    described = machine.describe()
    rows = []
    for name in names:
        result = workdir / f"{name}.json"
        if not result.exists():
            call = training(name, data, workdir)
            seconds = run([sys.executable, *call], workdir / f"{name}.log")
            gains = {
                folder.name: _gain(workdir, name, number, folder, run)
                for number, folder in enumerate(pairs)
            }
            row = {
                "name": name,
                "choice": VARIANTS[name].choice,
                "changes": list(VARIANTS[name].changes),
                "processor_s": seconds,
                "gain_db": gains,
            }
            atomic.write_text(result, json.dumps(row, indent=2) + "\n")
        rows.append(json.loads(result.read_text()))
    return {"benchmark": "ablation", **described, "common": list(COMMON), "rows": rows}


def _gain(workdir: Path, name: str, number: int, folder: Path, run: Run) -> dict[str, float]:
    """The mean gain in dB over a folder of pairs, and the least of a picture."""
    output = workdir / f"{name}_scores_{number}.json"
    call = ["deblur_jax", "evaluate", "--pairs", str(folder), "--weights", str(workdir / name)]
    options = ["--output", str(output), "--pictures", "0", "--overwrite"]
    run([sys.executable, "-m", *call, *options], workdir / f"{name}_scores.log")
    entries = json.loads(output.read_text())["per_image"]
    both = [(each["restored"]["psnr"], each["blurred"]["psnr"]) for each in entries]
    # A picture that equals its sharp twin has no PSNR.
    gains = [restored - blurred for restored, blurred in both if None not in (restored, blurred)]
    if not gains:
        raise UserError(f"not one picture of {folder} has a PSNR before and after")
    return {"mean": statistics.mean(gains), "least": min(gains)}


def sentences(m: dict[str, Any]) -> str:
    """The table, in Markdown."""
    folders = list(m["rows"][0]["gain_db"])
    head = ["choice", "variant", *(f"gain on {f} (worst), dB" for f in folders), "CPU s"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in m["rows"]:
        gains = [
            "{mean:+.2f} ({least:+.2f})".format(**row["gain_db"][each])
            if each in row["gain_db"]
            else "–"
            for each in folders
        ]
        cells = [row["choice"], f"`{row['name']}`", *gains, f"{row['processor_s']:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation",
        description="Trains variants of the recipe and scores them.",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="as --config.data.root"
    )
    parser.add_argument("--workdir", type=Path, required=True, metavar="DIR", help="of the runs")
    parser.add_argument(
        "--pairs", type=Path, nargs="+", required=True, metavar="DIR", help="to score on"
    )
    parser.add_argument(
        "--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME",
        help=f"of {', '.join(VARIANTS)}",
    )  # fmt: skip
    command.add_json(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""

    def benchmark(arguments: argparse.Namespace) -> dict[str, Any]:
        atomic.make_folder(arguments.workdir)
        return measure(arguments.only, arguments.data, arguments.workdir, arguments.pairs)

    return command.run(_parser(), argv, benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
