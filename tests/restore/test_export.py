"""The exported artifact: the same pixels at any size, in a process that has JAX and little else."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from deblur_jax import images, models
from deblur_jax.compiler import jit
from deblur_jax.errors import UsageError, UserError
from deblur_jax.restore import Restorer
from deblur_jax.restore import export as exporting
from deblur_jax.restore.export import PLATFORMS, export, restoration, serialise
from deblur_jax.weights import registry
from deblur_jax.weights.registry import Weights

DOCS = Path(__file__).resolve().parents[2] / "docs" / "exporting.md"
Config = models.GeneratorConfig
RESNET = Config(width=4, blocks=1)
CONFIGS = {
    "nafnet": Config(generator="nafnet", norm="none", width=4, blocks=1, outer_blocks=(1, 1)),
    "unshuffle": Config(generator="unshuffle", norm="none", width=4, blocks=1),
    "average": Config(width=4, blocks=1, norm="none", output="average", block_convolutions=1),
    "keras": Config(width=4, blocks=1, norm="batch", downsample="same", upsample="resize_conv"),
    **{u: Config(width=4, blocks=1, upsample=u) for u in models.config.UPSAMPLES},
}
# A process in which only what the script needs can be imported.
ALONE = """
import runpy, sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("deblur_jax", "flax", "tensorflow", "optax", "orbax", "skimage"):
            raise ImportError(f"{name} is not here")
