"""Each library's network is ours: with the same weights it restores the same pictures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import latency, networks
from benchmarks.networks import Network
from benchmarks.peers import layout, materials
from benchmarks.peers.engines import engine
from benchmarks.peers.job import RESTORE, Job
from deblur_jax import models
from deblur_jax.errors import UserError
from deblur_jax.models import GeneratorConfig
from deblur_jax.weights import authors

HEIGHT, WIDTH = 24, 32
RESNET = {"width": 3, "blocks": 2}
UNSHUFFLE = {"generator": "unshuffle", "width": 4, "blocks": 2, "norm": "none", "dropout": 0.0}
NETWORKS = {
    "resnet": RESNET,
    "resnet_average": RESNET | {"output": "average", "dropout": 0.0},
    "resnet_tanh": RESNET | {"output": "tanh"},
    "resnet_2019": RESNET | {"block_convolutions": 1},
    "resnet_without_blocks": RESNET | {"blocks": 0},
    "unshuffle": UNSHUFFLE,
    "unshuffle_average": UNSHUFFLE | {"output": "average"},
    "unshuffle_tanh": UNSHUFFLE | {"output": "tanh"},
}


def random(fields: dict[str, Any]) -> Network:
    """A network in which every parameter is at work, biases and last layers too."""
    config = GeneratorConfig(**fields)
    shapes = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    rng = np.random.default_rng(1)

    def draw(leaf: Any) -> jax.Array:
        spread = 0.2 if leaf.ndim == 1 else 1 / np.sqrt(np.prod(leaf.shape[:-1]))
        return jnp.asarray(spread * rng.standard_normal(leaf.shape), jnp.float32)

    return Network({}, config, jax.tree.map(draw, shapes), None)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path, RESTORE, "configs/paper.py", None, HEIGHT, WIDTH, 2)


def test_a_network_that_the_others_do_not_have_is_named(job: Job) -> None:
    network = random({"generator": "nafnet", "norm": "none", "width": 4, "blocks": 1})
    with pytest.raises(UserError, match="for resnet and unshuffle, not for nafnet"):
        materials.write(job, network, {"torch"})


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    return random(NETWORKS[request.param])


def expected(network: Network, job: Job) -> np.ndarray:
    x = jnp.asarray(materials.picture(job))
    restored = models.apply_generator(network.params, x, network.config)
    assert float(jnp.abs(restored - x).max()) > 0.1
    return np.asarray(restored)


def restored(module: Any, job: Job, variant: str = "") -> np.ndarray:
    started: engine.Engine = module.start(job, variant)
    started.compile()
    first = started.outputs(started.call())
    again = started.outputs(started.call())
    np.testing.assert_array_equal(first["picture"], again["picture"])
    assert engine.versions(started)
    return first["picture"]


def test_layouts_are_the_authors() -> None:
    network = random(RESNET)
    ours = layout.layers(network.params)
    theirs = authors.state_dict(network.config, network.params)
    assert ours["head.weight"].shape == (3, 3, 7, 7)
    assert len(ours) == len(theirs)
    for mine, other in zip(sorted_by_content(ours), sorted_by_content(theirs), strict=True):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(ours["up_0.weight"], theirs["model.12.weight"])
    np.testing.assert_array_equal(ours["block_1_b.bias"], theirs["model.11.conv_block.6.bias"])


def sorted_by_content(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    return sorted(arrays.values(), key=lambda a: (a.shape, float(a.flat[0])))


def test_files_are_written_for_those_who_read_them(job: Job) -> None:
    network = random(RESNET)
    materials.write(job, network, ())
    assert [path.name for path in job.folder.iterdir()] == ["picture.npy"]
    materials.write(job, network, {"torch"})
    config, weights = materials.network(job)
    assert config == json.loads(json.dumps(network.config.to_dict()))
    np.testing.assert_array_equal(
        weights["model.1.bias"], np.asarray(network.params["head"]["bias"])
    )
    assert not materials.onnx_file(job).exists()


@pytest.mark.parametrize(
    "fields", [{"norm": "batch"}, {"upsample": "pixel_shuffle"}, {"downsample": "same"}]
)
def test_networks_that_peers_do_not_have_are_refused(fields: dict[str, str], job: Job) -> None:
    with pytest.raises(UserError, match=next(iter(fields))):
        materials.write(job, random(RESNET | fields), {"torch"})


def test_our_own_pass_is_the_one_that_latency_times(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.peers.engines import jax_restore

    network = random(RESNET)
    materials.write(job, network, ())
    monkeypatch.setattr(networks, "chosen", lambda config, weights: network)
    np.testing.assert_allclose(restored(jax_restore, job), expected(network, job), atol=1e-4)
    monkeypatch.setattr(latency, "forward_of", lambda *_: (0.5, lambda factor, x: factor * x))
    half = restored(jax_restore, job)
    np.testing.assert_allclose(half, 0.5 * materials.picture(job), atol=1e-7)


@pytest.mark.parametrize("fields", [RESNET, UNSHUFFLE])
def test_our_reference_computes_in_float64(
    fields: dict[str, Any], job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.peers.engines import jax_restore

    network = random(fields)
    materials.write(job, network, ())
    monkeypatch.setattr(networks, "chosen", lambda config, weights: network)
    single = expected(network, job)
    with jax.enable_x64(True):
        seen: list[Any] = []
        apply = models.apply_generator

        def watched(params: Any, x: jax.Array, *rest: Any, **options: Any) -> jax.Array:
            seen.extend([x.dtype, jnp.dtype(options["dtype"]), jax.tree.leaves(params)[0].dtype])
            return apply(params, x, *rest, **options)

        monkeypatch.setattr(models, "apply_generator", watched)
        double = restored(jax_restore, job, "float64")
    assert set(seen) == {jnp.dtype("float64")}
    assert 0 < np.abs(double - single).max() < 1e-4


@pytest.mark.parametrize("variant", ["", "float64"])
def test_pytorch_restores_the_same(job: Job, network: Network, variant: str) -> None:
    pytest.importorskip("torch")
    from benchmarks.peers.engines import torch_restore

    materials.write(job, network, {"torch"})
    found = restored(torch_restore, job, variant)
    np.testing.assert_allclose(found, expected(network, job), atol=1e-4)
    assert found.dtype == (np.float64 if variant else np.float32)


def test_convolutions_in_strips_are_the_same(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.peers.engines import torch_restore

    monkeypatch.setattr(torch_restore, "_STRIP", 5)  # rows: the last strip is not full
    materials.write(job, random(RESNET), {"torch"})
    whole, strips = torch_restore.build(job).double(), torch_restore.build(job).double()
    torch_restore.in_strips(strips)
    kinds = [type(module).__name__ for module in strips.modules()]
    assert kinds.count("InStrips") == 2 + 4  # the first layer, the last, and those of the blocks
    x = torch.rand(1, 3, HEIGHT, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        np.testing.assert_allclose(strips(x).numpy(), whole(x).numpy(), atol=1e-12)


def test_the_onnx_model_says_what_it_takes(job: Job) -> None:
    onnx = pytest.importorskip("onnx")
    from benchmarks.peers import onnx_model

    network = random(RESNET)
    materials.write(job, network, {"onnx"})
    model = onnx.load(str(materials.onnx_file(job)))
    (x,), (y,) = model.graph.input, model.graph.output
    assert (x.name, y.name) == (onnx_model.INPUT, onnx_model.OUTPUT) == ("blurred", "restored")
    for value in (x, y):
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim]
        assert sides == [1, 3, HEIGHT, WIDTH]
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("InstanceNormalization") == 3 + 2 * 2 + 2
    assert kinds.count("Conv") == 1 + 2 + 2 * 2 + 1 and kinds.count("ConvTranspose") == 2


def run_by_onnx(job: Job) -> np.ndarray:
    """ONNX's own evaluator, in numpy."""
    reference = pytest.importorskip("onnx.reference")
    model = reference.ReferenceEvaluator(str(materials.onnx_file(job)))
    x = np.ascontiguousarray(np.moveaxis(materials.picture(job), -1, 1))
    return np.moveaxis(model.run(None, {"blurred": x})[0], 1, -1)


def run_by_onnxruntime(job: Job) -> np.ndarray:
    pytest.importorskip("onnxruntime")
    from benchmarks.peers.engines import onnx_runtime

    return restored(onnx_runtime, job)


def run_by_openvino(job: Job) -> np.ndarray:
    pytest.importorskip("openvino")
    from benchmarks.peers.engines import open_vino

    return restored(open_vino, job)


@pytest.mark.parametrize("run", [run_by_onnx, run_by_onnxruntime, run_by_openvino])
def test_the_onnx_model_restores_the_same(
    run: Callable[[Job], np.ndarray], job: Job, network: Network
) -> None:
    pytest.importorskip("onnx")
    materials.write(job, network, {"onnx"})
    np.testing.assert_allclose(run(job), expected(network, job), atol=2e-4)
