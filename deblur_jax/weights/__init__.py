"""Weights that ship with the package, files of weights, and those of a training run."""
