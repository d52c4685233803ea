"""Tiles: where they lie, how they blend, and that an exact network gives the same with them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax import models
from deblur_jax.errors import UsageError
from deblur_jax.restore import tiling
from deblur_jax.restore.memory import bytes_per_pixel
from deblur_jax.restore.shapes import frame_side

NETWORKS = [
    models.GeneratorConfig(width=2, blocks=1, norm="none", upsample="transpose"),
    models.GeneratorConfig(width=2, blocks=2, norm="none", upsample="resize_conv"),
    models.GeneratorConfig(width=2, blocks=0, norm="none", upsample="pixel_shuffle"),
    models.GeneratorConfig(generator="unshuffle", width=2, blocks=1, norm="none"),
    models.GeneratorConfig(generator="unshuffle", width=2, blocks=0, norm="none"),
    models.GeneratorConfig(generator="nafnet", width=2, blocks=1, outer_blocks=(1, 2), norm="none"),
    models.GeneratorConfig(generator="nafnet", width=2, blocks=2, outer_blocks=(1,), norm="none"),
]


def sharp_weights(config):
    """Parameters so large that every pixel in reach has an effect."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    return jax.tree.map(
        lambda s: rng.normal(0, 0.5 if len(s.shape) < 2 else np.prod(s.shape[:-1]) ** -0.5, s.shape)
        .astype(np.float32),
        shapes,
    )  # fmt: skip


@pytest.mark.parametrize("config", NETWORKS)
def test_receptive_radius_is_a_bound_and_near(config):
    """A NaN spreads exactly as far as the receptive field reaches."""
    params = sharp_weights(config)
    run = jax.jit(lambda x: models.apply_generator(params, x, config))
    side, farthest = 144, 0
    for offset in range(8):  # the reach depends on where the pixel lies in the coarsest cell
        place = 72 + offset
        image = jnp.zeros((1, side, side, 3)).at[0, place, place].set(jnp.nan)
        hit = np.argwhere(np.isnan(np.asarray(run(image))[0]).any(-1))
        farthest = max(farthest, int(np.abs(hit - place).max()))
    assert 0 < farthest < 72
    radius = tiling.receptive_radius(config)
    assert farthest <= radius <= farthest + 8


def in_tiles(picture, side, radius, multiple, restore):
    """The whole picture from its bands, and that they follow each other without a gap."""
    rows = tiling.split_axis(picture.shape[0], side, radius, multiple)
    columns = tiling.split_axis(picture.shape[1], side, radius, multiple)

    def tile(top, left):
        return restore(picture[top : top + rows.size, left : left + columns.size])

    bands = list(tiling.restore_bands(rows, columns, tile))
    ends = np.cumsum([len(band) for _, band in bands])
    assert [top for top, _ in bands] == [0, *ends[:-1]]
    return np.concatenate([band for _, band in bands])


