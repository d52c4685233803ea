"""One file of weights: what is saved comes back, what is wrong is named, no half is left."""

import gzip
import hashlib
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from deblur_jax import models
from deblur_jax.errors import UserError
from deblur_jax.models import CriticConfig, GeneratorConfig, generator, init_critic
from deblur_jax.weights import registry, ship, tensor_file

TINY = GeneratorConfig(width=2, blocks=1)
BATCH = GeneratorConfig(width=2, blocks=1, norm="batch", norm_epsilon=1e-3, output="average")


def random_params(config, seed=0):
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    return jax.tree.map(lambda s: (0.3 * rng.normal(size=s.shape)).astype(np.float32), shapes)


def random_stats(config):
    return jax.tree.map(
        lambda a: np.linspace(1, 1e5, a.size, dtype=np.float32), generator.init_stats(config)
    )


def saved(path: Path, config=TINY, **more) -> Path:
    registry.save(path, config, random_params(config), **more)
    return path


def rewritten(path: Path, change, header=None) -> Path:
    """The file again, with tensors that `change` has changed in place and other words in front."""
    tensors = load_file(path)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    words = json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"] | (header or {})
    change(tensors)
    save_file(tensors, path, {k: v for k, v in words.items() if v is not None})
    return path


def nothing(tensors):
    pass


def error_of(path) -> str:
    with pytest.raises(UserError) as raised:
        registry.load(path)
    assert raised.value.exit_code == 1
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_is_saved_comes_back_in_half_precision(tmp_path):
    card = {"data": ["GoPro", "REDS"], "psnr": 30.5}
    params, path = random_params(TINY), tmp_path / "tiny.safetensors"
    digest = registry.save(path, TINY, params, card=card)
    weights = registry.load(str(path))
    assert (weights.name, weights.config, weights.card) == ("tiny", TINY, card)
    assert weights.batch_stats == {}
    assert digest == weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert jax.tree.structure(weights.params) == jax.tree.structure(params)
    for loaded, original in zip(
        jax.tree.leaves(weights.params), jax.tree.leaves(params), strict=True
    ):
        assert loaded.dtype == np.float32
        # float16 has 11 bits, and below 6e-5 a fixed step of 6e-8.
        np.testing.assert_allclose(loaded, original, rtol=2**-11, atol=3e-8)
        assert (loaded != original).any() or not original.any()
    assert {tensor.dtype for tensor in load_file(path).values()} == {np.dtype("float16")}


def test_the_loaded_network_restores_like_the_saved_one(tmp_path):
    params = random_params(TINY)
    registry.save(tmp_path / "tiny.safetensors", TINY, params)
    weights = registry.load(tmp_path / "tiny.safetensors")
    x = np.random.default_rng(1).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    run = jax.jit(lambda p: models.apply_generator(p, x, weights.config))
    difference = np.abs(run(weights.params) - run(params))
    assert difference.mean() < 2e-3 < 0.1 < np.abs(run(params) - x).mean()


def test_averages_of_a_batch_norm_stay_in_float32(tmp_path):
    stats = random_stats(BATCH)  # up to 1e5, which float16 does not hold
    path = saved(tmp_path / "batch.safetensors", BATCH, batch_stats=stats)
    weights = registry.load(path)
    assert weights.config == BATCH
    jax.tree.map(np.testing.assert_array_equal, weights.batch_stats, stats)


def test_float32_files_are_exact(tmp_path):
    params = random_params(TINY)
    registry.save(tmp_path / "exact.safetensors", TINY, params, dtype=np.float32)
    weights = registry.load(tmp_path / "exact.safetensors")
    jax.tree.map(np.testing.assert_array_equal, weights.params, params)


def test_the_same_weights_make_the_same_file_from_any_kind_of_array(tmp_path):
    params = random_params(TINY)
    first = registry.save(tmp_path / "a.safetensors", TINY, params)
    again = registry.save(tmp_path / "b.safetensors", TINY, jax.tree.map(jnp.asarray, params))
    other = registry.save(tmp_path / "c.safetensors", TINY, random_params(TINY, seed=1))
    assert first == again != other
    # Another reader of the format gets the same tensors.
    for name, tensor in load_file(tmp_path / "a.safetensors").items():
        _, layer, kind = name.split("/", maxsplit=2)
        expected = params[layer]
        for part in kind.split("/"):
            expected = expected[part]
        np.testing.assert_array_equal(tensor, expected.astype(np.float16))


