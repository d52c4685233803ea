"""VGG19's features against TensorFlow's operations and Keras' pre-processing."""

import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax.errors import UserError
from deblur_jax.models import vgg

# The layers in front of the tap, from the VGG paper's configuration E: channels, M a max-pooling.
PLAN = (64, 64, "M", 128, 128, "M", 256, 256, 256)


def random_weights(rng, separator="/"):
    """Kernels that keep activations near their size, as an `.npz` would have them."""
    arrays, inputs, block, number = {}, 3, 1, 1
    for channels in PLAN:
        if channels == "M":
            block, number = block + 1, 1
            continue
        name = f"block{block}_conv{number}"
        kernel = rng.normal(size=(3, 3, inputs, channels)) * np.sqrt(2 / (9 * inputs))
        arrays[f"{name}{separator}kernel"] = kernel.astype(np.float32)
        arrays[f"{name}{separator}bias"] = rng.normal(size=channels).astype(np.float32)
        inputs, number = channels, number + 1
    return arrays


def save(path: Path, arrays) -> Path:
    np.savez(path, **arrays)
    return path


def keras_preprocessing(rgb_255):
    return pytest.importorskip("keras").applications.vgg19.preprocess_input(rgb_255.copy())


def tensorflow_features(arrays, x):
    tf = pytest.importorskip("tensorflow")
    y, block, number = keras_preprocessing((x + 1) * 127.5), 1, 1
    for channels in PLAN:
        if channels == "M":
            y = tf.nn.max_pool2d(y, 2, 2, "VALID")
            block, number = block + 1, 1
            continue
        name = f"block{block}_conv{number}"
        y = tf.nn.conv2d(y, arrays[f"{name}/kernel"], 1, "SAME") + arrays[f"{name}/bias"]
        y, number = tf.nn.relu(y), number + 1
    return y.numpy()


def test_preprocessing_is_keras(rng):
    x = rng.uniform(-1, 1, (2, 4, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(
        vgg.preprocess(jnp.asarray(x)), keras_preprocessing((x + 1) * 127.5), atol=1e-4
    )


def test_features_are_tensorflows(rng, tmp_path):
    arrays = random_weights(rng)
    params = vgg.load(save(tmp_path / "vgg.npz", arrays))
    x = rng.uniform(-1, 1, (2, 18, 13, 3)).astype(np.float32)  # odd sizes: pooling drops the rest
    features = jax.jit(vgg.apply)(params, x)
    expected = tensorflow_features(arrays, x)
    assert features.shape == expected.shape == (2, 4, 3, 256)
    assert 0.1 < (expected > 0).mean() < 0.9  # after the ReLU
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4 * expected.max())
    half = jax.jit(lambda p, x: vgg.apply(p, x, dtype=jnp.bfloat16))(params, x)
    assert half.dtype == jnp.float32
    assert np.abs(half - expected).mean() < 0.02 * expected.mean()


@pytest.mark.parametrize("separator", ["_", "."])
def test_names_may_be_separated_otherwise(rng, tmp_path, separator):
    arrays = random_weights(rng, separator)
    params = vgg.load(save(tmp_path / "vgg.npz", arrays))
    kernel = arrays[f"block3_conv2{separator}kernel"]
    np.testing.assert_array_equal(params["block3_conv2"]["kernel"], kernel)


def test_a_layer_that_is_missing_or_of_another_shape_is_named(rng, tmp_path):
    arrays = random_weights(rng)
    turned = arrays | {"block2_conv1/kernel": arrays["block2_conv1/kernel"].swapaxes(2, 3)}
    with pytest.raises(UserError, match=r"turned\.npz has no kernel .* VGG19's block2_conv1"):
        vgg.load(save(tmp_path / "turned.npz", turned))
    del arrays["block3_conv3/bias"]
    with pytest.raises(UserError, match=r"short\.npz has no bias .* VGG19's block3_conv3"):
        vgg.load(save(tmp_path / "short.npz", arrays))


def test_files_that_cannot_be_read_are_named(rng, tmp_path):
    whole = save(tmp_path / "whole.npz", random_weights(rng)).read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    contents = {
        "empty": b"",
        "text": b"not an archive",
        "cut": whole[: len(whole) // 2],
        "damaged": bytes(damaged),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "lone.npy", np.zeros(3))
    for name in (*contents, "lone.npy", "nowhere"):
        with pytest.raises(
            UserError, match=f"cannot read VGG19's weights from .*/{name}: "
        ) as raised:
            vgg.load(tmp_path / name)
        assert "\n" not in str(raised.value) and "vgg_weights" in str(raised.value)


def test_the_real_weights_load(shared_data):
    path = shared_data / "vgg19" / "vgg19_imagenet_block1_to_block3.npz"
    params = vgg.load(path)
    assert list(params) == [name for name, _ in vgg.LAYERS]
    channels = (3, *(c for c in PLAN if c != "M"))
    numbers = sum((9 * i + 1) * o for i, o in itertools.pairwise(channels))
    assert sum(a.size for layer in params.values() for a in layer.values()) == numbers == 1_735_488
    # On a flat grey picture ImageNet's features are weak, on a checkerboard strong.
    grey = jnp.zeros((1, 32, 32, 3))
    board = jnp.asarray(np.kron(np.indices((8, 8)).sum(0) % 2 * 2.0 - 1, np.ones((4, 4))))
    board = jnp.broadcast_to(board[None, :, :, None], grey.shape).astype(jnp.float32)
    apply = jax.jit(vgg.apply)
    assert apply(params, board).mean() > 2 * apply(params, grey).mean() > 0