sys.meta_path.insert(0, Nothing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
EVERY_SIZE = """
import sys
import jax, jax.export, numpy
artifact, source, target = sys.argv[1:]
exported = jax.export.deserialize(bytearray(open(artifact, "rb").read()))
numpy.savez(target, **{name: jax.jit(exported.call)(x) for name, x in numpy.load(source).items()})
"""


@functools.cache
def weights_of(config, stats=True) -> Weights:
    """Random ones, with an effect that shows in 8 bits."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    params = jax.tree.map(lambda s: rng.normal(0, 0.1, s.shape).astype(np.float32), shapes)
    averages = models.generator.init_stats(config) if stats else {}
    averages = jax.tree.map(
        lambda a: (a + rng.uniform(0.1, 0.5, a.shape)).astype(np.float32), averages
    )
    return Weights("random", "0" * 64, config, params, averages, {})


def artifact_of(weights, values="uint8", dtype=jnp.float32, platforms=PLATFORMS):
    return jax.export.deserialize(
        serialise(weights, values=values, dtype=dtype, platforms=platforms)
    )


def pictures(rng, *shape):
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


def assert_same(found, expected):
    """But for values next to half a step, which may be rounded either way."""
    assert found.dtype == np.uint8 and found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.002


def run_alone(script, *arguments):
    command = [sys.executable, "-I", "-c", ALONE, str(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("name", CONFIGS)
def test_equals_the_restorer(rng, name):
    weights = weights_of(CONFIGS[name])
    exported, restorer = artifact_of(weights), Restorer(weights)
    assert exported.platforms == PLATFORMS
    x = pictures(rng, 2, 5, 30)
    restored = np.asarray(jit(exported.call)(x))
    assert_same(restored, np.stack([restorer(picture) for picture in x]))
    assert np.abs(restored.astype(int) - x).mean() > 1


@pytest.mark.parametrize("config", [RESNET, CONFIGS["nafnet"], CONFIGS["unshuffle"]])
def test_every_size_in_a_process_without_this_package(rng, tmp_path, config):
    weights = weights_of(config)
    export(weights, tmp_path / "a.jax")
    shapes = [(1, 1, 1), (3, 1, 9), (1, 64, 64), (3, 7, 2), (1, 250, 333)]
    given = {f"x{i}": pictures(rng, *shape) for i, shape in enumerate(shapes)}
    np.savez(tmp_path / "in.npz", **given)
    (tmp_path / "sizes.py").write_text(EVERY_SIZE)
    run_alone(tmp_path / "sizes.py", *(tmp_path / name for name in ("a.jax", "in.npz", "out.npz")))
    restorer = Restorer(weights)
    with np.load(tmp_path / "out.npz") as found:
        for name, x in given.items():
            # A single pixel has no variance to divide by: an instance norm shows rounding alone.
            if x.shape[1:3] == (1, 1) and config.norm == "instance":
                assert found[name].shape == x.shape and found[name].dtype == np.uint8
            else:
                assert_same(found[name], np.stack([restorer(picture) for picture in x]))


def script_of_the_docs():
    (script,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return script


def test_the_script_of_the_docs_gives_the_same_picture(rng, tmp_path):
    script = script_of_the_docs()
    assert len(script.splitlines()) <= 15
    (tmp_path / "restore.py").write_text(script)
    smooth = Image.fromarray(pictures(rng, 6, 9)).resize((61, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    smooth.save(tmp_path / "in.jpg", exif=exif)
    weights = registry.load()
    said = export(weights, tmp_path / "default.jax")
    assert re.search(r"default, uint8\[B, H, W, 3\], for cpu, cuda, tpu, [\d.]+ MB", said)
    run_alone(tmp_path / "restore.py", *(tmp_path / n for n in ("default.jax", "in.jpg", "b.png")))
    restored = np.asarray(Image.open(tmp_path / "b.png"))
    assert restored.shape == (61, 40, 3)
    assert_same(restored, Restorer(weights)(images.read_rgb(tmp_path / "in.jpg")))


def test_a_real_frame(shared_data):
    path = sorted((shared_data / "gopro_dev" / "test_crops256" / "blur").iterdir())[0]
    frame = images.read_rgb(path)[:200]
    weights = registry.load()
    restored = np.asarray(jit(artifact_of(weights).call)(frame[None]))[0]
    expected = Restorer(weights)(frame)
    assert_same(restored, expected)
    assert (restored != expected).mean() < 1e-4 and np.abs(restored.astype(int) - frame).max() > 10


def test_floats_are_neither_rounded_nor_left_beyond_their_range(rng):
    weights = weights_of(CONFIGS["nafnet"])
    exported = artifact_of(weights, values="float32")
    unit = rng.random((1, 12, 13, 3), dtype=np.float32)
    restored = np.asarray(jit(exported.call)(unit))
    expected = Restorer(weights).restore_unit(unit[0])
    np.testing.assert_allclose(restored[0], expected, atol=1e-5)
    assert np.abs(restored * 255 - np.rint(restored * 255)).mean() > 0.1
    beyond = np.asarray(jit(exported.call)(3 * unit - 1))
    np.testing.assert_allclose(beyond, jit(exported.call)((3 * unit - 1).clip(0, 1)), atol=1e-6)


def test_pictures_of_a_batch_do_not_see_each_other(rng):
    weights = weights_of(Config(width=4, blocks=1, norm="batch"), stats=False)
    exported = artifact_of(weights)
    x = pictures(rng, 2, 16, 16)
    x[1] //= 8  # other statistics
    restored = np.asarray(jit(exported.call)(x))
    restorer = Restorer(weights)
    assert_same(restored, np.stack([restorer(picture) for picture in x]))


def test_bfloat16_is_near_float32_but_not_it(rng):
    weights, x = weights_of(RESNET), pictures(rng, 1, 16, 16)
    full, half = (
        np.asarray(jit(artifact_of(weights, dtype=dtype).call)(x)).astype(int)
        for dtype in (jnp.float32, jnp.bfloat16)
    )
    assert np.abs(full - half).max() > 0 and np.abs(full - half).mean() < 6


@pytest.mark.parametrize("length", range(1, 12))
@pytest.mark.parametrize("config", [RESNET, CONFIGS["unshuffle"]])
def test_padding_is_numpys_reflection(length, config):
    padded = exporting._padded(length, config)
    assert padded % models.size_multiple(config) == 0 and padded >= models.minimum_size(config)
    assert padded - length < max(models.size_multiple(config), models.minimum_size(config))
    line = np.arange(length)
    expected = np.pad(line, (0, padded - length), mode="reflect")
    np.testing.assert_array_equal(exporting._mirrored(0, padded, length), expected)
    around = np.pad(line, 3, mode="reflect")
    np.testing.assert_array_equal(exporting._mirrored(-3, length + 3, length), around)


def test_half_precision_only_where_nothing_is_lost():
    exact = np.array([0.5, -1.25, 0, 2.0**-24, 65504], np.float32)
    for lost in (0.1, 65536, 1e30, 2.0**-26):
        array = np.append(exact, np.float32(lost))
        np.testing.assert_array_equal(exporting._smallest(array), array)
        assert exporting._smallest(array).dtype == np.float32
    assert exporting._smallest(exact).dtype == np.float16
    np.testing.assert_array_equal(exporting._smallest(exact), exact)


def test_size_on_disk_is_that_of_the_weights(tmp_path):
    config = Config(generator="unshuffle", norm="none", width=16, blocks=2)
    weights = weights_of(config)
    count = sum(leaf.size for leaf in jax.tree.leaves(weights.params))
    export(weights, tmp_path / "full.jax")
    halves = jax.tree.map(lambda a: a.astype(np.float16), weights.params)
    export(weights._replace(params=halves), tmp_path / "half.jax")
    for name, size in (("full", 4), ("half", 2)):
        assert 0 < (tmp_path / f"{name}.jax").stat().st_size - size * count < 60_000


def test_bytes_hold_no_path_and_are_always_the_same():
    weights, options = weights_of(RESNET), {"values": "uint8", "dtype": jnp.float32}
    first = serialise(weights, platforms=("cpu",), **options)

    def from_elsewhere():
        return serialise(weights, platforms=("cpu",), **options)

    assert first == from_elsewhere()
    assert b".py" not in first and str(Path.cwd()).encode() not in first


def test_pictures_of_another_kind_are_refused():
    exported = artifact_of(weights_of(RESNET))
    for wrong in (
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 4), np.uint8),
        np.zeros((1, 4, 4, 3), np.float32),
    ):
        with pytest.raises(ValueError, match="mismatch"):
            exported.call(wrong)


@pytest.mark.parametrize("config", [RESNET, CONFIGS["nafnet"], CONFIGS["keras"]])
def test_nothing_in_it_belongs_to_one_platform(config):
    calls = re.findall(r"custom_call @(\w+)", artifact_of(weights_of(config)).mlir_module())
    assert set(calls) <= {"shape_assertion"}


def test_a_wrong_call_is_explained(tmp_path):
    weights, path = weights_of(RESNET), tmp_path / "a.jax"
    with pytest.raises(UsageError, match="values are 'int8'; it can be uint8, float32"):
        export(weights, path, values="int8")
    with pytest.raises(UsageError, match="precision is 'float16'; it can be float32, bfloat16"):
        export(weights, path, precision="float16")
    with pytest.raises(UsageError, match="platform is 'gpu'; it can be cpu, cuda, rocm, tpu"):
        export(weights, path, platforms=("cpu", "gpu"))
    with pytest.raises(UsageError, match="no platform"):
        export(weights, path, platforms=())
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(exporting, "serialise", lambda *a, **k: pytest.fail("work done in vain"))
    with pytest.raises(UserError, match="file"):
        export(weights_of(RESNET), tmp_path / "file" / "a.jax")
    assert (tmp_path / "file").read_text() == "mine"
    monkeypatch.setattr(exporting, "serialise", lambda *a, **k: b"bytes")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="folder: it is a folder"):
        export(weights_of(RESNET), tmp_path / "folder")


def test_without_flatbuffers_it_says_so(tmp_path, monkeypatch):
    limit = jax.config.jax_traceback_in_locations_limit

    def absent(*_args, **_kwargs):
        raise ImportError("Please install 'flatbuffers'")

    monkeypatch.setattr(jax.export.Exported, "serialize", absent)
    with pytest.raises(UserError, match="pip install flatbuffers"):
        export(weights_of(RESNET), tmp_path / "a.jax", platforms=("cpu",))
    assert not (tmp_path / "a.jax").exists()
    assert jax.config.jax_traceback_in_locations_limit == limit != 0


def test_what_is_exported_can_be_called_as_it_is(rng):
    """The function itself, before it becomes a file, with sizes that are known."""
    weights, x = weights_of(RESNET), pictures(rng, 1, 10, 11)
    found = np.asarray(jit(restoration(weights))(x))
    assert_same(found[0], Restorer(weights)(x[0]))
