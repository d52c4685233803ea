"""VGG's features against TensorFlow's operations, PyTorch's and Keras' pre-processing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax.models import vgg
from deblur_jax.weights import vgg as vgg_weights

# The layers in front of the tap, from the VGG paper's configuration E: channels, M a max-pooling.
PLAN = (64, 64, "M", 128, 128, "M", 256, 256, 256)


def random_params(rng):
    """Kernels that keep activations near their size, and biases."""
    params, inputs, block, number = {}, 3, 1, 1
    for channels in PLAN:
        if channels == "M":
            block, number = block + 1, 1
            continue
        kernel = rng.normal(size=(3, 3, inputs, channels)) * np.sqrt(2 / (9 * inputs))
        params[f"block{block}_conv{number}"] = {
            "kernel": kernel.astype(np.float32),
            "bias": rng.normal(size=channels).astype(np.float32),
        }
        inputs, number = channels, number + 1
    return params


def keras_preprocessing(rgb_255):
    return pytest.importorskip("keras").applications.vgg19.preprocess_input(rgb_255.copy())


def tensorflow_features(params, y, tap):
    tf = pytest.importorskip("tensorflow")
    block, number = 1, 1
    for channels in PLAN:
        if channels == "M":
            y = tf.nn.max_pool2d(y, 2, 2, "VALID")
            block, number = block + 1, 1
            continue
        layer = params[f"block{block}_conv{number}"]
        y, number = tf.nn.conv2d(y, layer["kernel"], 1, "SAME") + layer["bias"], number + 1
        if tap == "relu3_3" or (block, number) != (3, 4):
            y = tf.nn.relu(y)
    return y.numpy()


def test_preprocessings(rng):
    x = rng.uniform(-1, 1, (2, 4, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(
        vgg.preprocess(jnp.asarray(x)), keras_preprocessing((x + 1) * 127.5), atol=1e-4
    )
    # torchvision: red has mean 0.485 and spread 0.229 in [0, 1], and so on.
    standard = vgg.preprocess(jnp.asarray(x), "torch")
    np.testing.assert_allclose(
        standard[..., 0], ((x[..., 0] + 1) / 2 - 0.485) / 0.229, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        standard[..., 2], ((x[..., 2] + 1) / 2 - 0.406) / 0.225, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(vgg.preprocess(jnp.asarray(x), "none"), x)
    with pytest.raises(ValueError, match="'imagenet'; it can be caffe, torch, none"):
        vgg.preprocess(jnp.asarray(x), "imagenet")


@pytest.mark.parametrize("tap", vgg.TAPS)
def test_features_are_tensorflows(rng, tap):
    params = random_params(rng)
    x = rng.uniform(-1, 1, (2, 18, 13, 3)).astype(np.float32)  # odd sizes: pooling drops the rest
    features = jax.jit(lambda p, x: vgg.apply(p, x, tap=tap))(params, x)
    expected = tensorflow_features(params, keras_preprocessing((x + 1) * 127.5), tap)
    assert features.shape == expected.shape == (2, 4, 3, 256)
    positive = (expected > 0).mean()
    assert 0.1 < positive < 0.9 and (expected.min() == 0) == (tap == "relu3_3")
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_a_tap_that_does_not_exist_is_refused(rng):
    with pytest.raises(ValueError, match="'relu4_3'; it can be relu3_3, conv3_3"):
        vgg.apply({}, jnp.zeros((1, 8, 8, 3)), tap="relu4_3")


def test_bfloat16_features_are_float32_and_near(rng):
    params = random_params(rng)
    x = rng.uniform(-1, 1, (2, 16, 12, 3)).astype(np.float32)
    exact = jax.jit(vgg.apply)(params, x)
    half = jax.jit(lambda p, x: vgg.apply(p, x, dtype=jnp.bfloat16))(params, x)
    assert half.dtype == jnp.float32
    assert np.abs(half - exact).mean() < 0.02 * np.abs(exact).mean()


def test_imagenets_features_answer_to_structure(shared_data):
    path = shared_data / "vgg19" / "vgg19_imagenet_block1_to_block3.npz"
    params = vgg_weights.load(path=path)
    # On a flat grey picture ImageNet's features are weak, on a checkerboard strong.
    grey = jnp.zeros((1, 32, 32, 3))
    board = jnp.asarray(np.kron(np.indices((8, 8)).sum(0) % 2 * 2.0 - 1, np.ones((4, 4))))
    board = jnp.broadcast_to(board[None, :, :, None], grey.shape).astype(jnp.float32)
    apply = jax.jit(vgg.apply)
    assert apply(params, board).mean() > 2 * apply(params, grey).mean() > 0