@pytest.mark.parametrize("config", NETWORKS)
def test_tiles_of_an_exact_network_give_the_whole_picture(rng, config):
    params = sharp_weights(config)
    run = jax.jit(lambda x: models.apply_generator(params, x[None], config)[0])
    radius, multiple = tiling.receptive_radius(config), models.size_multiple(config)
    side = 2 * (2 * radius + tiling.RAMP)
    picture = rng.uniform(-1, 1, (side // 16 * 8, side // 8 * 16, 3)).astype(np.float32)
    shapes = set()

    def restore(tile):
        shapes.add(tile.shape)
        return np.asarray(run(tile))

    tiled = in_tiles(picture, side, radius, multiple, restore)
    whole = np.asarray(run(picture))
    assert len(shapes) == 1 and next(iter(shapes))[1] < whole.shape[1]
    assert np.abs(whole - picture).mean() > 0.01  # the network does something
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_the_test_above_needs_the_margin(rng):
    config = NETWORKS[0]
    params = sharp_weights(config)
    run = jax.jit(lambda x: models.apply_generator(params, x[None], config)[0])
    picture = rng.uniform(-1, 1, (64, 256, 3)).astype(np.float32)
    tiled = in_tiles(picture, 64, 1, 4, lambda tile: np.asarray(run(tile)))
    assert np.abs(tiled - np.asarray(run(picture))).max() > 1e-3


@pytest.mark.parametrize("length", [64, 72, 100, 512, 1000])
@pytest.mark.parametrize("side", [64, 65, 128, 300])
@pytest.mark.parametrize("radius", [0, 5, 92])
@pytest.mark.parametrize("multiple", [4, 8])
def test_weights_add_up_to_one(length, side, radius, multiple):
    length = length // multiple * multiple
    axis = tiling.split_axis(length, side, radius, multiple)
    total = np.zeros(length)
    for start, weight in zip(axis.starts, axis.weights, strict=True):
        assert start % multiple == 0 and weight.shape == (axis.size,) and (weight >= 0).all()
        total[start : start + axis.size] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert axis.size % multiple == 0 or axis.size == length
    steps = np.abs(np.diff(np.concatenate(axis.weights)))
    if len(axis.starts) > 1 and axis.size >= 64:
        inner = [np.abs(np.diff(weight)).max() for weight in axis.weights]
        assert max(inner) < 0.5, steps  # a fade, no seam


def test_an_identity_comes_back_whole(rng):
    picture = rng.random((120, 264, 3), dtype=np.float32)
    back = in_tiles(picture, 64, 10, 4, lambda tile: tile)
    np.testing.assert_allclose(back, picture, atol=1e-6)


GIGABYTE = 2**30


def sides(height, width, tile="auto", config=None, memory=4 * GIGABYTE):
    return tiling.choose_sides(height, width, tile, config or models.GeneratorConfig(), memory)


def test_when_tiles_are_taken():
    light = models.GeneratorConfig(generator="unshuffle", norm="none")
    assert sides(720, 1280) is None
    assert sides(2000, 3000) is not None
    assert sides(2000, 3000, memory=16 * GIGABYTE) is None
    assert sides(3000, 4000, config=light) is None
    assert sides(9000, 12000, config=light) is not None
    assert sides(9000, 12000, "none") is None
    assert sides(500, 400, 256) == (256, 256)
    assert sides(200, 256, 256) is None


@pytest.mark.parametrize("size", [(4000, 6000), (6000, 4000), (400, 30000), (12000, 12000)])
@pytest.mark.parametrize("gigabytes", [1, 4])
def test_chosen_tiles_fit_and_cost_little(size, gigabytes):
    config = models.GeneratorConfig(generator="nafnet", width=64, norm="none", blocks=12)
    found = sides(*size, config=config, memory=gigabytes * GIGABYTE)
    radius, multiple = tiling.receptive_radius(config), models.size_multiple(config)
    axes = [tiling.split_axis(n, s, radius, multiple) for n, s in zip(size, found, strict=True)]
    frames = [frame_side(axis.size, multiple) for axis in axes]
    assert frames[0] * frames[1] * bytes_per_pixel(config) <= gigabytes * GIGABYTE
    for axis, length in zip(axes, size, strict=True):  # neighbours overlap by what exactness needs
        gaps = np.diff(axis.starts)
        assert axis.size == length or (axis.size - gaps >= 2 * radius + tiling.RAMP).all()
    computed = len(axes[0].starts) * len(axes[1].starts) * frames[0] * frames[1]
    assert computed < (1.75 if gigabytes == 4 else 2.6) * size[0] * size[1]


def test_too_little_memory_for_the_margins_still_gives_tiles():
    deep = models.GeneratorConfig(norm="none", blocks=60)
    assert sides(4000, 4000, config=deep, memory=2**28) == (256, 256)


def test_progress_is_told_after_each_tile_and_may_end_the_work():
    rows, columns = (tiling.split_axis(200, 64, 4, 8) for _ in range(2))
    told = []
    restore = lambda top, left: np.zeros((64, 64, 3), np.float32)  # noqa: E731
    list(tiling.restore_bands(rows, columns, restore, told.append))
    count = len(rows.starts) ** 2
    np.testing.assert_allclose(told, np.arange(1, count + 1) / count)

    def stop(share):
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(tiling.restore_bands(rows, columns, restore, stop))


def test_exactness():
    assert tiling.is_exact(models.GeneratorConfig(norm="none"), {})
    assert not tiling.is_exact(models.GeneratorConfig(norm="instance"), {})
    assert not tiling.is_exact(models.GeneratorConfig(norm="batch"), {})
    assert tiling.is_exact(models.GeneratorConfig(norm="batch"), {"a": 1})


@pytest.mark.parametrize("tile", ["all", "12.5", "63", 0, -256, ""])
def test_wrong_tiles_are_named(tile):
    with pytest.raises(UsageError, match="tile"):
        tiling.parse_tile(tile)


def test_good_tiles():
    assert [tiling.parse_tile(tile) for tile in ("auto", "none", "512", 64)] == [
        "auto", "none", 512, 64,
    ]  # fmt: skip
