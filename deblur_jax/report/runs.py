"""A training run's section: its curves, its colour guard, its pictures over time."""

from collections.abc import Sequence

from deblur_jax.report.events import Frame
from deblur_jax.report.training import Training
from deblur_jax.web.elements import (
    Element,
    Facts,
    Heading,
    Plot,
    Plots,
    Prose,
    Section,
    Strip,
    Strips,
)
from deblur_jax.web.page import embedded


def section(training: Training, number_of: int) -> Section:
    """The section of one run; `number_of` tells several runs of one report apart."""
    suffix = f"-{number_of}" if number_of else ""
    warnings: list[Element] = [Prose(warning, warning=True) for warning in training.warnings]
    plots = [
        Plot(f"training{suffix}-{panel.name}", panel.svg, panel.note) for panel in training.panels
    ]
    return Section(
        f"training{suffix}",
        f"Training: {training.label}",
        [Facts(training.facts), *warnings, Plots(plots), *_frames(training.frames)],
        short=f"Training {training.label}",
    )


def _frames(frames: Sequence[Frame]) -> list[Element]:
    if not frames:
        return [Prose("No pictures: there are none in TensorBoard events beside the log.")]
    return [Heading("Pictures over time"), Strips([_strip(frame) for frame in frames])]


def _strip(frame: Frame) -> Strip:
    height, width = frame.picture.shape[:2]
    return Strip(embedded(frame.picture), f"step {frame.step:,}: {frame.tag}", width, height)
