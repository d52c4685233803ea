"""The pairs of a run: a data set of the user's own, or the preset's mixture with synthetic blur."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deblur_jax.data import augment, left_out, protocols, sources, synthetic
from deblur_jax.data.augment import Augmentation
from deblur_jax.data.contents import digest
from deblur_jax.data.decoding import Part, make_store
from deblur_jax.data.sources import Adapted, Source
from deblur_jax.data.store import Store, default_cache, is_store, open_store
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import IMAGE_SUFFIXES

Report = Callable[[str], None]
BUNDLED = "scikit-image"  # instead of a folder of photographs
# Photographs in scikit-image's wheel that are sharp, in colour and at least 300 pixels a side.
BUNDLED_PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
IN_MEMORY = "memory"  # a value of data.cache
SYNTHETIC = "synthetic"  # labels of the pairs that are made begin with it


class TrainingSet(NamedTuple):
    """Decoded pairs, and `entries`, int32[E]: the pair of each entry of an epoch."""

    store: Store
    entries: np.ndarray


def photograph_paths(source: str | Path) -> list[Path]:
    """Sharp photographs below a folder, sorted; `scikit-image` names those of its wheel.

    Hidden files and folders are passed over, as those are that other systems leave beside pictures.
    """
    if str(source) == BUNDLED:
        import skimage

        folder = Path(skimage.__file__).parent / "data"
        return [folder / name for name in BUNDLED_PHOTOGRAPHS]
    folder = Path(source)
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_dir()
    )
    if not found:
        raise UsageError(f"there are no photographs in {folder}")
    return found


def photograph_folders(photographs: Any) -> list[tuple[str, int]]:
    """What a value of `data.photographs` names: folders, and how often their photographs are used.

    Args:
      photographs: a folder, or a sequence of folders and (folder, times).

    Raises:
      UsageError: for anything else, and for an empty sequence.
    """
    entries = [photographs] if isinstance(photographs, str) else photographs
    if not isinstance(entries, (list, tuple)) or not entries:
        raise UsageError(
            f"data.photographs is {photographs!r}; it must be a folder, or several: "
            "(folder, …) or ((folder, times), …)"
        )
    found = []
    for entry in entries:
        pair = (entry, 1) if isinstance(entry, str) else entry
        match pair:
            case (str() as folder, int() as times) if times >= 1 and not isinstance(times, bool):
                found.append((folder, times))
            case _:
                raise UsageError(
                    f"data.photographs has {entry!r}; each entry must be a folder or "
                    "(folder, times), times 1, 2, 3 …"
                )
    return found


@dataclass(frozen=True)
class SyntheticPool:
    """Pairs that `synthetic.make_pool` makes of sharp photographs, for `decoding.make_store`."""

    photographs: Sequence[Path]
    count: int
    size: int
    seed: int
    shares: synthetic.Shares
    streak_scale: float = 1.0
    times: Mapping[Path, int] | None = None  # as make_pool's

    @property
    def labels(self) -> list[str]:
        return [
            f"{SYNTHETIC}/{kind}" for kind in synthetic.kinds(self.count, self.seed, self.shares)
        ]

    @property
    def stamp(self) -> Any:
        files = [_stamp(path) for path in self.photographs]
        times = [(self.times or {}).get(path, 1) for path in self.photographs]
        # Stores that were made before there were these two are still opened where they say nothing.
        more = [self.streak_scale, times] if self.streak_scale != 1 or {*times} != {1} else []
        return [files, self.seed, self.shares, synthetic.VERSION, *more]

    def sound(self) -> tuple["SyntheticPool", list[str]]:
        """As `decoding.make_store` wants it."""
        whole, broken = synthetic.sound(self.photographs, self.size)
        return replace(self, photographs=whole), broken

    def make(self, blurred: Any, sharp: Any) -> None:
        synthetic.make_pool(
            self.photographs,
            self.count,
            size=self.size,
            seed=self.seed,
            streak_scale=self.streak_scale,
            times=self.times,
            out=(blurred, sharp),
            **{f"{name}_share": share for name, share in self.shares._asdict().items()},
        )


def _stamp(photograph: Path) -> list[Any]:
    try:
        size: int | None = photograph.stat().st_size
    except OSError:
        size = None  # who reads it says what is wrong
    return [photograph.name, size, digest(photograph)]


def synthetic_pool(data: Any, *, count: int, seed: int, least: int = 0) -> SyntheticPool:
    """The pool that the group `data` describes, its pairs at least `least` pixels a side.

    Raises:
      UsageError: folders without photographs, shares or lengths that cannot be.
    """
    shares = synthetic.Shares(**data.shares)
    synthetic.check(shares, data.streak_scale)
    times: dict[Path, int] = {}
    for name, often in photograph_folders(data.photographs):
        place = name if name == BUNDLED else (Path(data.root) / name).expanduser()
        for path in photograph_paths(place):
            times[path] = times.get(path, 0) + often
    size = max(data.crop, data.synthetic_size, least)
    return SyntheticPool(list(times), count, size, seed, shares, data.streak_scale, times)


def adapted(
    data: Any, path: str | Path, *, split: str = "", match_means: bool = False
) -> list[Source]:
    """The pairs of a data set at the size that the configuration trains on."""
    protocols.check(data.protocol, data.protocol_filter)
    return [
        Adapted(source, data.protocol, data.protocol_filter, match_means)
        for source in sources.find(path, split=split, subset=data.subset)
    ]


def augmentation(data: Any) -> Augmentation:
    """What the group `data` of a configuration lets happen to a crop. UsageError if it cannot."""
    wanted = Augmentation(data.rotation, data.scale, data.colour_jitter)
    augment.check(wanted)
    return wanted


def gather(
    data: Any, *, seed: int, window: int | None = None, report: Report = lambda line: None
) -> TrainingSet:
    """Finds, decodes and counts the pairs that a configuration trains on.

    A data set of the user's own (`data.pairs`) takes the place of everything that the preset would
    train on. It may be a folder that `decoding` made, too.

    Args:
      data: the group `data` of a configuration, see `configs/default.py`.
      seed: of the synthetic pairs.
      window: the smallest height and width that are of use, in pixels; None for what a crop needs.
      report: gets sentences as work goes on.

    Raises:
      UsageError: the configuration names no pairs.
      UserError: pairs that are missing, broken, or too small.
    """
    window = window or augmentation(data).window(data.crop)
    if data.pairs and is_store(Path(data.pairs).expanduser()):
        _refuse_changes(data)
        store = left_out.reported(open_store(Path(data.pairs).expanduser()), report)
        return _weighted(store, {}, window, data, report)
    pool: SyntheticPool | None = None
    if data.pairs:
        wanted: list[tuple[str, str | Path, int]] = [(Path(data.pairs).name, data.pairs, 1)]
    else:
        root = Path(data.root).expanduser()
        wanted = [(name, root / name, _times(name, often)) for name, often in data.mixture]
        if data.synthetic:
            pool = synthetic_pool(data, count=data.synthetic, seed=seed, least=window)
    if not wanted and pool is None:
        raise UsageError("data.pairs names no folder, and this preset has no data of its own")
    split = data.split if data.pairs else ""
    parts = [
        Part(label, adapted(data, path, split=split, match_means=data.match_means))
        for label, path, _ in wanted
    ]
    store = make_store(
        parts, pool, cache=_cache(data.cache), skip_broken=data.skip_broken, report=report
    )
    times = {label: often for label, _, often in wanted}
    return _weighted(store, times, window, data, report)


def _times(name: str, often: Any) -> int:
    if not isinstance(often, int) or often < 1:
        raise UsageError(f"data.mixture has {name} {often} times an epoch; it must be 1, 2, 3 …")
    return often


def _refuse_changes(data: Any) -> None:
    """What was decoded stays as it is."""
    for field, plain in (
        ("split", ""),
        ("subset", ""),
        ("protocol", "full"),
        ("match_means", False),
    ):
        if data[field] != plain:
            raise UsageError(
                f"{data.pairs} holds decoded pairs, to which data.{field}={data[field]!r} comes "
                "too late"
            )


def _cache(name: str) -> Path | None:
    if name == IN_MEMORY:
        return None
    return Path(name).expanduser() if name else default_cache()


def _weighted(
    store: Store, times: dict[str, int], window: int, data: Any, report: Report
) -> TrainingSet:
    """Counts each pair as often as its part says, those too small for a crop not at all."""
    small: np.ndarray = np.any(store.boxes[2:] < window, axis=0)
    if small.any():
        _refuse_small(store, small, window, data, report)
    kept = np.flatnonzero(~small).astype(np.int32)
    parts = [store.parts[number] for number in kept]
    entries = np.repeat(kept, [times.get(part, 1) for part in parts])
    for part in dict.fromkeys(parts):
        often = times.get(part, 1)
        weight = f", each {often} times an epoch" if often != 1 else ""
        report(f"{parts.count(part)} pairs from {part}{weight}")
    return TrainingSet(store, entries)


def _refuse_small(store: Store, small: np.ndarray, window: int, data: Any, report: Report) -> None:
    numbers = np.flatnonzero(small)
    height, width = store.boxes[2:, numbers[0]]
    more = f" (and {len(numbers) - 1} more such pairs)" if len(numbers) > 1 else ""
    needed = f"the crop of {data.crop}x{data.crop}"
    if window > data.crop:
        needed = f"the {window}x{window} that a crop of {data.crop} needs to be turned and zoomed"
    after = f" with data.protocol={data.protocol!r}" if data.protocol != "full" else ""
    first = f"{store.parts[numbers[0]]}/{store.names[numbers[0]]}"
    sentence = f"{first} is {width}x{height} pixels{after}, smaller than {needed}{more}"
    if not data.skip_broken or small.all():
        raise UserError(sentence)
    report(f"left out {len(numbers)} pairs that are too small: {sentence}")


def validation_pairs(data: Any, least: int, *, report: Report = lambda line: None) -> Store | None:
    """The pairs that a run is watched on, decoded; None where the configuration names none.

    Args:
      data: the group `data` of a configuration.
      least: the smallest height and width allowed, in pixels.
      report: gets sentences as work goes on.

    Raises:
      UserError: a pair that cannot be read or is too small, unless `data.skip_broken`; or all are.
    """
    folder = validation_folder(data)
    if folder is None:
        return None
    split = data.validation_split if data.validation else ""
    store = make_store(
        [Part(folder.name, adapted(data, folder, split=split))],
        cache=_cache(data.cache),
        skip_broken=data.skip_broken,
        report=report,
    )
    small: np.ndarray = np.any(store.boxes[2:] < least, axis=0)
    if not small.any():
        return store
    height, width = store.boxes[2:, np.flatnonzero(small)[0]]
    sentence = f"{folder} has a picture of {width}x{height} pixels, smaller than {least}x{least}"
    if not data.skip_broken or small.all():
        raise UserError(sentence)
    report(f"left out {small.sum()} pairs that are too small: {sentence}")
    return store.only(np.flatnonzero(~small))


def validation_folder(data: Any) -> Path | None:
    """Where those pairs lie: the user's folder, else the preset's own, which belongs to its data.

    With pairs of the user's own the preset's folder is not asked for.
    """
    if data.validation:
        return Path(data.validation).expanduser()
    if data.mixture_validation and not data.pairs:
        return Path(data.root).expanduser() / data.mixture_validation
    return None
