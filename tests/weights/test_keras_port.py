"""The Keras port's `.h5`: both layouts of a file, what is deduced, and what is refused."""

import golden_files
import h5py
import jax
import numpy as np
import pytest

from deblur_jax import models
from deblur_jax.errors import UserError
from deblur_jax.models import GeneratorConfig
from deblur_jax.models.generator import init_stats
from deblur_jax.weights import keras_port


def weights(width=2, blocks=2, transposed=False) -> dict[str, np.ndarray]:
    """Weights in the order and under the names of Keras 2, counted from the description."""
    w, rng = width, np.random.default_rng(width)
    kernels = [(7, 7, 3, w), (3, 3, w, 2 * w), (3, 3, 2 * w, 4 * w)]
    kernels += [(3, 3, 4 * w, 4 * w)] * (2 * blocks)
    ups = [(3, 3, 4 * w, 2 * w), (3, 3, 2 * w, w)]
    kernels += [(*up[:2], up[3], up[2]) for up in ups] if transposed else ups
    named: dict[str, np.ndarray] = {}
    for number, shape in enumerate([*kernels, (7, 7, w, 3)], 1):
        layer = f"conv2d_{number}"
        if transposed and number in (len(kernels) - 1, len(kernels)):
            layer = f"conv2d_transpose_{number - len(kernels) + 2}"
        features = shape[2] if "transpose" in layer else shape[3]
        named[f"{layer}/kernel:0"] = rng.standard_normal(shape, np.float32)
        named[f"{layer}/bias:0"] = rng.standard_normal(features, np.float32)
        if number <= len(kernels):
            for name in ("gamma", "beta", "moving_mean", "moving_variance"):
                value = rng.uniform(0.5, 2, features).astype(np.float32)
                named[f"batch_normalization_{number}/{name}:0"] = value
    return named


def read(path):
    return keras_port.read(path.read_bytes(), str(path))


def h5(tmp_path, named, **options):
    return golden_files.write_h5(tmp_path / "generator.h5", named, **options)


def error_of(path) -> str:
    with pytest.raises(UserError) as raised:
        read(path)
    assert raised.value.exit_code == 1 and "\n" not in str(raised.value)
    assert str(path) in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("whole_model", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("width", "blocks"), [(2, 0), (3, 2), (8, 9)])
def test_the_shape_is_the_files_own(tmp_path, width, blocks, transposed, whole_model):
    path = h5(tmp_path, weights(width, blocks, transposed), whole_model=whole_model)
    network = read(path)
    assert network.config == GeneratorConfig(
        width=width,
        blocks=blocks,
        norm="batch",
        norm_epsilon=1e-3,
        norm_momentum=0.99,
        output="average",
        upsample="transpose_same" if transposed else "resize_conv_same",
        downsample="same",
        dropout=0.5,
        init="glorot",
    )
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), network.config))
    assert jax.tree.map(lambda a: a.shape, network.params) == jax.tree.map(
        lambda s: s.shape, shapes
    )
    stats = init_stats(network.config)
    assert jax.tree.map(np.shape, network.batch_stats) == jax.tree.map(np.shape, stats)
    kind = "transposed" if transposed else "resize"
    assert network.layout == f"the generator of the Keras port, {kind} convolutions"


def test_every_weight_lands_in_its_place(tmp_path):
    named = weights(2, 2, transposed=True)
    network = read(h5(tmp_path, named))
    params, stats = network.params, network.batch_stats
    np.testing.assert_array_equal(params["head"]["kernel"], named["conv2d_1/kernel:0"])
    np.testing.assert_array_equal(params["block_1_b"]["kernel"], named["conv2d_7/kernel:0"])
    np.testing.assert_array_equal(params["tail"]["bias"], named["conv2d_10/bias:0"])
    up = params["up_1"]["ConvTranspose_0"]["kernel"]
    assert up[0, 2, 3, 1] == named["conv2d_transpose_2/kernel:0"][2, 0, 1, 3]
    norms = {"scale": "gamma", "bias": "beta"}
    for ours, theirs in norms.items():
        np.testing.assert_array_equal(
            params["Norm_4"]["BatchNorm_0"][ours], named[f"batch_normalization_5/{theirs}:0"]
        )
    for ours, theirs in {"mean": "moving_mean", "var": "moving_variance"}.items():
        np.testing.assert_array_equal(
            stats["Norm_8"]["BatchNorm_0"][ours], named[f"batch_normalization_9/{theirs}:0"]
        )


