"""Pairs of a blurred and a sharp picture: finding, sampling and feeding them.

Importing this package, or `pairs`, does not import TensorFlow; `pipeline` and `gopro` do so when
they are called for.
"""
