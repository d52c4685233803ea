"""A training run's section: its curves, its colour guard, its pictures over time."""

from collections.abc import Sequence

from deblur_jax.report.training import Frame, Training
from deblur_jax.web.elements import (
    Element,
    Folded,
    Heading,
    Plot,
    Plots,
    Prose,
    Section,
    Strip,
)
from deblur_jax.web.page import data_address


def section(training: Training, number_of: int) -> Section:
    """The section of one run; `number_of` tells several runs of one report apart."""
    suffix = f"-{number_of}" if number_of else ""
    facts = "; ".join(f"{name}: {value}" for name, value in training.facts)
    warnings: list[Element] = [Prose(warning, warning=True) for warning in training.warnings]
    plots = [
        Plot(f"training{suffix}-{panel.name}", panel.svg, panel.note) for panel in training.panels
    ]
    return Section(
        f"training{suffix}",
        f"Training: {training.label}",
        [Prose(facts), *warnings, Plots(plots), *_frames(training.frames)],
    )


def _frames(frames: Sequence[Frame]) -> list[Element | Folded]:
    """Pictures over time: the latest open, the earlier ones folded."""
    if not frames:
        return [Prose("No pictures: there are no TensorBoard events beside the log.")]
    strips = [
        Strip(data_address(frame.png, "image/png"), f"step {frame.step}: {frame.tag}")
        for frame in frames
    ]
    last = max(frame.step for frame in frames)
    return [
        Heading("Pictures over time"),
        *(
            strip if frame.step == last else Folded(strip.caption, strip)
            for frame, strip in zip(frames, strips, strict=True)
        ),
    ]
