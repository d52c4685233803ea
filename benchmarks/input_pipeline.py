"""How many pairs a second each path of the input gives, and how many a training step eats.

    python -m benchmarks.input_pipeline --config configs/small.py --json input_pipeline.json

The paths: `files` decodes pairs whenever they are wanted; `decode_once` makes the store that a run
cuts from; `host` and `host_to_device` cut crops out of a store on disk through tf.data; `on_device`
cuts them out of pairs that lie on an accelerator; `synthetic` blurs photographs. Nothing else is
asked of the machine meanwhile. The step is that of `--config`, with its own crop and batch, on
resident pairs and, in turn with it, on one batch that is cut already: the ratio says what cutting
costs. `--no-step` leaves the step out.

Pairs come from `--pairs` or are made. The store is written to the folder for temporary files
(TMPDIR) and read once more before it is timed, so that its pages are in the system's cache.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import (
    command,
    config_file,
    input_pairs,
    input_paths,
    input_step,
    machine,
    throughput,
    timing,
)
from deblur_jax.data.decoding import Part, make_store
from deblur_jax.data.sources import Source
from deblur_jax.data.store import Store
from deblur_jax.data.training_set import augmentation
from deblur_jax.quiet import quiet_libraries

_SYNTHETIC = tuple(f"synthetic_{kind}" for kind in input_paths.KINDS)
PATHS = ("files", "host", "host_to_device", "on_device", *_SYNTHETIC)

Measures = dict[str, Any]


def measure(
    config: Any,
    *,
    name: str,
    pairs: Path | None = None,
    crop: int = 256,
    batch: int = 8,
    seconds: float = 5.0,
    count: int | None = 12,
) -> Measures:
    """Times every path.

    Args:
      config: as `configs/default.py` describes it.
      name: of the configuration, for the JSON file.
      pairs: a folder of pairs; None makes some.
      crop: pixels, side of the paths' crops and of the synthetic pairs.
      batch: pairs of a batch of the paths.
      seconds: that each path is timed, after its warm-up.
      count: timed steps; None leaves the step out.

    Returns:
      The measures, ready for JSON.

    Raises:
      UserError: pairs that cannot be read or are too small, or a disk without room.
      UsageError: there are no pairs, or the configuration does not fit the machine or itself.
    """
    described = machine.describe()
    own, paths = (config.copy_and_resolve_references() for _ in range(2))
    paths.data.crop, paths.train.batch_size = crop, batch
    wanted = (paths, own) if count else (paths,)
    for each in wanted:
        throughput.prepare(each)  # what does not fit is said before the measuring, not after it
    least = max(_window(each.data) for each in wanted)
    with tempfile.TemporaryDirectory(prefix="input_pipeline.") as folder:
        origin = pairs or input_pairs.make(Path(folder) / "pairs")
        taken, found = input_pairs.find(origin, least)
        passed, store = timing.once(lambda: _decode(taken, Path(folder) / "store"))
        measures = {
            "benchmark": "input_pipeline",
            "config": name,
            **described,
            "pairs_from": "photographs of scikit-image" if pairs is None else "a folder",
            "pairs_found": found,
            "pairs_used": len(store),
            "pair_height": int(store.boxes[2, 0]),
            "pair_width": int(store.boxes[3, 0]),
            "crop": crop,
            "batch": batch,
            "decode_once_count": len(store),
            "decode_once_seconds": passed,
            "decode_once_pairs_per_second": len(store) / passed,
            "decode_once_bytes": store.nbytes,
            **_time_paths(paths, taken, store, seconds),
        }
        if count:
            measures |= input_step.measure(own, store, count)
            measures |= feeds(measures)
    return measures


def _time_paths(config: Any, taken: Sequence[Source], store: Store, seconds: float) -> Measures:
    """The paths that go on and on; the host's before the others, whose memory is not its own."""
    _, feed, data = input_step.feed_of(config, store)
    named = input_paths.prefixed
    measures = named("files", input_paths.files(taken, seconds))
    input_paths.read_through(store)
    measures["host_page_cache"] = "warm"
    crop, augment = _window(config.data), config.data.augment
    host = input_paths.host(store, seconds, batch=feed.batch_size, crop=crop, augment=augment)
    measures |= named("host", host)
    measures |= named("host_to_device", input_paths.host_to_device(feed, seconds))
    measures |= named("on_device", input_paths.on_device(feed, data, seconds))
    return measures | named("synthetic", input_paths.synthetic(config.data.crop, seconds))


