"""Scoring a model over pairs: the blurred input's own score beside the restored picture's.

One pair at a time and device is in memory. What cannot be scored is named and counted, and in no
mean; what has been scored is kept in a ledger, from which an interrupted evaluation goes on.
"""

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import jax

from deblur_jax.atomic import reason
from deblur_jax.data import protocols
from deblur_jax.data.pairs import Pair
from deblur_jax.errors import UsageError, UserError
from deblur_jax.evaluation import about
from deblur_jax.evaluation.device import device_name
from deblur_jax.evaluation.ledger import Ledger, stamp_of_file
from deblur_jax.evaluation.results import summarise
from deblur_jax.evaluation.scoring import Entry, Keep, Perceptual, score_pair
from deblur_jax.evaluation.timed import Restores, TimedRestorer
from deblur_jax.version import __version__

Progress = Callable[[int, int, str], None]
Say = Callable[[str], None]


def evaluate_pairs(
    pairs: Sequence[Pair],
    restorers: Restores | Sequence[Restores],
    *,
    protocol: str = "full",
    filter: str = "bicubic",
    dataset: str,
    subset: str | None = None,
    limit: int | None = None,
    perceptual: Perceptual | None = None,
    command: str | None = None,
    ledger: str | Path | None = None,
    keep: Keep | None = None,
    progress: Progress | None = None,
    say: Say | None = None,
) -> dict[str, Any]:
    """Scores a model over pairs, whose entries stand in the order of (scene, name).

    Args:
      pairs: at least one.
      restorers: the model, or the same model once for each device that shall work. It is called
        once a picture, and once more for each size that its device sees first.
      protocol: `full`, `half` or `resize256`, applied to both twins before the model.
      filter: `bicubic` or `nearest`, for the protocols that resize.
      dataset, subset: the names under which the results stand.
      limit: only the first so many pairs.
      perceptual: further scores, see `score_pair`.
      command: the call, to stand in the results.
      ledger: a file to keep scored pictures in, and to take those up that an interrupted evaluation
        of the same kind left there. It is for the caller to remove.
      keep: called with (pair, blurred, restored, sharp), uint8[H, W, 3] as scored.
      progress: called with (pictures done, pictures in all, name) after each that was scored.
      say: told in a sentence how many were scored before, and of each that cannot be scored.

    Returns:
      The document that `results.py` describes; `height` and `width` are those scored.

    Raises:
      UsageError: no pairs, a limit below one, an unknown protocol or filter.
      UserError: not one of the pairs can be scored; the first reason is named.
    """
    protocols.check(protocol, filter)
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} leaves nothing to evaluate")
    if not pairs:
        raise UsageError(f"{dataset}: no pairs to evaluate")
    models = [TimedRestorer(each) for each in _listed(restorers)]
    first, filter_ = models[0].restorer, filter if protocols.resizes(protocol) else None
    ordered = sorted(pairs, key=lambda pair: (pair.scene, pair.name))[:limit]
    weights = about.of_weights(first.weights)
    call = about.of_call(first, command=command, limit=limit, devices=len(models))
    measured = {
        "deblur_jax": __version__, "weights": weights, "protocol": protocol, "filter": filter_,
        "device": device_name(), "precision": call["precision"], "dropout": call["dropout"],
        "self_ensemble": call["self_ensemble"],
        "floats": hasattr(first, "with_floats"),
        "perceptual": list(getattr(perceptual, "names", ())),
    }  # fmt: skip

    def score(pair: Pair, timed: TimedRestorer) -> Entry:
        return score_pair(
            pair, timed, protocol=protocol, filter=filter, perceptual=perceptual, keep=keep
        )

    with Ledger(ledger, measured) as scored:
        # Once and for all: a model may leave its results beside the pictures, or a user touch them.
        stamps = {
            pair.name: [stamp_of_file(pair.blurred), stamp_of_file(pair.sharp)] for pair in ordered
        }
        failed = _score_all(ordered, stamps, models, score, scored, progress, say)
        found = [(pair, scored.find(pair.name, stamps[pair.name])) for pair in ordered]
        entries = [entry for pair, entry in found if entry is not None and pair.name not in failed]
    if not entries:
        raise UserError(
            f"none of the {len(ordered)} pairs could be scored; {next(iter(failed.values()))}"
        )
    assert scored.first_seconds is not None
    return summarise(
        entries,
        protocol=protocol,
        filter=filter_,
        dataset=dataset,
        subset=subset,
        blurred_folder=blurred_folder(ordered),
        weights=weights,
        device=device_name(),
        first_seconds=scored.first_seconds,
        failed=[
            {"name": pair.name, "scene": pair.scene, "reason": failed[pair.name]}
            for pair in ordered
            if pair.name in failed
        ],
        call=call,
    )


