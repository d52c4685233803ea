"""Where VGG's weights come from: files of every kind, the cache, Keras, and a draw."""

import hashlib
import itertools
import json
from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from deblur_jax.errors import UsageError, UserError
from deblur_jax.models import vgg as network
from deblur_jax.weights import vgg

TORCH_INDEX = {
    "block1_conv1": 0, "block1_conv2": 2, "block2_conv1": 5, "block2_conv2": 7,
    "block3_conv1": 10, "block3_conv2": 12, "block3_conv3": 14,
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("DEBLUR_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vgg"


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(3)
    drawn = {}
    for layer, shape in network.kernel_shapes().items():
        drawn[f"{layer}/kernel"] = rng.normal(size=shape).astype(np.float32)
        drawn[f"{layer}/bias"] = rng.normal(size=shape[-1]).astype(np.float32)
    return drawn


def assert_holds(params, arrays) -> None:
    for name, array in arrays.items():
        layer, kind = name.split("/")
        np.testing.assert_array_equal(params[layer][kind], array)


def save_npz(path: Path, arrays) -> Path:
    np.savez(path, **arrays)
    return path


def save_h5(path: Path, arrays, words=("_W_1:0", "_b_1:0"), prefix="") -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            layer, kind = name.split("/")
            word = words[kind == "bias"]
            file[f"{prefix}{layer}/{layer}{word}"] = array
    return path


def save_pth(path: Path, arrays, **more) -> Path:
    torch = pytest.importorskip("torch")
    state = {}
    for layer, index in TORCH_INDEX.items():
        kernel = np.ascontiguousarray(arrays[f"{layer}/kernel"].transpose(3, 2, 0, 1))
        state[f"features.{index}.weight"] = torch.from_numpy(kernel)
        state[f"features.{index}.bias"] = torch.from_numpy(arrays[f"{layer}/bias"])
    torch.save(state | {name: torch.zeros(1) for name in more}, path)
    return path


@pytest.mark.parametrize("separator", ["/", "_", "."])
def test_an_npz_with_any_separator(arrays, tmp_path, separator):
    renamed = {separator.join(name.rsplit("/", 1)): array for name, array in arrays.items()}
    assert_holds(vgg.load(path=save_npz(tmp_path / "vgg.npz", renamed)), arrays)


@pytest.mark.parametrize(
    ("words", "prefix"),
    [
        (("_W_1:0", "_b_1:0"), ""),  # the file that Keras has shipped since 2016
        (("/kernel:0", "/bias:0"), ""),
        (("/kernel:0", "/bias:0"), "model_weights/"),  # a whole saved model
    ],
)
def test_keras_h5_of_any_age(arrays, tmp_path, words, prefix):
    path = save_h5(tmp_path / "vgg.h5", arrays, words, prefix)
    assert_holds(vgg.load(path=path), arrays)
    assert_holds(vgg.load("vgg16", path=path), arrays)  # it ends before the two differ


def test_a_pth_of_torchvision(arrays, tmp_path):
    path = save_pth(tmp_path / "vgg.pth", arrays)
    assert_holds(vgg.load("vgg19", "torchvision", path), arrays)


def test_the_other_sources_file_is_refused(arrays, tmp_path):
    with pytest.raises(UserError, match=r"a\.npz holds weights of keras, and loss\.vgg_source is"):
        vgg.load("vgg19", "torchvision", save_npz(tmp_path / "a.npz", arrays))
    with pytest.raises(UserError, match=r"b\.pth holds weights of torchvision"):
        vgg.load("vgg19", "keras", save_pth(tmp_path / "b.pth", arrays))


def test_the_other_networks_file_is_refused(arrays, tmp_path):
    nineteen = arrays | {"block3_conv4/bias": np.zeros(256, np.float32)}
    sixteen = arrays | {"block4_conv1/bias": np.zeros(512, np.float32)}
    for save in (save_npz, save_h5):
        path = save(tmp_path / f"19{save.__name__}.{save.__name__[5:]}", nineteen)
        with pytest.raises(UserError, match=r"holds VGG19, and loss.vgg is 'vgg16'"):
            vgg.load("vgg16", path=path)
        path = save(tmp_path / f"16{save.__name__}.{save.__name__[5:]}", sixteen)
        with pytest.raises(UserError, match=r"holds VGG16, and loss.vgg is 'vgg19'"):
            vgg.load("vgg19", path=path)
    path = save_pth(tmp_path / "16.pth", arrays, **{"features.17.weight": 0})
    with pytest.raises(UserError, match=r"holds VGG16, and loss.vgg is 'vgg19'"):
        vgg.load("vgg19", "torchvision", path)
    path = save_pth(tmp_path / "19.pth", arrays, **{"features.16.weight": 0})
    assert_holds(vgg.load("vgg19", "torchvision", path), arrays)


def test_a_layer_that_is_missing_or_of_another_shape_or_not_finite_is_named(arrays, tmp_path):
    turned = arrays | {"block2_conv1/kernel": arrays["block2_conv1/kernel"].swapaxes(2, 3)}
    with pytest.raises(UserError, match=r"turned\.npz has no kernel .* VGG19's block2_conv1"):
        vgg.load(path=save_npz(tmp_path / "turned.npz", turned))
    short = {name: array for name, array in arrays.items() if name != "block3_conv3/bias"}
    with pytest.raises(UserError, match=r"short\.h5 has no bias .* VGG16's block3_conv3"):
        vgg.load("vgg16", path=save_h5(tmp_path / "short.h5", short))
    lost = arrays | {"block1_conv1/bias": np.full(64, np.nan, np.float32)}
    with pytest.raises(UserError, match=r"the bias of block1_conv1 has values that are not finite"):
        vgg.load(path=save_npz(tmp_path / "lost.npz", lost))


def test_files_that_cannot_be_read_are_named(arrays, tmp_path):
    whole = save_npz(tmp_path / "whole.npz", arrays).read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    contents = {
        "empty": b"",
        "text": b"not an archive",
        "cut": whole[: len(whole) // 2],
        "damaged": bytes(damaged),
        "text.h5": b"not an archive",
        "text.safetensors": b"not an archive",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "lone.npy", np.zeros(3))
    for name in (*contents, "lone.npy", "nowhere", "nowhere.h5", "nowhere.pth"):
        with pytest.raises(
            UserError, match=f"cannot read VGG's weights from .*/{name}: "
        ) as raised:
            vgg.load(
                source="torchvision" if name.endswith("pth") else "keras", path=tmp_path / name
            )
        assert "\n" not in str(raised.value) and "vgg_weights" in str(raised.value)


class FakeKeras:
    """As much of a Keras model as is asked for; counts how often it was built."""

    built = 0

    def __init__(self, arrays, fails: str = "") -> None:
        self.arrays, self.fails = arrays, fails

    def __call__(self, **options):
        assert options["weights"] == "imagenet" and options["include_top"] is False
        FakeKeras.built += 1
        if self.fails:
            raise Exception(self.fails)
        return self

    def get_layer(self, name):
        self.layer = name
        return self

    def get_weights(self):
        return [self.arrays[f"{self.layer}/{kind}"] for kind in ("kernel", "bias")]


@pytest.fixture
def keras(monkeypatch):
    applications = pytest.importorskip("keras").applications

    def put(fake: FakeKeras) -> None:
        FakeKeras.built = 0
        monkeypatch.setattr(applications, "VGG16", fake)
        monkeypatch.setattr(applications, "VGG19", fake)

    return put


def test_keras_is_asked_once_and_the_cache_is_verified(arrays, keras, cache):
    keras(FakeKeras(arrays))
    for _ in range(2):
        assert_holds(vgg.load("vgg16"), arrays)
    kept = cache / "vgg16_keras.safetensors"
    assert FakeKeras.built == 1 and kept.stat().st_size < 8e6
    data = bytearray(kept.read_bytes())
    data[-5] ^= 1
    kept.write_bytes(data)
    with pytest.raises(UserError, match=r"is damaged: its sha256 is not"):
        vgg.load("vgg16", path=kept)
    assert_holds(vgg.load("vgg16"), arrays)  # fetched anew
    assert FakeKeras.built == 2
    assert_holds(vgg.load("vgg16", path=kept), arrays)


def test_keras_vgg19_is_known_by_its_hash(arrays, keras, cache):
    keras(FakeKeras(arrays))
    with pytest.raises(UserError, match="what Keras gave as VGG19 has another sha256"):
        vgg.load("vgg19")
    assert not list(cache.glob("*"))


def test_where_nothing_can_be_had_a_path_is_asked_for(keras, cache):
    keras(FakeKeras({}, fails="URL fetch failure on https://x.org/a_file.h5: None -- no route"))
    with pytest.raises(
        UserError, match=r"fetched \(URL fetch failure on its host None -- no route\): give a file"
    ) as said:
        vgg.load("vgg19")
    assert "\n" not in str(said.value)
    with pytest.raises(UserError, match=r"no VGG19 of torchvision.*vgg19-dcbb9e9d\.pth"):
        vgg.load("vgg19", "torchvision")
    assert not cache.exists()


def test_torchvisions_file_is_kept_when_its_hash_is_right(arrays, tmp_path, cache, monkeypatch):
    path = save_pth(tmp_path / "vgg.pth", arrays)
    vgg.load("vgg19", "torchvision", path)
    assert not cache.exists()
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(vgg.TORCHVISION_SHA256, "vgg19", right[:8])
    vgg.load("vgg19", "torchvision", path)
    path.unlink()
    assert_holds(vgg.load("vgg19", "torchvision"), arrays)


def test_a_random_network_is_had_only_by_its_name(tmp_path):
    first, same, other = (vgg.load(source="random", seed=seed) for seed in (0, 0, 1))
    name = "block2_conv2"
    np.testing.assert_array_equal(first[name]["kernel"], same[name]["kernel"])
    assert np.abs(first[name]["kernel"] - other[name]["kernel"]).max() > 0.01
    for layer, shape in network.kernel_shapes().items():
        kernel = first[layer]["kernel"]
        limit = np.sqrt(6 / (9 * (shape[2] + shape[3])))  # Glorot and Bengio, 2010, equation 16
        assert kernel.shape == shape and 0.98 * limit < jnp.abs(kernel).max() <= limit
        assert not first[layer]["bias"].any()
    with pytest.raises(UsageError, match=r"takes no file such as a.npz"):
        vgg.load(source="random", path="a.npz")


def test_two_random_networks_of_one_seed_differ():
    first, second = (vgg.load(name, "random") for name in vgg.NETWORKS)
    assert np.abs(first["block3_conv3"]["kernel"] - second["block3_conv3"]["kernel"]).max() > 0.01


def test_files_of_odd_contents_are_one_sentence(arrays, tmp_path):
    text = arrays | {"block1_conv1/kernel": np.array(["a", "b"])}
    with pytest.raises(UserError, match="has no kernel of shape"):
        vgg.load(path=save_npz(tmp_path / "text.npz", text))
    from safetensors.numpy import save_file

    words = json.dumps({"network": "vgg19", "source": "keras", "sha256": 12})
    save_file(arrays, tmp_path / "odd.safetensors", metadata={"vgg": words})
    with pytest.raises(UserError, match="is damaged"):
        vgg.load(path=tmp_path / "odd.safetensors")
    torch = pytest.importorskip("torch")
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "flat.pth")
    with pytest.raises(UserError, match=r"flat\.pth has no kernel of shape"):
        vgg.load("vgg19", "torchvision", tmp_path / "flat.pth")


def test_other_weights_than_the_known_ones_are_said_to_be(arrays, tmp_path, caplog, cache):
    assert_holds(vgg.load(path=save_npz(tmp_path / "mine.npz", arrays)), arrays)
    assert "mine.npz is not the ImageNet VGG19 that keras ships" in caplog.text
    assert not cache.exists()
    caplog.clear()
    vgg.load("vgg16", path=tmp_path / "mine.npz")  # nothing is known of it
    assert not caplog.text


def test_words_that_do_not_exist_are_refused():
    with pytest.raises(UsageError, match=r"loss.vgg is 'vgg11'; it can be vgg19, vgg16"):
        vgg.load("vgg11")
    with pytest.raises(UsageError, match=r"loss.vgg_source is 'caffe'; it can be keras"):
        vgg.load(source="caffe")


def test_the_real_weights_load_and_need_no_path_again(shared_data, cache):
    path = shared_data / "vgg19" / "vgg19_imagenet_block1_to_block3.npz"
    params = vgg.load(path=path)
    assert list(params) == [name for name, _ in network.LAYERS]
    channels = (3, 64, 64, 128, 128, 256, 256, 256)
    numbers = sum((9 * i + 1) * o for i, o in itertools.pairwise(channels))
    assert sum(a.size for layer in params.values() for a in layer.values()) == numbers == 1_735_488
    with np.load(path) as archive:
        assert_holds(vgg.load("vgg19"), {n: archive[n] for n in archive.files if "conv4" not in n})
    with pytest.raises(UserError, match=r"holds VGG19, and loss.vgg is 'vgg16'"):
        vgg.load("vgg16", path=path)
