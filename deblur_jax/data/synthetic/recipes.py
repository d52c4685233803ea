"""How each pair of a synthetic pool is blurred."""

import math
from typing import Literal, NamedTuple

import numpy as np

from deblur_jax.blur import motion
from deblur_jax.blur.light import Light
from deblur_jax.blur.trajectory import Constants

# Real pixels around each crop, so that streaks enter from outside as they do in a camera; more
# where a streak scale above one makes them longer, see `margin`.
MARGIN = 32
STREAK_SCALE_MAX = 2.0
# Sub-frames by streak length: steps stay below 1.5 pixels, where ghosts begin to show. The last
# count is for streak scales above one alone.
FRAMES = (9, 17, 39, 77)
_STEP_MAX = 1.5
# Half of the moving objects pass a camera that is nearly still, as in street scenes: its streak is
# a third of what it would be, theirs is two and a half times as long. With blur in few places, a
# pair keeps more of its gradients at the same PSNR, and real crops keep as much.
_STEADY_SHARE = 0.5
_STEADY_CAMERA, _STEADY_OBJECT = 0.35, 2.5
# Camera's and object's streaks together, in pixels: half of it to each side, within the margin.
# This and the other lengths but for nearly sharp pairs' are for a streak scale of one.
_TOGETHER_MAX = 56.0
# Streaks of nearly sharp pairs, in pixels; half of these pairs are not blurred at all.
_NEARLY_SHARP_MAX = 2.0
# Arc lengths of Algorithm 1 in pixels (60 in the paper) and the p_s of the authors' driver script.
_ARC_LENGTHS = (5.0, 55.0)
_EXPL = (0.01, 0.009, 0.008, 0.007, 0.005, 0.003)
_PAPER_EXPL = 0.001
# A short exposure is this part of the path at least.
_EXPOSURE_MIN = 0.25
# Grey levels: at most 1.2 of read noise, and shot noise of 1.6 at white.
_READ_NOISE_MAX = 1.2
_SHOT_NOISE_MAX = 1.6
_JPEG_QUALITIES = (80, 98)


class Shares(NamedTuple):
    """Fractions of a pool's pairs, each in [0, 1]; see `synthetic.make_pool`."""

    camera: float
    trajectory: float
    layer: float
    paper: float
    short: float
    gamma: float
    srgb: float
    noise: float
    jpeg: float


class Kind(NamedTuple):
    """What is decided before a program is compiled; pairs of one kind share it."""

    name: Literal["camera", "trajectory", "sharp"]
    frames: int = 0
    layer: bool = False
    light: Light = "stored"
    constants: Constants = "code"


class Recipe(NamedTuple):
    """How one pair is blurred."""

    kind: Kind
    key: int
    length: float  # pixels
    layer_length: float = 0.0  # pixels
    expl: float = 0.0
    exposure: float = 1.0
    read: float = 0.0  # grey levels
    shot: float = 0.0  # grey levels at white
    quality: int = 0  # JPEG, 0 for none


def margin(streak_scale: float) -> int:
    """Pixels around a crop that streaks of a scale need, at least MARGIN."""
    return max(MARGIN, math.ceil(MARGIN * streak_scale))


def draw_recipe(rng: np.random.Generator, shares: Shares, streak_scale: float = 1.0) -> Recipe:
    """Decides how a pair is blurred; always draws the same amount of random numbers.

    `streak_scale` multiplies the lengths of all streaks but those of nearly sharp pairs.
    """
    name, layer, paper, short, curve, noisy, packed, still = rng.uniform(size=8)
    small, opened, read, shot, arc, steady = rng.uniform(size=6)
    lengths = motion.LENGTH_MEDIAN * np.exp(motion.LENGTH_SPREAD * rng.normal(size=2))
    lengths = lengths * streak_scale
    expl, quality = float(rng.choice(_EXPL)), int(rng.integers(*_JPEG_QUALITIES, endpoint=True))
    key = int(rng.integers(2**31))
    light: Light = "stored"
    if curve < shares.gamma + shares.srgb:
        light = "gamma" if curve < shares.gamma else "srgb"
    exposure = _EXPOSURE_MIN + (1 - _EXPOSURE_MIN) * opened if short < shares.short else 1.0
    if name < shares.camera:
        moving = bool(layer < shares.layer)
        if moving and steady < _STEADY_SHARE:
            lengths = lengths * (_STEADY_CAMERA, _STEADY_OBJECT)
        own, of_object = np.minimum(lengths, motion.LENGTH_MAX * streak_scale)
        # An object's own motion comes on top of the camera's.
        of_object = min(of_object, _TOGETHER_MAX * streak_scale - own) if moving else 0.0
        longest = exposure * (own + of_object)
        frames = next((n for n in FRAMES if longest <= _STEP_MAX * (n - 1)), FRAMES[-1])
        recipe = Recipe(
            Kind("camera", frames, moving, light), key, own, of_object, exposure=exposure
        )
    elif name < shares.camera + shares.trajectory:
        constants: Constants = "paper" if paper < shares.paper else "code"
        length = _ARC_LENGTHS[0] + (_ARC_LENGTHS[1] - _ARC_LENGTHS[0]) * arc
        expl = _PAPER_EXPL if constants == "paper" else expl
        kind = Kind("trajectory", light=light, constants=constants)
        recipe = Recipe(kind, key, length * streak_scale, expl=expl, exposure=exposure)
    else:
        length = 0.0 if still < 0.5 else _NEARLY_SHARP_MAX * small
        recipe = Recipe(Kind("sharp", FRAMES[0]), key, length)
    if noisy < shares.noise:
        recipe = recipe._replace(read=_READ_NOISE_MAX * read, shot=_SHOT_NOISE_MAX * shot)
    return recipe._replace(quality=quality) if packed < shares.jpeg else recipe


def label(recipe: Recipe) -> str:
    """`camera`, `camera+object`, `trajectory` or `nearly_sharp`."""
    if recipe.kind.name == "camera":
        return "camera+object" if recipe.kind.layer else "camera"
    return "trajectory" if recipe.kind.name == "trajectory" else "nearly_sharp"
