"""Networks with instance norm in strips: the result of the whole picture, whatever the memory."""

import jax
import numpy as np
import pytest

from deblur_jax import models
from deblur_jax.errors import UserError
from deblur_jax.restore import layered
from deblur_jax.restore.layered import Layered, Plan, plan

NETWORKS = [
    models.GeneratorConfig(
        width=4, blocks=blocks, upsample=up, downsample=down, block_convolutions=convolutions
    )
    for up, down, blocks, convolutions in (
        ("transpose", "symmetric", 2, 2),
        ("transpose_same", "same", 1, 2),
        ("resize_conv", "symmetric", 1, 2),
        ("resize_conv_same", "same", 2, 1),
        ("pixel_shuffle", "symmetric", 0, 2),
    )
]
GIGABYTE = 2**30


def drawn(config):
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    return jax.tree.map(lambda s: rng.normal(0, 0.15, s.shape).astype(np.float32), shapes)


def run(network, x, chosen, watch=None):
    started = layered._Run(network, lambda rows: x[rows], *x.shape[:2], chosen, watch)
    bands = list(started.bands())
    ends = np.cumsum([len(band) for _, band in bands])
    assert [top for top, _ in bands] == [0, *ends[:-1]]
    return np.concatenate([band for _, band in bands])


@pytest.mark.parametrize("config", NETWORKS)
@pytest.mark.parametrize("rows", [3, 100])
def test_strips_give_the_whole_picture(rng, config, rows):
    params = drawn(config)
    network = Layered(params, config, jax.devices()[0])
    x = rng.uniform(-1, 1, (60, 72, 3)).astype(np.float32)
    x[:20] *= 0.1  # so that no strip has the statistics of the whole
    whole = np.asarray(models.apply_generator(params, x[None], config))[0]
    np.testing.assert_allclose(run(network, x, Plan(rows, np.float32, False)), whole, atol=1e-4)
    assert np.abs(whole - x).mean() > 0.01


def test_half_precision_and_a_file_change_little(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(layered.tempfile, "tempdir", str(tmp_path))
    config = NETWORKS[0]
    params = drawn(config)
    network = Layered(params, config, jax.devices()[0])
    x = rng.uniform(-1, 1, (60, 72, 3)).astype(np.float32)
    whole = np.asarray(models.apply_generator(params, x[None], config))[0]
    found = [run(network, x, Plan(4, np.float16, on_disk)) for on_disk in (False, True)]
    np.testing.assert_array_equal(*found)
    error = np.mean(np.square((found[0] - whole) / 2.0))
    assert 0 < error < 1e-6  # 60 dB
    assert not list(tmp_path.iterdir())


def test_progress_is_told_and_may_end_it(rng):
    network = Layered(drawn(NETWORKS[0]), NETWORKS[0], jax.devices()[0])
    x = rng.uniform(-1, 1, (40, 40, 3)).astype(np.float32)
    told = []
    run(network, x, Plan(4, np.float32, False), told.append)
    assert told[-1] == 1 and len(told) == 3 * 10

    def stop(share):
        if share > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(network, x, Plan(4, np.float32, False), stop)


def test_a_full_disk_is_told(monkeypatch, rng):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layered.os, "posix_fallocate", full)
    network = Layered(drawn(NETWORKS[0]), NETWORKS[0], jax.devices()[0])
    x = rng.uniform(-1, 1, (40, 40, 3)).astype(np.float32)
    with pytest.raises(UserError, match=r"no space for .* GB in .*: no space left on device"):
        run(network, x, Plan(4, np.float16, True))


def test_the_plan_follows_the_memory():
    paper = models.GeneratorConfig()
    assert plan(4000, 6000, paper, 16 * GIGABYTE) == Plan(64, np.float32, False)
    half = plan(4000, 6000, paper, 3 * GIGABYTE)
    assert half.dtype is np.float16 and not half.on_disk and half.rows > 8
    assert plan(4000, 6000, paper, GIGABYTE).on_disk
    assert plan(400, 60000, paper, 2**28).rows == 1


def test_which_networks_can():
    assert layered.can(models.GeneratorConfig())
    assert not layered.can(models.GeneratorConfig(norm="batch"))
    assert not layered.can(models.GeneratorConfig(generator="unshuffle", norm="none"))
