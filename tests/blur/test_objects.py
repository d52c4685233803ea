"""Outlines of moving objects: how much they cover, and what they follow."""

import jax
import numpy as np

from deblur_jax.blur.objects import soft_mask


def test_masks_cover_some_but_not_all():
    keys = jax.random.split(jax.random.key(0), 30)
    flat = np.full((96, 96, 3), 0.5, np.float32)
    masks = np.asarray(jax.jit(jax.vmap(soft_mask, in_axes=(0, None)))(keys, flat))
    assert masks.min() >= 0 and masks.max() <= 1
    share = masks.mean(axis=(1, 2))
    assert 0.05 < np.median(share) < 0.5
    # An edge is about two pixels wide: few pixels lie between.
    assert np.mean((masks > 0.01) & (masks < 0.99)) < 0.12


def test_outlines_are_drawn_to_edges():
    """A picture of two halves: outlines follow the border between them more than by chance."""
    halves = np.zeros((96, 96, 3), np.float32)
    halves[:, 48:] = 1.0
    keys = jax.random.split(jax.random.key(0), 40)
    masks = jax.jit(jax.vmap(soft_mask, in_axes=(0, None)))
    on_border = [
        np.abs(np.diff(np.asarray(masks(keys, picture)), axis=2))[:, :, 46:50].max(axis=2).mean()
        for picture in (halves, np.full_like(halves, 0.5))
    ]
    assert on_border[0] > 1.8 * on_border[1]
