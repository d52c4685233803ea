"""Restoring pictures of any size, from memory and from files."""

from deblur_jax.restore.restorer import Restorer

__all__ = ["Restorer"]