def test_layers_stand_in_the_order_of_the_attribute_not_of_their_names(tmp_path):
    """Keras numbers layers by process: a second model begins where the first has ended."""
    named = weights(2, 1)
    shifted = {}
    for key, value in named.items():
        layer, _, name = key.partition("/")
        kind, _, number = layer.rpartition("_")
        shifted[f"{kind}_{int(number) + 5}/{kind}_{int(number) + 5}_1/{name}"] = value
    network = read(h5(tmp_path / "shifted", shifted))
    jax.tree.map(
        np.testing.assert_array_equal, network.params, read(h5(tmp_path / "plain", named)).params
    )


def test_lists_of_names_that_keras_has_cut_into_parts_are_joined(tmp_path):
    path = h5(tmp_path, weights(2, 1))
    expected = read(path)
    with h5py.File(path, "a") as file:
        names = list(file.attrs["layer_names"])
        del file.attrs["layer_names"]
        for part in range(12):
            file.attrs[f"layer_names{part}"] = names[2 * part : 2 * part + 2 if part < 11 else None]
    jax.tree.map(np.testing.assert_array_equal, read(path).params, expected.params)


def test_partial_and_foreign_files_are_named_with_their_first_wrong_weight(tmp_path):
    named = weights(2, 2)

    def without(*keys):
        return {key: value for key, value in named.items() if key not in keys}

    def changed(**values):
        return named | {key.replace("__", "/") + ":0": value for key, value in values.items()}

    message = error_of(h5(tmp_path, without("conv2d_3/bias:0")))
    assert "lacks the weight conv2d_3/bias of the generator of the Keras port" in message
    message = error_of(h5(tmp_path, without("batch_normalization_2/moving_mean:0")))
    assert "lacks the weight batch_normalization_2/moving_mean" in message
    wrong = changed(conv2d_4__kernel=np.zeros((3, 3, 8, 7)))
    message = error_of(h5(tmp_path, wrong))
    assert "the weight conv2d_4/kernel has shape (3, 3, 8, 7)" in message
    assert "has (3, 3, 8, 8)" in message
    grey = changed(conv2d_1__kernel=np.zeros((7, 7, 1, 2)))
    assert "the weight conv2d_1/kernel has shape (7, 7, 1, 2)" in error_of(h5(tmp_path, grey))
    more = named | {"conv2d_99/kernel:0": np.zeros((1, 1, 3, 3))}
    assert "the layer conv2d_99 does not belong" in error_of(h5(tmp_path, more))
    cut = dict(list(named.items())[:-2])
    assert "ends before its generator's layer tail" in error_of(h5(tmp_path, cut))
    odd = without("conv2d_5/kernel:0", "conv2d_5/bias:0")
    assert "the weight batch_normalization_5/gamma does not belong" in error_of(h5(tmp_path, odd))
    dense = {"dense_1/kernel:0": np.zeros((8, 2)), "dense_1/bias:0": np.zeros(2)}
    assert "the weight dense_1/kernel has shape (8, 2)" in error_of(h5(tmp_path, dense))
    odd = {"embedding_1/embeddings:0": np.zeros((8, 2))}
    message = error_of(h5(tmp_path, odd))
    assert "the weight embedding_1/embeddings does not belong" in message
    assert "ends before its generator's layer head" in error_of(h5(tmp_path, {}))


def test_values_that_are_no_finite_numbers_are_named(tmp_path):
    named = weights(2, 1)
    named["batch_normalization_3/moving_variance:0"][1] = np.nan
    message = error_of(h5(tmp_path, named))
    assert "the key batch_normalization_3/moving_variance has values that are not finite" in message
    named["conv2d_1/bias:0"] = np.arange(2)
    assert "the key conv2d_1/bias holds int64" in error_of(h5(tmp_path, named))


def test_files_without_the_list_of_layers_are_named(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros(3))
    assert "has no attribute layer_names" in error_of(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("model_weights", data=np.zeros(3))
    assert "has no attribute layer_names" in error_of(path)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv2d_1"]
    assert "cannot read" in error_of(path)


def test_a_file_cut_off_anywhere_is_an_error(tmp_path):
    data = h5(tmp_path, weights(2, 1)).read_bytes()
    path = tmp_path / "cut.h5"
    for size in (8, 100, len(data) // 3, len(data) // 2, len(data) - 100):
        path.write_bytes(data[:size])
        assert error_of(path).startswith(f"cannot read {path}: it is cut off, damaged")
