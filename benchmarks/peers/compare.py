"""The comparison itself: who is there, who is right, then the rounds."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.peers import agreement, contenders, materials, rounds
from benchmarks.peers.contenders import OURS, Contender
from benchmarks.peers.job import Job
from benchmarks.peers.processes import Lost, Process
from deblur_jax.errors import UserError

Entries = dict[str, dict[str, Any]]
Launch = Callable[[Contender, Job], Any]


def compare(
    job: Job,
    chosen: Sequence[Contender],
    count: int,
    rng: np.random.Generator,
    *,
    launch: Launch = Process,
    pause: Callable[[], None],
) -> dict[str, Any]:
    """Starts, checks and times contenders.

    Args:
      job: whose files are written.
      chosen: who is to be timed, in the order in which they start.
      count: of rounds.
      rng: shuffles the order within a round.
      launch: starts a contender's process.
      pause: called before each turn.

    Returns:
      The measures of the package's docstring from `reference` on, with `rounds`, `order` and
      `untimed_calls`.

    Raises:
      UserError: the reference failed, or no contender could be timed.
    """
    right = _reference(job, launch)
    untimed = rounds.untimed_calls(job.height, job.width) if job.part == "restore" else 0
    with contextlib.ExitStack() as stack:

        def launched(contender: Contender) -> Any:
            process = launch(contender, job)
            stack.callback(process.kill)
            return process

        entries, running = _started(job, chosen, right, launched)
        if running:
            found = rounds.interleave(running, count, rng, untimed=untimed, pause=pause)
            _conclude(entries, running, found)
    timed = {name: e["seconds"] for name, e in entries.items() if e["status"] == "timed"}
    if not timed:
        reasons = "; ".join(entry["why"] for entry in entries.values())
        raise UserError(f"no contender could be timed: {reasons}")
    return {
        "rounds": count,
        "order": found.order,
        "untimed_calls": untimed,
        "reference": right,
        "error_limits": agreement.LIMITS,
        "contenders": entries,
        **_standing(timed, entries),
    }


def _reference(job: Job, launch: Launch) -> str | None:
    """Lets the reference write its outputs, and gives its name; None where there is none."""
    contender = contenders.reference(job.part)
    if contender is None:
        return None
    process = launch(contender, job)
    try:
        process.ready()
    except Lost as error:
        raise UserError(f"there is nothing to compare with: {error}") from error
    finally:
        process.kill()
    return contender.name


def _started(
    job: Job, chosen: Sequence[Contender], right: str | None, launch: Callable[[Contender], Any]
) -> tuple[Entries, dict[str, Any]]:
    """One contender after the other, alone, to its first results and their errors.

    Returns:
      An entry for each, `status` being `timed` for those that may be, and these ones' processes.
    """
    entries: Entries = {}
    running: dict[str, Any] = {}
    for contender in chosen:
        name, lacking = contender.name, contender.lacking()
        if lacking:
            verb = "is" if len(lacking) == 1 else "are"
            why = f"{' and '.join(lacking)} {verb} not installed"
            entries[name] = {"status": "missing", "why": why}
            continue
        process = launch(contender)
        try:
            entry = {"status": "timed", "why": None} | process.ready()
        except Lost as error:
            entries[name] = {"status": "failed", "why": str(error)}
            continue
        entries[name] = entry
        if right is not None:
            errors = agreement.errors(*(_outputs(job, each) for each in (name, right)))
            # JSON has no word for what is not finite.
            known = {kind: e if np.isfinite(e) else None for kind, e in errors.items()}
            entry["errors"] = known
            entry["largest_error"] = None if None in known.values() else max(errors.values())
            refusal = agreement.refusal(name, errors)
            if refusal is not None:
                entry |= {"status": "refused", "why": refusal}
                process.kill()
                continue
        running[name] = process
    return entries, running


def _outputs(job: Job, name: str) -> dict[str, Any]:
    return materials.arrays(job, job.outputs(name).stem)


def _conclude(entries: Entries, running: dict[str, Any], found: rounds.Rounds) -> None:
    """Puts times and memory into the entries."""
    for name, process in running.items():
        why = found.lost.get(name)
        try:
            memory = process.finish() if why is None else None
        except Lost as error:
            why = str(error)
        if why is not None:
            entries[name] |= {"status": "failed", "why": why}
            continue
        entries[name] |= timing.summary(found.seconds[name]) | {"peak_rss_mb": memory}


def _standing(timed: dict[str, list[float]], entries: Entries) -> dict[str, Any]:
    """`ratios`, `fastest_peer` and `ratio_to_fastest_peer`."""
    ratios = rounds.ratios(timed)
    peers = [name for name in timed if name not in OURS]
    fastest = min(peers, key=lambda name: entries[name]["median_s"], default=None)
    return {
        "ratios": ratios,
        "fastest_peer": fastest,
        "ratio_to_fastest_peer": ratios["jax"][fastest] if fastest and "jax" in timed else None,
    }
