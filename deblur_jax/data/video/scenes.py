"""High-frame-rate videos to folders of pairs: each input becomes a scene, laid out as GoPro is."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deblur_jax import images
from deblur_jax.atomic import reason, refuse_blocked
from deblur_jax.data.video import motion
from deblur_jax.data.video.pairs import BLURRED, SHARP, Frame, Window, check_lengths, windows
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images.frames import Frames, open_frames


@dataclass
class Scene:
    """One input and what became of it.

    Attributes:
      source: the video or the folder of pictures. name: of its folder in the output.
      pairs, skipped: how many were written, and how many were there already.
      static, cut: windows left out, as nothing moves in them or a cut lies in them.
      steps: pixels that the picture moved between neighbouring frames, for each pair written.
      rate: frames a second, or None.
      failure: what went wrong, naming the source, or "".
    """

    source: Path
    name: str
    pairs: int = 0
    skipped: int = 0
    static: int = 0
    cut: int = 0
    steps: list[float] = field(default_factory=list)
    rate: float | None = None
    failure: str = ""

    def __str__(self) -> str:
        return _counts([self])

    @property
    def warning(self) -> str:
        """A sentence if the averages show separate copies instead of blur, otherwise ""."""
        step = float(np.median(self.steps)) if self.steps else 0.0
        if step < motion.GHOST_STEP:
            return ""
        rate = f" at {self.rate:.4g} frames a second" if self.rate else ""
        return (
            f"{self.source}: neighbouring frames lie about {step:.0f} pixels apart{rate}, so that "
            "the averages show separate copies rather than blur; film at a higher frame rate, or "
            "interpolate frames first"
        )


def summary(scenes: Sequence[Scene]) -> str:
    """What became of all inputs, such as '40 pairs from 3 inputs; 2 static windows left out'."""
    failed = sum(bool(scene.failure) for scene in scenes)
    return _counts(scenes) + (f"; {_number(failed, 'input')} failed" if failed else "")


def _counts(scenes: Sequence[Scene]) -> str:
    pairs, skipped, static, cut = (
        sum(getattr(scene, name) for scene in scenes)
        for name in ("pairs", "skipped", "static", "cut")
    )
    text = _number(pairs, "pair")
    if len(scenes) > 1:
        text += f" from {len(scenes)} inputs"
    left_out = [f"{n} {kind}" for n, kind in ((static, "static"), (cut, "cut")) if n]
    if left_out:
        text += f"; {' and '.join(left_out)} window{'s' * (static + cut > 1)} left out"
    if skipped:
        text += f"; {skipped} skipped, as they exist (--overwrite replaces them)"
    return text


# Called with (scene's name, frames read, frames expected or None) as a scene goes on.
FrameProgress = Callable[[str, int, int | None], None]
# Called with (inputs finished, inputs in all, scene) after each input.
SceneProgress = Callable[[int, int, Scene], None]


def make_scenes(
    inputs: Sequence[str],
    output: str,
    *,
    lengths: Sequence[int],
    seed: int = 0,
    kinds: Sequence[str] = BLURRED,
    limit: int | None = None,
    overwrite: bool = False,
    frame_progress: FrameProgress = lambda name, done, expected: None,
    scene_progress: SceneProgress = lambda done, total, scene: None,
) -> list[Scene]:
    """Writes the pairs of videos and folders of frames; one that fails does not stop the rest.

    An input's pairs are `output/<scene>/{blur,blur_gamma,sharp}/NNNNNN.png`, at 8 bits, where the
    scene is the input's name without extension and NNNNNN the number of the sharp frame in it,
    from 0. A scene's windows depend on the seed and its name alone.

    Args:
      inputs: video files, and folders of pictures; see `images.frames.open_frames`.
      output: the folder that gets the scenes.
      lengths: the numbers of frames, odd, of which each window draws one.
      seed: 0 or more.
      kinds: which averages to write, of `blur` and `blur_gamma`.
      limit: how many pairs to make of one input at most.
      overwrite: makes pairs again that exist; otherwise they are skipped, and count to the limit.

    Raises:
      UsageError: before anything is written: even or too small lengths, a negative seed, a limit
        below 1, two inputs of one name.
      UserError: before anything is written, if a file is where a folder should be.
    """
    check_lengths(lengths)
    if seed < 0:
        raise UsageError(f"the seed is {seed}; it must be 0 or more")
    if limit is not None and limit < 1:
        raise UsageError(f"the limit is {limit}; it must be 1 or more")
    scenes = _named(inputs)
    refuse_blocked(Path(output) / "scene")
    for number, scene in enumerate(scenes, start=1):
        rng = np.random.default_rng([seed, zlib.crc32(scene.name.encode())])
        try:
            _make(
                scene,
                Path(output) / scene.name,
                lengths,
                rng,
                kinds,
                limit,
                overwrite,
                frame_progress,
            )
        except UsageError:
            raise
        except (UserError, MemoryError) as error:
            scene.failure = _explained(error, scene.source)
        scene_progress(number, len(scenes), scene)
    return scenes


def _make(
    scene: Scene,
    folder: Path,
    lengths: Sequence[int],
    rng: np.random.Generator,
    kinds: Sequence[str],
    limit: int | None,
    overwrite: bool,
    progress: FrameProgress,
) -> None:
    """Writes one scene and counts in it. UserError if it ends badly or there is no pair."""
    frames = open_frames(scene.source)
    scene.rate = frames.rate
    read = 0

    def told(source: Frames) -> Iterator[Frame]:
        nonlocal read
        for frame in source:
            read += 1
            progress(scene.name, read, source.expected)
            yield frame

    def places(number: int) -> dict[str, Path]:
        return {kind: folder / kind / f"{number:06d}.png" for kind in (*kinds, SHARP)}

    def exists(number: int) -> bool:
        return not overwrite and all(path.is_file() for path in places(number).values())

    for window in windows(told(frames), lengths, rng=rng, kinds=kinds, skip=exists):
        if window.pictures:
            _write(places(window.number), window)
        _count(scene, window)
        if limit is not None and scene.pairs + scene.skipped >= limit:
            return
    if not scene.pairs + scene.skipped:
        raise UserError(f"{scene.source}: no pairs: {_why(scene, read)}")


def _write(places: dict[str, Path], window: Window) -> None:
    """Writes a pair; where that fails, also by an interrupt, no picture is left without a twin."""
    new = [path for path in places.values() if not path.exists()]
    try:
        for kind, path in places.items():
            images.write(path, window.pictures[kind])
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        raise


def _count(scene: Scene, window: Window) -> None:
    if window.skipped:
        scene.skipped += 1
    elif window.left_out == "static":
        scene.static += 1
    elif window.left_out == "cut":
        scene.cut += 1
    else:
        scene.pairs += 1
        scene.steps.append(window.step)


def _why(scene: Scene, read: int) -> str:
    """Why a source gave no pair."""
    if not scene.static + scene.cut:
        return f"{_number(read, 'frame')} are too few to fill a window"
    reasons = []
    if scene.static:
        reasons.append(f"nothing moves in {_number(scene.static, 'window')}")
    if scene.cut:
        reasons.append(f"a cut lies in {_number(scene.cut, 'window')}")
    return " and ".join(reasons)


def _named(inputs: Sequence[str]) -> list[Scene]:
    scenes: dict[str, Scene] = {}
    for text in inputs:
        path = Path(text)
        name = path.name if path.is_dir() else path.stem
        if name in ("", ".."):  # `.` and `frames/..` have no name of their own
            name = path.resolve().name
        name = name.lstrip(".") or "scene"  # hidden folders are passed over by `find_pairs`
        key = name.casefold()  # some file systems take A and a for one
        if key in scenes:
            raise UsageError(
                f"{scenes[key].source} and {path} would both become the scene {name}; "
                "give them different names or outputs"
            )
        scenes[key] = Scene(path, name)
    return list(scenes.values())


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _explained(error: BaseException, source: Path) -> str:
    sentence = reason(error)
    return sentence if str(source) in sentence else f"{source}: {sentence}"
