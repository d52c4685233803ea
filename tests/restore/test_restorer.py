"""The restorer: any size, any depth, one compilation a size."""

import functools

import jax
import numpy as np
import pytest

from deblur_jax import models
from deblur_jax.errors import UsageError, UserError
from deblur_jax.images import Picture
from deblur_jax.restore import Restorer
from deblur_jax.restore.restorer import pad_to_fit
from deblur_jax.restore.treatment import Treatment
from deblur_jax.weights.registry import Weights

SMALL = models.GeneratorConfig(width=4, blocks=1)
EXACT = models.GeneratorConfig(width=4, blocks=1, norm="none")
NAFNET = models.GeneratorConfig(
    generator="nafnet", norm="none", width=4, blocks=1, outer_blocks=(1, 1), dropout=0.0
)
LIGHT = models.GeneratorConfig(generator="unshuffle", norm="none", width=4, blocks=1)


@functools.cache
def random_params(config):
    """Parameters with an effect that shows in 8 bits; drawn by numpy, as compiling takes longer."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    return jax.tree.map(lambda s: rng.normal(0, 0.08, s.shape).astype(np.float32), shapes)


def make_weights(config=SMALL, batch_stats=None) -> Weights:
    return Weights("random", "0" * 64, config, random_params(config), batch_stats or {}, {})


@functools.cache
def restorer_of(config) -> Restorer:
    """One restorer for the tests that do not count compilations."""
    return Restorer(make_weights(config))


def picture(rng, height, width):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_hand(weights, image):
    """The result as the definition says, in numpy around the bare network."""
    unit = image.astype(np.float32) / 255
    height, width = image.shape[:2]
    multiple = models.size_multiple(weights.config)
    pads = [(0, -height % multiple), (0, -width % multiple), (0, 0)]
    x = np.pad(2 * unit - 1, pads, mode="reflect")[None]
    network = jax.jit(models.apply_generator, static_argnums=2)
    y = np.asarray(network(weights.params, x, weights.config))[0, :height, :width]
    return np.rint((y + 1) / 2 * 255).astype(np.uint8)


@pytest.mark.parametrize("config", [SMALL, EXACT, LIGHT])
@pytest.mark.parametrize("shape", [(16, 24), (37, 50), (41, 16)])
def test_equals_the_network_on_the_padded_picture(rng, config, shape):
    weights, image = make_weights(config), picture(rng, *shape)
    restored = restorer_of(config)(image)
    assert restored.dtype == np.uint8 and restored.shape == image.shape
    expected = by_hand(weights, image)
    # Compiled together with other steps, a value at half a step may round the other way.
    difference = np.abs(restored.astype(int) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01
    assert np.abs(restored.astype(int) - image).mean() > 1


@pytest.mark.parametrize("config", [SMALL, LIGHT])
@pytest.mark.parametrize("shape", [(1, 1), (3, 300), (300, 2), (2, 2), (7, 1), (9, 8)])
def test_tiny_and_odd_sizes(rng, config, shape):
    image = picture(rng, *shape)
    restored = restorer_of(config)(image)
    assert restored.shape == image.shape and restored.dtype == np.uint8


def test_padding_reflects_without_repeating_the_border():
    image = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((1, 8, 3), np.float32)
    padded = pad_to_fit(image, SMALL)
    assert padded.shape == (8, 8, 3)
    np.testing.assert_array_equal(padded[:, 0, 0], [0, 1, 2, 3, 4, 3, 2, 1])
    single = pad_to_fit(np.full((1, 2, 3), 7, np.float32), SMALL)
    np.testing.assert_array_equal(single, np.full((8, 8, 3), 7))
    two = pad_to_fit(np.array([[[0] * 3, [1] * 3]], np.float32), SMALL)
    np.testing.assert_array_equal(two[0, :, 0], [0, 1, 0, 1, 0, 1, 0, 1])
    assert pad_to_fit(np.zeros((8, 12, 3), np.float32), SMALL).shape == (8, 12, 3)


def test_nothing_is_compiled_twice(rng):
    restorer = Restorer(make_weights())
    for shape in [(16, 16), (16, 16), (15, 13), (14, 16)]:  # all padded to 16x16
        restorer(picture(rng, *shape))
    assert restorer.compilations == 1
    restorer(picture(rng, 20, 16))
    restorer(picture(rng, 16, 16))
    assert restorer.compilations == 2


@pytest.mark.parametrize("config", [SMALL, EXACT, LIGHT, NAFNET])
def test_many_sizes_share_few_programs_and_change_nothing(rng, config):
    restorer, weights = Restorer(make_weights(config)), make_weights(config)
    for shape in [(144, 160), (137, 152), (130, 149), (141, 160)]:  # arrays of 144x160
        image = picture(rng, *shape)
        difference = np.abs(restorer(image).astype(int) - by_hand(weights, image))
        assert difference.max() <= 1 and (difference > 0).mean() < 0.01
    assert restorer.compilations == 1


def test_what_is_timed_shares_no_program(rng):
    sizes = [(144, 160), (128, 144), (128, 144)]  # the second fits into the first one's array
    shared, timed = Restorer(make_weights(EXACT)), Restorer(make_weights(EXACT), reuse=False)
    for size in sizes:
        shared(picture(rng, *size))
        timed(picture(rng, *size))
    assert (shared.compilations, timed.compilations) == (1, 2)


def test_a_batch_norm_without_averages_gets_arrays_of_its_own(rng):
    """Its statistics are of all that it sees, so nothing may stand around the picture."""
    weights = make_weights(models.GeneratorConfig(width=4, blocks=1, norm="batch"))
    image = picture(rng, 130, 136)
    restored = Restorer(weights)(image)
    difference = np.abs(restored.astype(int) - by_hand(weights, image))
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01


@pytest.mark.parametrize("config", [SMALL, LIGHT])
def test_batches_give_what_one_by_one_gives(rng, config, monkeypatch):
    restorer = restorer_of(config)
    shapes = [(16, 16), (13, 15), (40, 24), (16, 12), (1, 9), (37, 24)]
    images = [picture(rng, *shape) for shape in shapes]
    images[1] = images[1].astype(np.uint16) * 257
    alone = [restorer(image) for image in images]
    for found, expected in zip(restorer.batch(images), alone, strict=True):
        np.testing.assert_array_equal(found, expected)
    together = restorer._grouped(images)  # as on an accelerator
    for found, expected in zip(together, alone, strict=True):
        assert found.dtype == expected.dtype and found.shape == expected.shape
        peak = np.iinfo(expected.dtype).max
        difference = np.abs(found.astype(float) - expected) / peak * 255
        assert difference.max() <= 1.01 and (difference > 0.5).mean() < 0.01
    array = np.stack([images[0], images[0][::-1]])
    assert len(restorer.batch(array)) == 2
    assert restorer.batch([]) == []


def test_a_treatment_is_applied_at_the_pictures_depth(rng):
    restorer = restorer_of(SMALL)
    for dtype in (np.uint8, np.uint16):
        image = rng.integers(0, np.iinfo(dtype).max, (20, 30, 3), dtype=dtype, endpoint=True)
        source = Picture(image)
        none = restorer.restore_picture(source, Treatment(0.0)).rgb
        np.testing.assert_array_equal(none, image)
        half = restorer.restore_picture(source, Treatment(0.5)).rgb.astype(float)
        expected = (image.astype(float) + restorer(image)) / 2
        assert np.abs(half - expected).max() <= 1.01
        luma = restorer.restore_picture(source, Treatment(luminance_only=True)).rgb
        assert (luma != restorer(image)).any()


def test_who_watches_can_end_it(rng):
    restorer = Restorer(make_weights(EXACT), tile=64)
    told = []
    restorer.restore_picture(Picture(picture(rng, 100, 150)), watch=told.append)
    assert len(told) > 2 and told[-1] == 1

    def stop(_share):
        raise UserError("enough")

    with pytest.raises(UserError, match="enough"):
        restorer.restore_picture(Picture(picture(rng, 100, 150)), watch=stop)


def test_tiles_share_one_program_and_change_nothing(rng):
    weights, image = make_weights(EXACT), picture(rng, 150, 230)
    whole = Restorer(weights, tile="none").restore_unit(image / np.float32(255))
    tiled = Restorer(weights, tile=128)
    result = tiled.restore_unit(image / np.float32(255))
    np.testing.assert_allclose(result, whole, atol=1e-5)
    assert tiled.compilations == 1


def test_tiles_of_an_instance_norm_cannot_be_seen(rng, caplog):
    """They are strips with the statistics of the whole picture, at any depth."""
    image = picture(rng, 101, 150)
    whole = restorer_of(SMALL)(image)
    told = []
    strips = Restorer(make_weights(SMALL), tile=64).restore_picture(
        Picture(image), watch=told.append
    )
    difference = np.abs(strips.rgb.astype(int) - whole)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01
    assert len(told) > 3 and told[-1] == 1 and (np.diff(told) > 0).all()
    assert not caplog.records


def test_tiles_that_differ_from_the_whole_are_announced(rng, caplog):
    image = picture(rng, 100, 150)
    Restorer(make_weights(EXACT), tile=64)(image)
    assert not caplog.records
    Restorer(make_weights(SMALL), tile=64, dropout=0)(image)
    assert "152x100 pixels are restored in tiles of 64: instance norm" in caplog.text
    Restorer(make_weights(models.GeneratorConfig(width=4, blocks=1, norm="batch")), tile=64)(image)
    assert "batch norm" in caplog.text


def test_a_batch_norm_uses_its_moving_averages(rng):
    config = models.GeneratorConfig(width=4, blocks=1, norm="batch")
    stats = models.generator.init_stats(config)
    other = jax.tree.map(lambda a: a + 1.0, stats)
    image = picture(rng, 16, 16)
    results = [Restorer(make_weights(config, s))(image).astype(int) for s in (stats, other, {})]
    for i in range(3):
        assert np.abs(results[i] - results[i - 1]).max() > 0


def test_values_are_rounded_not_cut(monkeypatch):
    restorer = restorer_of(SMALL)
    values = np.linspace(0, 1, 3 * 64, dtype=np.float32).reshape(8, 8, 3)
    monkeypatch.setattr(type(restorer.network), "__call__", lambda *_: [2 * values - 1])
    restored = restorer(np.zeros((8, 8, 3), np.uint8))
    np.testing.assert_allclose(restored, np.floor(values.astype(np.float64) * 255 + 0.5), atol=0)


def test_sixteen_bits_are_worked_on_at_sixteen_bits(rng):
    weights = make_weights(EXACT)
    deep = rng.integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    restored = Restorer(weights)(deep)
    assert restored.dtype == np.uint16
    x = 2 * (deep / 65535.0)[None].astype(np.float32) - 1
    y = np.asarray(jax.jit(models.apply_generator, static_argnums=2)(weights.params, x, EXACT))[0]
    assert np.abs(restored - (y + 1.0) / 2 * 65535).max() < 2  # float32 has 24 bits, not 32
    assert len(np.unique(restored % 257)) > 100  # not 8 bits stretched


def test_a_picture_keeps_what_it_has(rng):
    alpha = rng.integers(0, 256, (9, 7), dtype=np.uint8)
    source = Picture(picture(rng, 9, 7), alpha=alpha, icc=b"profile", exif=b"exif")
    restorer = restorer_of(SMALL)
    result = restorer.restore_picture(source)
    np.testing.assert_array_equal(result.rgb, restorer(source.rgb))
    assert result.alpha is alpha and (result.icc, result.exif) == (b"profile", b"exif")


def test_float_pictures_may_be_brighter_than_one(rng):
    restorer = restorer_of(EXACT)
    unit = rng.random((8, 8, 3), dtype=np.float32)
    unit[0, 0, 0] = 1
    plain = restorer.restore_picture(Picture(unit)).rgb
    np.testing.assert_array_equal(plain, restorer.restore_unit(unit))
    assert plain.dtype == np.float32
    bright = restorer.restore_picture(Picture(4 * unit)).rgb
    np.testing.assert_allclose(bright, 4 * plain, rtol=1e-5)


def test_bfloat16_is_near_float32_but_not_it(rng):
    image = picture(rng, 16, 16)
    full = restorer_of(SMALL)(image).astype(int)
    half = Restorer(make_weights(), precision="bfloat16")(image).astype(int)
    difference = np.abs(full - half)
    assert difference.max() > 0 and difference.mean() < 4


def test_what_is_no_picture_is_refused(rng):
    restorer = restorer_of(SMALL)
    for wrong in (
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.float64),
    ):
        with pytest.raises(UsageError, match="a picture"):
            restorer(wrong)
    with pytest.raises(UsageError, match="precision is 'float16'"):
        Restorer(make_weights(), precision="float16")
    with pytest.raises(UsageError, match="tile"):
        Restorer(make_weights(), tile="some")


def test_weights_that_give_no_numbers_are_named():
    weights = make_weights()
    params = jax.tree.map(lambda a: a * np.nan, weights.params)
    with pytest.raises(UserError, match="random gave values that are not finite"):
        Restorer(weights._replace(params=params))(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("error", [MemoryError(), "RESOURCE_EXHAUSTED: out of memory"])
def test_lack_of_memory_is_explained(monkeypatch, error):
    restorer = Restorer(make_weights())
    raised = jax.errors.JaxRuntimeError(error) if isinstance(error, str) else error

    def fail(*_):
        raise raised

    monkeypatch.setattr(restorer.network, "_program", fail)
    with pytest.raises(UserError, match="not enough memory for 12x8 pixels"):
        restorer(np.zeros((8, 12, 3), np.uint8))


def test_dropout_stays_on_only_where_it_is_asked_for(rng):
    weights, image = make_weights(), picture(rng, 20, 24)
    plain = restorer_of(SMALL)(image)
    np.testing.assert_array_equal(plain, restorer_of(SMALL)(image))
    first, second = (Restorer(weights, dropout=seed) for seed in (0, 1))
    dropped = first(image)
    assert (dropped != plain).mean() > 0.2
    np.testing.assert_array_equal(first(image), dropped)  # again, and after other pictures
    assert (second(image) != dropped).mean() > 0.2
    other = image[::-1].copy()
    first(other)
    np.testing.assert_array_equal(first(image), dropped)


def test_weights_without_dropout_cannot_leave_it_on():
    config = models.GeneratorConfig(width=4, blocks=1, dropout=0.0)
    with pytest.raises(UsageError, match="random were trained without dropout"):
        Restorer(make_weights(config), dropout=0)
