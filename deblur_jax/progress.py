"""What a command says while it works, on stderr: a bar on a terminal, lines elsewhere."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from deblur_jax.restore.inputs import Job


class Reporter:
    """Tells of items as they are finished; failures always get a line of their own."""

    def __init__(self, unit: str = "picture") -> None:
        self._unit = unit
        self._bar: Any = None
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def item(self, number: int, total: int, name: str, outcome: str = "done") -> None:
        """Item `number` of `total` is finished; `outcome` says how."""
        if not self._terminal:
            print(f"[{number}/{total}] {name}: {outcome}", file=sys.stderr, flush=True)
        else:
            self._advance(number, total, name)

    def job(self, number: int, total: int, job: "Job", outcome: str, seconds: float) -> None:
        """A file is finished, in the form that `restore.files.process_files` tells it."""
        if outcome == "done":
            self.item(number, total, job.name, f"done in {seconds:.1f} s")
        elif outcome == "skipped":
            self.item(number, total, job.name, f"skipped, {job.target} exists")
        else:
            self._failure(number, total, job.name, outcome)

    def _failure(self, number: int, total: int, name: str, sentence: str) -> None:
        if not self._terminal:
            print(f"[{number}/{total}] failed: {sentence}", file=sys.stderr, flush=True)
        else:
            tqdm.write(f"failed: {sentence}", file=sys.stderr)
            self._advance(number, total, name)

    def _advance(self, number: int, total: int, name: str) -> None:
        if self._bar is None:
            self._bar = tqdm(total=total, unit=self._unit, file=sys.stderr, dynamic_ncols=True)
        self._bar.set_postfix_str(name, refresh=False)
        self._bar.update(number - self._bar.n)
