"""Plots as SVG text, for a file of their own or inside a page: data in, drawing out."""

from deblur_jax.plots.drawings import Line, gains, groups, lines, points
from deblur_jax.plots.intervals import Interval, intervals

__all__ = ["Interval", "Line", "gains", "groups", "intervals", "lines", "points"]
