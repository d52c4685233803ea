"""What a store lacks: pairs, and photographs to make pairs of, that could not be used."""

from collections.abc import Callable, Sequence

from deblur_jax.data.made import Pool
from deblur_jax.data.sources import Source, expect_size
from deblur_jax.data.store import Store
from deblur_jax.data.threads import in_threads
from deblur_jax.errors import UserError

NAMES_SHOWN = 3
_PHOTOGRAPH = "photograph: "  # how those sentences of `Store.left_out` begin that are of no pair


def refuse(failures: Sequence[str], skip_broken: bool, what: str = "pairs") -> None:
    """UserError with the first sentences and the number of the others, unless they are skipped."""
    if failures and not skip_broken:
        more = len(failures) - NAMES_SHOWN
        shown = "; ".join(failures[:NAMES_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise UserError(f"{shown} (data.skip_broken=True leaves such {what} out)")


def nothing(failures: Sequence[str]) -> str:
    """A sentence for a store that would be empty."""
    if not failures:
        return "there are no pairs to train on"
    return f"none of {len(failures)} pairs can be used: {failures[0]}"


def of_photographs(sentences: Sequence[str]) -> list[str]:
    """What stands for them in `Store.left_out`."""
    return [_PHOTOGRAPH + sentence for sentence in sentences]


def reported(store: Store, report: Callable[[str], None]) -> Store:
    """Says what a store lacks, if anything, and returns it."""
    pairs, photographs = _parted(store)
    for what, lost in (("pairs", pairs), ("photographs", photographs)):
        if lost:
            shown = "; ".join(lost[:NAMES_SHOWN])
            report(f"left out {len(lost)} {what} that cannot be used: {shown}")
    return store


def can_be_used(
    store: Store,
    labelled: Sequence[tuple[str, Source]],
    pool: Pool | None,
    workers: int | None = None,
) -> bool:
    """Whether any of it can be read now: a disk may only have been gone for a while.

    Args:
      store: made earlier of the same sources and the same pool.
      labelled: (label of the part, source) of all pairs that are read; the store's are not again.
      pool: what was made besides.
      workers: threads that read.
    """
    pairs, photographs = _parted(store)
    if photographs and pool is not None and len(pool.sound()[1]) < len(photographs):
        return True
    held = set(zip(store.parts, store.names, strict=True))
    again = [source for label, source in labelled if pairs and (label, source.name) not in held]

    def works(number: int) -> bool:
        try:
            expect_size(again[number], again[number].read()[0], again[number].size())
        except UserError:
            return False
        return True

    return any(in_threads(works, len(again), workers))


def _parted(store: Store) -> tuple[list[str], list[str]]:
    """The sentences of pairs and those of photographs."""
    pairs = [line for line in store.left_out if not line.startswith(_PHOTOGRAPH)]
    marked = [line for line in store.left_out if line.startswith(_PHOTOGRAPH)]
    return pairs, [line.removeprefix(_PHOTOGRAPH) for line in marked]
