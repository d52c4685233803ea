"""Pictures that fill a part of their array come out as if they were alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax import fast, models
from deblur_jax.models import layers
from deblur_jax.models.extent import Extent

RESNETS = [
    models.GeneratorConfig(width=4, blocks=2, upsample=upsample, downsample=downsample)
    for upsample, downsample in (
        ("transpose", "symmetric"),
        ("transpose_same", "same"),
        ("resize_conv", "symmetric"),
        ("resize_conv_same", "same"),
        ("pixel_shuffle", "symmetric"),
    )
]
LOCAL = [
    models.GeneratorConfig(generator="nafnet", norm="none", width=4, blocks=2, outer_blocks=(1, 1)),
    models.GeneratorConfig(generator="unshuffle", norm="none", width=4, blocks=1),
]
FRAME = (48, 64)
SIZES = [(16, 24), (40, 64), (48, 32), (48, 64), (16, 16)]


def drawn(config):
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    return jax.tree.map(lambda s: rng.normal(0, 0.15, s.shape).astype(np.float32), shapes)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("config", [*RESNETS, *LOCAL])
def test_every_network_sees_the_picture_alone(rng, config, quick):
    params = drawn(config)
    if quick:
        params, forward = fast.choose_forward(params, config, platform="cpu")
    else:

        def forward(params, x, extent):
            operations = extent.operations(layers.PLAIN)
            return models.apply_generator(params, x, config, operations=operations)

    pictures = [rng.uniform(-1, 1, (*size, 3)).astype(np.float32) for size in SIZES]
    frames = rng.normal(0, 9, (len(SIZES), *FRAME, 3)).astype(np.float32)  # around them: anything
    for frame, picture in zip(frames, pictures, strict=True):
        frame[: picture.shape[0], : picture.shape[1]] = picture

    @jax.jit
    def run(params, frames, sizes):
        return forward(params, frames, Extent(sizes[:, 0], sizes[:, 1], FRAME))

    together = np.asarray(run(params, frames, np.array(SIZES)))
    plain = drawn(config)
    for output, picture in zip(together, pictures, strict=True):
        alone = np.asarray(models.apply_generator(plain, picture[None], config))[0]
        assert np.abs(alone - picture).mean() > 0.01
        own = output[: picture.shape[0], : picture.shape[1]]
        np.testing.assert_allclose(own, alone, atol=3e-5)


def test_reflection_equals_numpys(rng):
    x = rng.normal(size=(2, 12, 16, 3)).astype(np.float32)
    extent = Extent(jnp.array([24, 10]), jnp.array([32, 6]), (24, 32))  # at half the resolution
    padded = np.asarray(extent.reflect_pad(jnp.asarray(x), 2))
    for found, own in zip(padded, (x[0], x[1, :5, :3]), strict=True):
        expected = np.pad(own, ((2, 2), (2, 2), (0, 0)), mode="reflect")
        np.testing.assert_array_equal(found[: expected.shape[0], : expected.shape[1]], expected)


def test_clearing_leaves_the_picture_and_nothing_else(rng):
    x = rng.normal(size=(1, 8, 8, 2)).astype(np.float32)
    x[0, 6, 6] = np.nan  # whatever stands there
    cleared = np.asarray(Extent(jnp.array([4]), jnp.array([6]), (8, 8)).clear(jnp.asarray(x)))
    np.testing.assert_array_equal(cleared[0, :4, :6], x[0, :4, :6])
    assert not cleared[0, 4:].any() and not cleared[0, :, 6:].any()
