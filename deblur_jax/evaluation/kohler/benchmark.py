"""Köhler's benchmark: a restored picture against every frame that the camera's path was filmed in.

Köhler, Hirsch, Mohler, Schölkopf and Harmeling (ECCV 2012) photographed four printed pictures along
twelve recorded camera motions, and then the sharp picture from some 199 points of each motion.
No frame is the one truth, nor is any as bright as the photograph, so for each frame x the restored
picture z is

1. scaled in brightness by sum(xz) / sum(z^2), over all three channels;
2. shifted by whole pixels to where the circular correlation of the channels' means is highest; what
   comes in from outside is black, and there x is made black as well;
3. compared in luminance .299 R + .587 G + .114 B, unrounded: PSNR with a peak of 255 over the whole
   picture, black margins included, and `kohler_ms_ssim`.

A picture's PSNR is its best over the frames, and so is its multi-scale SSIM, maybe with another
frame; the benchmark's figures are the means over the 48 pictures. These are the steps of the
authors' own script.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax import images
from deblur_jax.errors import UserError
from deblur_jax.evaluation.kohler.folder import KohlerPicture
from deblur_jax.evaluation.kohler.ms_ssim import SMALLEST, kohler_ms_ssim
from deblur_jax.evaluation.ledger import Ledger, stamp_of_file
from deblur_jax.evaluation.metrics.window import PEAK, check_pair
from deblur_jax.evaluation.timed import TimedRestorer

LUMINANCE = (0.299, 0.587, 0.114)
SIDES = ("blurred", "restored")


class Comparison(NamedTuple):
    """One restored picture with one frame.

    Attributes:
      psnr: in dB, `inf` where both agree everywhere.
      ms_ssim: 0 to 1, None below 161 pixels a side.
      scale: factor of the restored picture's brightness.
      shift: rows and columns by which it was moved, down and to the right.
    """

    psnr: float
    ms_ssim: float | None
    scale: float
    shift: tuple[int, int]


class Best(NamedTuple):
    """The best of a picture's comparisons: PSNR in dB, multi-scale SSIM, and over how many."""

    psnr: float
    ms_ssim: float | None
    frames: int


def compare(restored: np.ndarray, frame: np.ndarray) -> Comparison:
    """Aligns a restored picture with one sharp frame and measures what is left.

    Args:
      restored: uint8[H, W, 3].
      frame: uint8[H, W, 3].

    Raises:
      ValueError: another type or shape.
      UserError: the restored picture is black all over, and so no scale fits.
    """
    check_pair(restored, frame)
    if not restored.any():
        raise UserError("a restored picture that is black all over cannot be aligned")
    with jax.enable_x64(True):
        error, similarity, scale, shift = jax.device_get(_compare(restored, frame))
    return Comparison(
        psnr=float(10 * np.log10(PEAK**2 / error)) if error else float("inf"),
        ms_ssim=None if similarity is None else float(similarity),
        scale=float(scale),
        shift=(int(shift[0]), int(shift[1])),
    )


def best_of(restored: np.ndarray, frames: Iterable[np.ndarray]) -> Best:
    """The highest PSNR and the highest multi-scale SSIM over the frames, each for itself.

    Args:
      restored: uint8[H, W, 3].
      frames: at least one uint8[H, W, 3]; taken one at a time.

    Raises:
      ValueError: no frames, another type or shape.
      UserError: as `compare` does.
    """
    return _best([compare(restored, frame) for frame in frames])


