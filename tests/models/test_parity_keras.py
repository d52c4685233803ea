"""Our batch-norm generator against Keras': golden files, and live where Keras is installed.

Weights go through an `.h5` and the importer, so that what is compared is what a user of one gets.
"""

import golden_files
import jax
import make_golden
import numpy as np
import pytest

from deblur_jax import models
from deblur_jax.weights import keras_port

FULL_SCALE = 2.0  # of pictures in [-1, 1]
KINDS = {"keras_resize_conv": "resize_conv_same", "keras_transpose": "transpose_same"}


def restored(network, x):
    def run(params, stats, x):
        return models.apply_generator(params, x, network.config, batch_stats=stats)

    return jax.jit(run)(network.params, network.batch_stats, x)


@pytest.mark.parametrize("name", list(KINDS))
def test_generators_of_both_kinds_are_the_golden_ones(tmp_path, name):
    golden = golden_files.load(name)
    path = golden_files.write_h5(tmp_path / "generator.h5", golden["weights"])
    network = keras_port.read(path.read_bytes(), "golden")
    config = network.config
    assert (config.width, config.blocks) == (make_golden.WIDTH, make_golden.BLOCKS)
    assert config.upsample == KINDS[name]
    ours = restored(network, golden["input"])
    np.testing.assert_allclose(ours, golden["average"], atol=2e-5 * FULL_SCALE, rtol=0)
    assert golden["average"].std() > 0.3


@pytest.mark.parametrize("name", list(KINDS))
def test_the_golden_files_are_what_their_script_makes(name):
    pytest.importorskip("keras")
    with np.load(golden_files.FOLDER / f"{name}.npz") as committed:
        made = make_golden.FILES[name]()
        assert list(made) == committed.files
        for key, value in made.items():
            np.testing.assert_allclose(value, committed[key], atol=1e-4, err_msg=key)


@pytest.mark.parametrize(
    ("upsample", "size"), [("resize_conv_same", (256, 256)), ("transpose_same", (180, 320))]
)
def test_the_ports_generator_live(tmp_path, rng, upsample, size):
    pytest.importorskip("keras")
    import keras_networks

    model = keras_networks.generator(upsample=upsample)
    keras_networks.randomise(model, rng)
    model.save(tmp_path / "generator.h5")  # written by Keras itself
    network = keras_port.read((tmp_path / "generator.h5").read_bytes(), "live")
    assert network.config.width == 64 and network.config.blocks == 9
    assert network.config.upsample == upsample
    x = rng.uniform(-1, 1, (1, *size, 3)).astype(np.float32)
    expected = np.asarray(model(x, training=False))
    difference = np.abs(restored(network, x) - expected)
    assert difference.max() <= 1e-4 * FULL_SCALE
    assert expected.std() > 0.3
