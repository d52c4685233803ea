"""Pairs from sharp photographs: crops worth learning from, blurred as cameras blur."""

from deblur_jax.data.synthetic.photographs import sound
from deblur_jax.data.synthetic.pool import VERSION, check, kinds, make_pool
from deblur_jax.data.synthetic.recipes import MARGIN, Shares

__all__ = ["MARGIN", "VERSION", "Shares", "check", "kinds", "make_pool", "sound"]
