"""What all contenders are asked to do: a few words in a file, beside the arrays that they read."""

import dataclasses
import json
import os
from pathlib import Path

RESTORE = "restore"
TRAINING_PARTS = ("step", "penalty", "generator")


@dataclasses.dataclass(frozen=True)
class Job:
    """One comparison.

    Attributes:
      folder: holds the arrays of `materials`, this job and each contender's outputs.
      part: `restore`, a pass of the generator, or one of TRAINING_PARTS.
      config: a configuration file; weights: a name that takes its place, or None.
      height, width: of the pictures in pixels, as the network takes them.
      threads: that a contender may use.
      vgg_weights: the file of the perceptual loss, or '' for random weights.
    """

    folder: Path
    part: str
    config: str
    weights: str | None
    height: int
    width: int
    threads: int
    vgg_weights: str = ""

    def save(self) -> None:
        """Writes `job.json` into the folder."""
        words = dataclasses.asdict(self) | {"folder": str(self.folder)}
        (self.folder / "job.json").write_text(json.dumps(words))

    @classmethod
    def load(cls, folder: Path) -> "Job":
        """What `save` wrote."""
        words = json.loads((folder / "job.json").read_text())
        return cls(**words | {"folder": folder})

    def outputs(self, name: str) -> Path:
        """Where a contender's first result goes."""
        return self.folder / f"outputs_{name}.npz"


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
