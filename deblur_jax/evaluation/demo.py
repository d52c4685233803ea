"""`make demo`: blurs photographs, restores them, and shows what that gained.

    python -m deblur_jax.evaluation.demo --output out/demo [--weights NAME|PATH]

The photographs are those that scikit-image carries in its own package, so nothing is downloaded.
`clock_motion` among them was blurred by a real camera and has no sharp twin: it is restored and
shown without a score. Afterwards the folder holds

    index.html, results.json      the page with before/after sliders, the scores
    NAME_restored.png             what the model made of the blurred picture
    NAME_compare.png              blurred | restored | sharp
    blur/NAME.png, sharp/NAME.png the pairs; `deblur-jax evaluate --pairs` takes the folder as it is
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deblur_jax import images
from deblur_jax.blur import blur_picture
from deblur_jax.data.pairs import Pair
from deblur_jax.errors import UserError
from deblur_jax.evaluation.evaluate import evaluate_pairs
from deblur_jax.evaluation.metrics.artefacts import artefacts
from deblur_jax.evaluation.results import picture_table, without_scores, write_results
from deblur_jax.evaluation.timed import Restores, TimedRestorer
from deblur_jax.images.side_by_side import side_by_side
from deblur_jax.web.demo_page import Shown, write_page


@dataclass(frozen=True)
class Photograph:
    """A bundled photograph and how the demo blurs it.

    Attributes:
      file: its file in scikit-image's data folder.
      method: `trajectory` or `camera`.
      kernel_size: extent of the blur in pixels, chosen for blurred PSNRs of 22 to 28 dB, the
        moderate half of what GoPro has.
      seed: of the random motion.
    """

    file: str
    method: str
    kernel_size: int
    seed: int

    @property
    def name(self) -> str:
        return Path(self.file).stem


PHOTOGRAPHS = (
    Photograph("astronaut.png", "trajectory", 13, 1),
    Photograph("camera.png", "camera", 17, 2),
    Photograph("chelsea.png", "trajectory", 19, 3),
    Photograph("coffee.png", "camera", 15, 4),
    Photograph("coins.png", "trajectory", 11, 5),
    Photograph("motorcycle_left.png", "camera", 12, 6),
    Photograph("rocket.jpg", "trajectory", 21, 7),
)
REALLY_BLURRED = "clock_motion.png"
TITLE = "Motion deblurring, before and after"
INTRO = (
    "Photographs that scikit-image bundles, blurred by simulated camera motion and restored. "
    "clock_motion was blurred by a real camera. Drag the line, or use the arrow keys."
)


def run_demo(
    output: str | Path,
    restorer: Restores,
    photographs: Sequence[Photograph] = PHOTOGRAPHS,
    *,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Makes the pairs, restores and scores them, and writes everything into a folder.

    Args:
      output: folder, made if it is absent; files of an earlier demo are replaced.
      restorer: the model.
      photographs: what to blur.
      say: takes each line for the terminal.

    Returns:
      The document that is in `results.json`.

    Raises:
      UserError: no photographs in the installed scikit-image, or a file cannot be written.
    """
    folder = Path(output)
    shown: dict[str, Shown] = {}

    def keep(pair: Pair, blurred: np.ndarray, restored: np.ndarray, sharp: np.ndarray) -> None:
        shown[pair.name] = _write_pictures(folder, pair.name, blurred, restored, sharp)
        say(f"restored {pair.name}")

    pairs = _make_pairs(folder, photographs, say)
    results = evaluate_pairs(pairs, restorer, dataset="demo", keep=keep, say=say)
    _restore_the_really_blurred(folder, restorer, results, shown)
    write_results(folder / "results.json", results)
    names = [entry["name"] for entry in results["per_image"]]
    write_page(
        folder / "index.html", results, [shown[name] for name in names], title=TITLE, intro=INTRO
    )
    say(picture_table(results))
    say(f"open {folder / 'index.html'}")
    return results


def bundled(file: str) -> Path | None:
    """A file of scikit-image's data folder, or None where this version does not carry it.

    Looked up on disk: `skimage.data` would download what is not there.

    Raises:
      UserError: scikit-image is not installed.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise UserError("the demo's photographs come with scikit-image, which is not installed")
    path = Path(package.origin).parent / "data" / file
    return path if path.is_file() else None


def _make_pairs(
    folder: Path, photographs: Sequence[Photograph], say: Callable[[str], None]
) -> list[Pair]:
    pairs = []
    for photograph in photographs:
        source = bundled(photograph.file)
        if source is None:
            say(f"left out {photograph.name}: not in this version of scikit-image")
            continue
        sharp = images.read_rgb(source)
        blurred = blur_picture(
            sharp, photograph.method, kernel_size=photograph.kernel_size, seed=photograph.seed
        )
        paths = [folder / side / f"{photograph.name}.png" for side in ("blur", "sharp")]
        for path, picture in zip(paths, (blurred, sharp), strict=True):
            images.write(path, picture)
        pairs.append(Pair(photograph.name, "", *paths))
    if not pairs:
        raise UserError("the installed scikit-image carries none of the demo's photographs")
    return pairs


def _restore_the_really_blurred(
    folder: Path, restorer: Restores, results: dict[str, Any], shown: dict[str, Shown]
) -> None:
    source = bundled(REALLY_BLURRED)
    if source is None:
        return
    name = source.stem
    blurred = images.read_rgb(source)
    restored, seconds = TimedRestorer(restorer)(blurred, source)
    images.write(folder / f"{name}_blurred.png", blurred)
    shown[name] = _write_pictures(folder, name, blurred, restored, None)
    height, width = blurred.shape[:2]
    results["per_image"].append(
        without_scores(name, height, width, seconds, artefacts=artefacts(restored, blurred))
    )


def _write_pictures(
    folder: Path,
    name: str,
    blurred: np.ndarray,
    restored: np.ndarray,
    sharp: np.ndarray | None,
) -> Shown:
    panels = {"blurred": blurred, "restored": restored}
    if sharp is not None:
        panels["sharp"] = sharp
    shown = Shown(
        name=name,
        blurred=f"{name}_blurred.png" if sharp is None else f"blur/{name}.png",
        restored=f"{name}_restored.png",
        sharp=None if sharp is None else f"sharp/{name}.png",
        compare=f"{name}_compare.png",
    )
    images.write(folder / shown.restored, restored)
    images.write(folder / shown.compare, side_by_side(panels))
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo from the command line and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deblur_jax.evaluation.demo")
    parser.add_argument("--output", default="out/demo", help="folder to fill (%(default)s)")
    parser.add_argument(
        "--weights",
        default="default",
        help="a shipped name, a weights file, or a training's workdir (%(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        from deblur_jax.compiler import enable_compilation_cache
        from deblur_jax.quiet import quiet_libraries
        from deblur_jax.restore import Restorer
        from deblur_jax.weights import registry

        quiet_libraries()
        enable_compilation_cache()
        # It is timed, so no size may share a larger one's program.
        restorer = Restorer(registry.load(options.weights), reuse=False)
        results = run_demo(options.output, restorer)
    except UserError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    return 1 if "failed" in results else 0


if __name__ == "__main__":
    sys.exit(main())