def blurred_folder(pairs: Sequence[Pair]) -> str | None:
    """The name of the folder that the blurred pictures lie in; None unless it is one name."""
    names = set()
    for pair in pairs:
        below = pair.name.removeprefix(f"{pair.scene}/")
        parents, depth = pair.blurred.parents, below.count("/")
        names.add(parents[depth].name if depth < len(parents) else "")
    return names.pop() if len(names) == 1 else None


def _listed(restorers: Restores | Sequence[Restores]) -> list[Restores]:
    return list(restorers) if isinstance(restorers, Sequence) else [restorers]


def _score_all(
    pairs: Sequence[Pair],
    stamps: dict[str, list[Any]],
    models: Sequence[TimedRestorer],
    score: Callable[[Pair, TimedRestorer], Entry],
    ledger: Ledger,
    progress: Progress | None,
    say: Say | None,
) -> dict[str, str]:
    """Puts every pair's entry into the ledger; returns why it could not be done, by name."""
    todo = [pair for pair in pairs if ledger.find(pair.name, stamps[pair.name]) is None]
    done, failed = len(pairs) - len(todo), dict[str, str]()
    if done and say is not None:
        say(f"{done} of {len(pairs)} were scored before")
    for pair, outcome, first_seconds in _on_all(models, todo, score):
        done += 1
        if isinstance(outcome, str):
            failed[pair.name] = outcome
            if say is not None:
                say(f"[{done}/{len(pairs)}] failed: {outcome}")
            continue
        ledger.add(pair.name, stamps[pair.name], outcome, first_seconds)
        if progress is not None:
            progress(done, len(pairs), pair.name)
    return failed


def _on_all(
    models: Sequence[TimedRestorer],
    pairs: Sequence[Pair],
    score: Callable[[Pair, TimedRestorer], Entry],
) -> Iterator[tuple[Pair, Entry | str, float | None]]:
    """Each pair with its entry, or why it has none, as they are finished; a thread for each model.

    A model works on one pair at a time, and nothing else of it runs while it restores: on a CPU
    that would lengthen the time that is being taken.
    """
    free: queue.SimpleQueue[TimedRestorer] = queue.SimpleQueue()
    for model in models:
        free.put(model)

    def one(pair: Pair) -> tuple[Entry | str, float | None]:
        timed = free.get()
        try:
            return score(pair, timed), timed.first_seconds
        except (UserError, MemoryError, jax.errors.JaxRuntimeError) as error:
            words = reason(error)
            if isinstance(error, jax.errors.JaxRuntimeError):
                if "RESOURCE_EXHAUSTED" not in words:
                    raise
                words = "not enough memory on the device"
            return words if str(pair.blurred) in words else f"{pair.blurred}: {words}", None
        finally:
            free.put(timed)

    with ThreadPoolExecutor(len(models)) as pool:
        futures: dict[Future[tuple[Entry | str, float | None]], Pair] = {
            pool.submit(one, pair): pair for pair in pairs
        }
        try:
            for future in as_completed(futures):
                yield futures[future], *future.result()
        except BaseException:  # an interruption, or a bug: what runs is finished, nothing begun
            pool.shutdown(cancel_futures=True)
            raise