def feeds(measures: Measures) -> Measures:
    """For each path whether it gives as many pairs as the step eats: `<path>_feeds_step`."""
    wanted = measures["step_consumes_pairs_per_second"]
    # The other paths are the host's, which has them once; each device cuts for itself.
    times = {"on_device": measures["device_count"]}
    return {
        f"{path}_feeds_step": measures[f"{path}_pairs_per_second"] * times.get(path, 1) >= wanted
        for path in PATHS
    }


def _window(data: Any) -> int:
    """Pixels, side of what is cut: turned and zoomed crops are taken out of larger windows."""
    return augmentation(data).window(data.crop)


def _decode(taken: Sequence[Source], folder: Path) -> Store:
    return make_store([Part("pairs", taken)], cache=folder, memory_bytes=0)


def sentences(m: Measures) -> str:
    """The measures for a person to read."""
    rate = {path: f"{m[f'{path}_pairs_per_second']:.4g}" for path in PATHS}
    busy = "unknown" if m["load_before"] is None else f"{m['load_before']:.1f}"
    memory = "not known"
    if m["host_rss_mb"] is not None:
        memory = f"{m['host_rss_mb']:.0f} MB, {m['host_rss_anonymous_mb']:.0f} of them anonymous"
    kinds = (f"{kind.replace('_', ' ')} {rate[f'synthetic_{kind}']}" for kind in input_paths.KINDS)
    lines = [
        f"{m['pairs_used']} pairs of {m['pair_width']}x{m['pair_height']}, crops of "
        f"{m['crop']}x{m['crop']}, {m['device']}, load {busy}; in pairs/s:",
        f"files: {rate['files']}, decoded anew by {m['files_workers']} threads; once for all in "
        f"{m['decode_once_seconds']:.3g} s, {m['decode_once_bytes'] / machine.MEGABYTE:.0f} MB",
        f"host: {rate['host']} from a store on disk, its pages {m['host_page_cache']}; "
        f"{rate['host_to_device']} onto the devices; memory {memory}",
        f"on device: {rate['on_device']} on each device",
        "synthetic: " + ", ".join(kinds),
    ]
    if "step_median_s" in m:
        lines += _step_sentences(m)
    return "\n".join(lines)


def _step_sentences(m: Measures) -> list[str]:
    feeding = [path.replace("_", " ") for path in PATHS if m[f"{path}_feeds_step"]]
    within = "within" if m["step_cutting_within_target"] else "beyond"
    return [
        f"step of {m['config']}: eats {m['step_consumes_pairs_per_second']:.4g} "
        f"({m['step_crop']}x{m['step_crop']}), which {', '.join(feeding) or 'no path'} can feed",
        f"cutting: the step takes {m['step_cutting_ratio_median']:.3f} times as long as on crops "
        f"that are there (p10 {m['step_cutting_ratio_p10']:.3f}, p90 "
        f"{m['step_cutting_ratio_p90']:.3f}), {within} the target of "
        f"{m['step_cutting_ratio_target']}",
    ]


def _seconds(text: str) -> float:
    """A time above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.input_pipeline", description="Times the paths of the input."
    )
    parser.add_argument("--config", default="configs/small.py", help="a configuration file")
    parser.add_argument("--pairs", metavar="DIR", type=Path, help="a folder of pairs")
    parser.add_argument("--crop", type=command.positive, default=256, help="pixels, side of crops")
    parser.add_argument("--batch", type=command.positive, default=8, help="pairs of a batch")
    parser.add_argument("--seconds", type=_seconds, default=5.0, help="that each path is timed")
    parser.add_argument("--steps", type=command.positive, default=12, help="timed steps")
    parser.add_argument("--no-step", action="store_true", help="leave the training step out")
    command.add_common(parser)
    return parser


def _benchmark(arguments: argparse.Namespace) -> Measures:
    config = config_file.load(arguments.config)
    if arguments.precision:
        config.train.precision = arguments.precision
    return measure(
        config,
        name=arguments.config,
        pairs=arguments.pairs,
        crop=arguments.crop,
        batch=arguments.batch,
        seconds=arguments.seconds,
        count=None if arguments.no_step else arguments.steps,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    quiet_libraries()
    return command.run(_parser(), argv, _benchmark, sentences)


if __name__ == "__main__":
    sys.exit(main())