def test_a_gzipped_file_is_the_same_file_smaller(tmp_path):
    params = random_params(TINY)
    registry.save(tmp_path / "a.safetensors", TINY, params, card={"name": "a"})
    digest = registry.save(tmp_path / "b.safetensors.gz", TINY, params, card={"name": "a"})
    plain, zipped = (
        (tmp_path / name).read_bytes() for name in ("a.safetensors", "b.safetensors.gz")
    )
    assert gzip.decompress(zipped) == plain and len(zipped) < len(plain)
    assert digest == hashlib.sha256(zipped).hexdigest()
    assert digest == registry.save(tmp_path / "c.safetensors.gz", TINY, params, card={"name": "a"})
    weights = registry.load(tmp_path / "b.safetensors.gz")
    assert (weights.name, weights.sha256, weights.config) == ("b", digest, TINY)
    jax.tree.map(
        np.testing.assert_array_equal,
        weights.params,
        registry.load(tmp_path / "a.safetensors").params,
    )
    critic = CriticConfig(width=2)
    path = tmp_path / "critic.safetensors.gz"
    registry.save_critic(path, critic, init_critic(jax.random.key(0), critic))
    assert tensor_file.kind_of(path) == "critic"
    assert tensor_file.kind_of(tmp_path / "b.safetensors.gz") == "generator"


def test_files_that_cannot_be_read_are_named(tmp_path):
    whole = saved(tmp_path / "whole.safetensors").read_bytes()
    zipped = gzip.compress(whole)
    contents = {
        "zipped_short": zipped[:100],
        "zipped_changed": zipped[:-200] + bytes(100) + zipped[-100:],
        "zipped_text": gzip.compress(b"these are no weights at all"),
        "empty": b"",
        "short": whole[:5],
        "header": whole[:300],
        "cut": whole[:-10],
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "number": (2).to_bytes(8, "little") + b"17",
        "text": b"these are no weights at all",
    }
    for name, content in contents.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        assert error_of(path).startswith(f"cannot read weights from {path}: ")


def test_files_of_another_make_are_named(tmp_path):
    for number, header in enumerate([{"format": "other/1"}, {"format": None}]):
        path = rewritten(saved(tmp_path / f"{number}.safetensors"), nothing, header)
        assert error_of(path) == f"{path} holds no weights of a generator of this package"
    for number, words in enumerate(
        ['{"widht": 4}', '{"norm": "layer"}', "[1]", "{", '{"width": "x"}']
    ):
        path = rewritten(saved(tmp_path / f"g{number}.safetensors"), nothing, {"generator": words})
        assert error_of(path).startswith(f"cannot read weights from {path}: ")
    path = rewritten(saved(tmp_path / "absent.safetensors"), nothing, {"generator": None})
    assert str(path) in error_of(path)


def test_tensors_that_do_not_fit_are_named(tmp_path):
    def missing(tensors):
        del tensors["params/block_0_b/bias"]

    def shape(tensors):
        tensors["params/head/kernel"] = tensors["params/head/kernel"][1:]

    def more(tensors):
        tensors["params/block_1_a/bias"] = np.zeros(8, np.float16)

    for change, words in [
        (missing, "lacks the tensor block_0_b/bias of its generator"),
        (shape, "the tensor head/kernel has shape (6, 7, 3, 2), its generator wants (7, 7, 3, 2)"),
        (more, "has a tensor block_1_a/bias that its generator does not"),
    ]:
        path = rewritten(saved(tmp_path / f"{change.__name__}.safetensors"), change)
        message = error_of(path)
        assert message.startswith(str(path)) and words in message