def evaluate_kohler(
    pictures: Sequence[KohlerPicture],
    timed: TimedRestorer,
    progress: Callable[[int, int, str], None] | None = None,
    *,
    ledger: Ledger | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Scores a model by the protocol, the blurred photographs beside it.

    Args:
      pictures: as `find_kohler` gives them; the benchmark's figures are over all 48.
      timed: the model.
      progress: called with (pictures done, pictures in all, name) after each.
      ledger: keeps what is scored, and gives what was scored before.
      say: told in a sentence how many were.

    Returns:
      {"protocol": "kohler", "count", "blurred": {"psnr", "ms_ssim"}, "restored": the same,
      "per_image": [{"name", "frames", "blurred", "restored", "seconds"}]}: the means over the
      pictures. Where a photograph agrees with a frame everywhere its PSNR is None and in no mean,
      and `infinite_psnr`, {"blurred": n, "restored": n}, counts them.

    Raises:
      UserError: a file cannot be read, a frame or a restored picture has another size than its
        photograph, or is black; each named.
      ValueError: no pictures.
    """
    if not pictures:
        raise ValueError("no pictures to evaluate")
    ledger = Ledger(None, {}) if ledger is None else ledger
    stamps = {each.name: _stamp(each) for each in pictures}
    todo = [each for each in pictures if ledger.find(each.name, stamps[each.name]) is None]
    before = len(pictures) - len(todo)
    if before and say is not None:
        say(f"{before} of {len(pictures)} were scored before")
    for done, picture in enumerate(todo, start=before + 1):
        entry = _entry(picture, timed)
        ledger.add(picture.name, stamps[picture.name], entry, timed.first_seconds)
        if progress is not None:
            progress(done, len(pictures), picture.name)
    found = [ledger.find(each.name, stamps[each.name]) for each in pictures]
    entries = [copy.deepcopy(entry) for entry in found if entry is not None]
    infinite = {side: _without_infinity([entry[side] for entry in entries]) for side in SIDES}
    return {
        "protocol": "kohler",
        "count": len(entries),
        **{side: _means([entry[side] for entry in entries]) for side in SIDES},
        **({"infinite_psnr": infinite} if any(infinite.values()) else {}),
        "per_image": entries,
    }


def _stamp(picture: KohlerPicture) -> list[Any]:
    """What changes when a photograph or one of its frames does."""
    return [stamp_of_file(path) for path in (picture.blurred, *picture.frames)]


def _entry(picture: KohlerPicture, timed: TimedRestorer) -> dict[str, Any]:
    """The photograph's own best and the restored picture's; each frame is read once."""
    blurred = images.read_rgb(picture.blurred)
    restored, seconds = timed(blurred, picture.blurred)
    found: list[list[Comparison]] = [[], []]
    try:
        for path in picture.frames:
            frame = _frame(path, blurred.shape)
            for comparisons, z in zip(found, (blurred, restored), strict=True):
                comparisons.append(compare(z, frame))
    except UserError as error:
        raise UserError(f"{picture.blurred}: {error}") from error
    entry: dict[str, Any] = {"name": picture.name, "frames": len(picture.frames)}
    for side, comparisons in zip(SIDES, found, strict=True):
        best = _best(comparisons)
        entry[side] = {"psnr": best.psnr, "ms_ssim": best.ms_ssim}
    return entry | {"seconds": seconds}


def _best(comparisons: Sequence[Comparison]) -> Best:
    if not comparisons:
        raise ValueError("no frames to compare with")
    similarities = [each.ms_ssim for each in comparisons if each.ms_ssim is not None]
    psnr = max(each.psnr for each in comparisons)
    return Best(psnr, max(similarities, default=None), len(comparisons))


def _without_infinity(scores: Sequence[dict[str, float | None]]) -> int:
    """Puts None in place of each infinite PSNR, and counts them."""
    infinite = [score for score in scores if score["psnr"] == float("inf")]
    for score in infinite:
        score["psnr"] = None
    return len(infinite)


def _means(scores: Sequence[dict[str, float | None]]) -> dict[str, float | None]:
    means: dict[str, float | None] = {}
    for key in ("psnr", "ms_ssim"):
        values = [value for score in scores if (value := score[key]) is not None]
        means[key] = float(np.mean(values)) if values else None
    return means


def _frame(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    frame = images.read_rgb(path)
    if frame.shape != shape:
        sizes = [f"{width}x{height}" for height, width in (frame.shape[:2], shape[:2])]
        raise UserError(f"the frame {path} has {sizes[0]} pixels, not {sizes[1]}")
    return frame


@jax.jit
def _compare(
    restored: jax.Array, frame: jax.Array
) -> tuple[jax.Array, jax.Array | None, jax.Array, jax.Array]:
    """Mean squared error, multi-scale SSIM, scale and shift, to be traced with 64 bits on."""
    z, x = restored.astype(jnp.float64), frame.astype(jnp.float64)
    scale = jnp.sum(x * z) / jnp.sum(z * z)
    shift = _shift(z.mean(2), x.mean(2))
    inside = _moved(jnp.ones(z.shape[:2]), shift)
    weights = jnp.array(LUMINANCE)
    y, reference = _moved(scale * z @ weights, shift), x @ weights * inside
    similarity = None if min(z.shape[:2]) < SMALLEST else kohler_ms_ssim(reference, y)
    return jnp.mean((y - reference) ** 2), similarity, scale, shift


def _shift(z: jax.Array, x: jax.Array) -> jax.Array:
    """Rows and columns by which z has to move to lie on x: int[2], at most half a side each way."""
    # The brightness of z does not move the peak.
    correlation = jnp.fft.ifft2(jnp.fft.fft2(x) * jnp.conj(jnp.fft.fft2(z))).real
    sides = jnp.array(z.shape)
    peak = jnp.stack(jnp.unravel_index(jnp.argmax(correlation), z.shape))
    return jnp.where(peak >= sides // 2, peak - sides, peak)


def _moved(picture: jax.Array, shift: jax.Array) -> jax.Array:
    """The picture moved down and to the right, with black where nothing comes in."""
    rows, columns = (jnp.arange(side) - by for side, by in zip(picture.shape, shift, strict=True))
    height, width = picture.shape
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    return jnp.where(inside, jnp.roll(picture, shift, (0, 1)), 0.0)
