"""What goes wrong in a restoration and no loss says: a colour cast, clipped spots, a pixel grid.

The report on this network's training speaks of a 'sudden switch of colours' and of 'weird spots',
and transposed convolutions are known for a grid (Odena et al., Deconvolution and Checkerboard
Artifacts, Distill 2016). Each is a number here, a mean over the batch's pictures of something that
is measured in one picture, so that devices can average it; `Watch` says when one is out of bounds.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from deblur_jax import checkerboard

GREY_LEVELS = checkerboard.GREY_LEVELS

# Limits, each a little beyond what 287 real pairs of sharp and blurred 256x256 crops show singly
# (GoPro, REDS, street scenes): a perfect restorer, even at a batch of one, gives no warning.
# A channel's shift against the mean of the three: at most 1.5 there, and 0.5 but in REDS.
COLOUR_LIMIT = 3.0  # grey levels
# The mean of the three: up to 12.6 in REDS, whose blurred crops are too bright; 2.4 elsewhere.
BRIGHTNESS_LIMIT = 16.0  # grey levels
# At most 0.16, on sunlit ground that the blur had greyed; the median is 0.01 or less.
CLIPPED_LIMIT = 0.2  # share of values
# At most 9.3 (a facade's rows of windows), in the median 1; untrained paper networks have 17 to 23
# with transposed convolutions or pixel shuffling, and at most 1.2 with `resize_conv`. A
# checkerboard of one grey level brings a perfect restoration to 26 and more, stripes of two to 23
# in the mean. On crops of 64 pixels real pairs have at most 11.8 and untrained networks 13 to 20;
# below 64 much of a grid goes unseen.
GRID_LIMIT = 12.0  # dB

# Of the critic's loss and of its distance between restored and sharp pictures. A critic whose
# gradient has norm 1, as the penalty wants it, cannot tell two pictures further apart than their
# Euclidean distance, which for 256x256 pixels in [-1, 1] that differ by a third is 150, and by all
# of their range 890. Users of the authors' code saw -20000.
CRITIC_LIMIT = 1000.0

# A value that is black or white once it is saved in 8 bits.
_CLIPPED = 1 - 0.5 / GREY_LEVELS

_COLOURS = (("redder", "more cyan"), ("greener", "more magenta"), ("bluer", "more yellow"))
QUIET_STEPS = 1000  # at the start of a run


def measure(restored: jax.Array, blurred: jax.Array) -> dict[str, jax.Array]:
    """All guards of a batch.

    Args:
      restored, blurred: float32[B, H, W, 3] in [-1, 1], H and W at least 16.

    Returns:
      Scalars, float32: `guard/red`, `guard/green`, `guard/blue` in grey levels as in
      `colour_shift`, `guard/clipped` as a share in 0 to 1, `guard/grid` in dB.
    """
    restored, blurred = restored.astype(jnp.float32), blurred.astype(jnp.float32)
    red, green, blue = colour_shift(restored, blurred)
    return {
        "guard/red": red,
        "guard/green": green,
        "guard/blue": blue,
        "guard/clipped": clipped_share(restored, blurred),
        "guard/grid": grid(restored, blurred),
    }


def colour_shift(restored: jax.Array, blurred: jax.Array) -> jax.Array:
    """Mean of restored minus blurred, float32[3] for red, green and blue, in 8-bit grey levels."""
    return GREY_LEVELS * (restored - blurred).mean((0, 1, 2))


def clipped_share(restored: jax.Array, blurred: jax.Array) -> jax.Array:
    """Share of values that are black or white in the restored picture and were not in the blurred.

    Each of the three channels counts by itself, and black and white are the values that 8 bits
    show as 0 and 255. A sky that is white in both counts for nothing; nor does one that becomes
    grey make up for spots elsewhere, as it would in a difference of two shares.

    Returns:
      A float32 scalar, 0 to 1.
    """
    white = (restored >= _CLIPPED) & (blurred < _CLIPPED)
    black = (restored <= -_CLIPPED) & (blurred > -_CLIPPED)
    return (white | black).astype(jnp.float32).mean()


def grid(restored: jax.Array, blurred: jax.Array) -> jax.Array:
    """How far a pattern that repeats every 2 or 4 pixels stands out of restored minus blurred.

    The largest of `checkerboard.peaks` is the picture's.

    Returns:
      A float32 scalar in dB, the mean over the batch: 0 to 1 for noise, 20 for a grid as an
      untrained network with transposed convolutions leaves it.

    Raises:
      ValueError: a picture has fewer than 16 rows or columns.
    """
    return checkerboard.peaks(restored, blurred).max(1).mean()


def warnings(step: int, values: Mapping[str, float]) -> list[str]:
    """One sentence for each guard that is beyond its limit.

    Args:
      step: that the values are of.
      values: with the keys of `measure`, and any others.
    """
    return [f"step {step}: {sentence}" for sentence in _beyond(values).values()]


def _beyond(values: Mapping[str, float]) -> dict[str, str]:
    """The guards beyond their limits by name, and what there is to say."""
    said = {}
    shifts = np.array([values[f"guard/{name}"] for name in ("red", "green", "blue")])
    brightness = float(shifts.mean())
    casts = shifts - brightness
    strongest = int(np.abs(casts).argmax())
    cast = float(casts[strongest])
    if abs(cast) > COLOUR_LIMIT:
        said["colour"] = (
            f"the restored pictures are {abs(cast):.1f} grey levels {_COLOURS[strongest][cast < 0]}"
            f" than the blurred ones (limit {COLOUR_LIMIT:g}): the means of red, green and blue "
            f"moved by {shifts[0]:+.1f}, {shifts[1]:+.1f} and {shifts[2]:+.1f}"
        )
    if abs(brightness) > BRIGHTNESS_LIMIT:
        said["brightness"] = (
            f"the restored pictures are {abs(brightness):.1f} grey levels "
            f"{'brighter' if brightness > 0 else 'darker'} than the blurred ones "
            f"(limit {BRIGHTNESS_LIMIT:g})"
        )
    clipped, peak = values["guard/clipped"], values["guard/grid"]
    if clipped > CLIPPED_LIMIT:
        said["clipped"] = (
            f"{clipped:.0%} of the restored values are black or white and were not in the blurred "
            f"pictures (limit {CLIPPED_LIMIT:.0%}): they show as spots, and learn nothing there"
        )
    if peak > GRID_LIMIT:
        said["grid"] = (
            f"the restored pictures have a grid of 2 or 4 pixels, {peak:.1f} dB above its "
            f"surroundings (limit {GRID_LIMIT:g}): transposed convolutions and pixel shuffling "
            "leave one, model.upsample = 'resize_conv' hardly does"
        )
    return said


def _critic(values: Mapping[str, float]) -> dict[str, str]:
    """What there is to say of a critic that has exploded."""
    names = ("loss/critic_wasserstein", "loss/critic")
    name = max(names, key=lambda name: abs(values.get(name) or 0.0))
    value = values.get(name) or 0.0
    if abs(value) <= CRITIC_LIMIT:
        return {}
    return {
        "critic": f"the critic explodes: {name} is {value:.4g} (limit {CRITIC_LIMIT:g} either "
        "way); a lower train.critic_learning_rate or a higher loss.gradient_penalty_weight holds it"
    }


class Watch:
    """Turns the lines of a run's log into warnings, few enough to be read.

    A guard warns when it is beyond its limit on two lines in a row, as one batch may be odd, and
    then not again before it has been back within. Nothing is said in the first `QUIET_STEPS`: what
    an untrained network makes has a grid, and any colour. The numbers are in the log from the first
    line all the same. A run that is resumed starts afresh, and may repeat a warning.
    """

    def __init__(self) -> None:
        self._before: set[str] = set()
        self._warned: set[str] = set()

    def look(self, step: int, values: Mapping[str, float]) -> list[str]:
        """Takes the next line's step and values; returns sentences as `warnings` does."""
        beyond = _critic(values)
        self._before |= set(beyond)  # one line is enough
        if step > QUIET_STEPS:
            beyond |= _beyond(values)
        due = [name for name in beyond if name in self._before - self._warned]
        self._before = set(beyond)
        self._warned = (self._warned & self._before) | set(due)
        return [f"step {step}: {beyond[name]}" for name in due]