def test_averages_that_do_not_fit_are_named(tmp_path):
    def missing(tensors):
        del tensors["batch_stats/Norm_1/BatchNorm_0/var"]

    path = tmp_path / "batch.safetensors"
    rewritten(saved(path, BATCH, batch_stats=random_stats(BATCH)), missing)
    assert "lacks the tensor Norm_1/BatchNorm_0/var" in error_of(path)
    rewritten(saved(path, TINY), lambda t: t.update({"batch_stats/Norm_0/mean": np.zeros(2)}))
    assert "has a tensor Norm_0/mean that its generator does not" in error_of(path)


def test_names_of_nothing_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "SHIPPED", tmp_path / "nowhere")
    assert registry.names() == []
    for name in ("default", str(tmp_path / "absent.safetensors"), "x" * 5000, "~nobody/x"):
        message = error_of(name)
        assert name in message and "not a shipped name (none)" in message
    (tmp_path / "folder").mkdir()
    assert "is not the workdir of a training run" in error_of(tmp_path / "folder")


def test_shipped_names_are_loaded_and_their_hash_is_checked(tmp_path, monkeypatch):
    digests = {"light": registry.save(tmp_path / "light.safetensors", TINY, random_params(TINY))}
    (tmp_path / "sha256.json").write_text(json.dumps(digests))
    monkeypatch.setattr(registry, "SHIPPED", tmp_path)
    monkeypatch.setattr(registry, "HASHES", tmp_path / "sha256.json")
    assert registry.names() == ["light"]
    weights = registry.load("light")
    assert (weights.name, weights.sha256) == ("light", digests["light"])
    assert "light" in error_of("lite")  # the names that exist are listed
    saved(tmp_path / "light.safetensors", BATCH)
    assert "'light' are damaged" in error_of("light")
    (tmp_path / "sha256.json").unlink()
    assert "sha256.json has no hash of the shipped weights 'light'" in error_of("light")


def test_shipping_leaves_one_file_of_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "SHIPPED", tmp_path)
    monkeypatch.setattr(registry, "HASHES", tmp_path / "sha256.json")
    run = saved(tmp_path / "run")
    for zipped in (True, False, True):
        digest = ship.ship(str(run), "light", gzip=zipped)
        kept = [path.name for path in tmp_path.glob("light*")]
        assert kept == ["light.safetensors.gz" if zipped else "light.safetensors"]
        assert registry.load("light").sha256 == digest
    for rest in ("light.safetensors~", ".light.safetensors.gz.x.part", ".a.safetensors", "b.gz"):
        (tmp_path / rest).write_bytes(b"")
    assert registry.names() == ["light"]


def test_every_shipped_file_has_its_hash():
    for name in registry.names():
        weights = registry.load(name)
        assert weights.name == name
        registry.check_shapes(weights.params, weights.config, name)  # which loading leaves out
    listed = json.loads(registry.HASHES.read_text()) if registry.HASHES.is_file() else {}
    assert sorted(listed) == registry.names()


def test_values_that_half_precision_cannot_hold_are_refused(tmp_path):
    for value in (1e6, np.nan, np.inf):
        params = random_params(TINY)
        params["tail"]["bias"][1] = value
        with pytest.raises(UserError, match="params/tail/bias has values that float16 cannot hold"):
            registry.save(tmp_path / "w.safetensors", TINY, params)
    assert not list(tmp_path.iterdir())


def test_a_failing_write_leaves_nothing_and_keeps_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.safetensors").mkdir()
    for path in (tmp_path / "file" / "w.safetensors", tmp_path / "folder.safetensors"):
        with pytest.raises(UserError, match=str(path.parent)):
            saved(path)
    old = saved(tmp_path / "old.safetensors").read_bytes()

    def full(self, target):
        raise OSError(28, "No space left on device")

    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(Path, "replace", full)
    for name in ("old", "new"):
        path = tmp_path / f"{name}.safetensors"
        with pytest.raises(UserError, match=f"cannot write {path}: no space left on device"):
            saved(path, BATCH)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "old.safetensors").read_bytes() == old


def test_the_folder_is_made(tmp_path):
    assert registry.load(saved(tmp_path / "a" / "b" / "w.safetensors")).name == "w"
