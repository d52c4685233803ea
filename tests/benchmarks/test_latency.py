"""What the latency benchmark counts, calls and writes; never how long it takes."""

import hashlib
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import command, latency, machine, networks, random_values, tracing
from deblur_jax import compiler, models
from deblur_jax.models import GeneratorConfig
from deblur_jax.weights import registry

SMALL = GeneratorConfig(width=4, blocks=1)
CONTRACT = {
    "device", "height", "width", "batch", "precision", "compile_s", "runs", "median_s", "p10_s",
    "p90_s", "gflop", "gflop_per_s", "peak_memory_mb", "paper_s", "report_s", "speedup_over_paper",
}  # fmt: skip
CONFIG = """
from configs import default

def get_config(norm="instance"):
    config = default.get_config()
    config.model.width = 4
    config.model.blocks = 1
    config.model.norm = norm
    return config
"""


def make_network(config: GeneratorConfig) -> networks.Network:
    origin = {"config": "small", "weights": None}
    return networks.Network(origin, config, random_values.generator(config), None)


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.py"
    path.write_text(CONFIG)
    return path


def convolution_flops(height: int, width: int, kernel: int, inputs: int, outputs: int) -> int:
    """Two operations a tap of a convolution that sees no zeros; height and width of its output."""
    return 2 * height * width * kernel**2 * inputs * outputs


def padded_taps(size: int, kernel: int, stride: int, padding: int) -> int:
    """Taps along one side that fall on samples and not on the zeros around them, one by one."""
    starts = range(-padding, size + padding - kernel + 1, stride)
    return sum(0 <= start + tap < size for start in starts for tap in range(kernel))


def network_flops(side: int, w: int, blocks: int) -> int:
    """The paper's network counted by hand, convolution by convolution, without norms."""
    total = convolution_flops(side, side, 7, 3, w) + convolution_flops(side, side, 7, w, 3)
    for size, inputs, outputs in ((side, w, 2 * w), (side // 2, 2 * w, 4 * w)):
        total += 2 * padded_taps(size, 3, stride=2, padding=1) ** 2 * inputs * outputs
    total += 2 * blocks * convolution_flops(side // 4, side // 4, 3, 4 * w, 4 * w)
    for size, inputs, outputs in ((side // 4, 4 * w, 2 * w), (side // 2, 2 * w, w)):
        # Each sample reaches 3 x 3 outputs; the last row and column reach one less.
        reached = 3 * size - 1
        total += 2 * reached**2 * inputs * outputs
    return total


def parameter_count(w: int, blocks: int, norm: bool) -> int:
    """Kernels and biases by hand; with a batch norm a scale and a shift for each channel."""
    layers = [(7, 3, w), (3, w, 2 * w), (3, 2 * w, 4 * w), *[(3, 4 * w, 4 * w)] * (2 * blocks)]
    layers += [(3, 4 * w, 2 * w), (3, 2 * w, w)]
    kernels = sum(size**2 * a * b + b * (3 if norm else 1) for size, a, b in layers)
    return kernels + 7**2 * w * 3 + 3


def test_random_parameters_have_the_network_s_shapes_and_usual_sizes() -> None:
    params = random_values.generator(GeneratorConfig(norm="batch"))
    wanted = jax.eval_shape(
        lambda: models.init_generator(jax.random.key(0), GeneratorConfig(norm="batch"))
    )
    jax.tree.map(lambda p, s: np.testing.assert_array_equal(p.shape, s.shape), params, wanted)
    kernel = params["block_3_a"]["kernel"]
    assert kernel.dtype == jnp.float32
    assert float(kernel.std()) == pytest.approx(np.sqrt(2 / (3 * 3 * 256)), rel=0.01)
    assert float(jnp.abs(params["head"]["bias"]).max()) == 0
    scales = [
        p for path, p in jax.tree_util.tree_leaves_with_path(params) if path[-1].key == "scale"
    ]
    assert scales and all(float(s.min()) == float(s.max()) == 1 for s in scales)


def test_operations_are_those_of_a_hand_count() -> None:
    config = GeneratorConfig(width=32, blocks=2)
    x = jax.ShapeDtypeStruct((2, 32, 32, 3), np.float32)
    params = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    network = networks.Network({}, config, params, None)
    by_hand = 2 * network_flops(32, 32, 2) / 1e9
    # Norms, activations and biases come on top: about ten operations an activation.
    assert by_hand < latency.gigaflops(network, x) < 1.03 * by_hand


def test_the_paper_s_network_is_counted_in_full() -> None:
    flops = network_flops(256, 64, 9)
    config = GeneratorConfig()
    params = jax.eval_shape(lambda: models.init_generator(jax.random.key(0), config))
    x = jax.ShapeDtypeStruct((1, 256, 256, 3), np.float32)
    network = networks.Network({}, config, params, None)
    assert flops < latency.gigaflops(network, x) * 1e9 < 1.01 * flops


def test_operations_are_the_plain_network_s_whatever_is_timed(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    network = make_network(SMALL)
    x = jnp.asarray(rng.uniform(-1, 1, (1, 16, 16, 3)), jnp.float32)
    monkeypatch.setattr(latency, "forward_of", lambda *_: (2.0, lambda factor, x: factor * x))
    found = latency.compiled(network, x, "float32")
    assert found.params == 2
    np.testing.assert_array_equal(found.program(found.params, x), 2 * x)
    measures = latency.measure(network, height=16, width=16, runs=1)
    assert measures["gflop"] * 1e9 > network_flops(16, 4, 1)


def test_the_compiled_program_is_the_network(rng: np.random.Generator) -> None:
    network = make_network(SMALL)
    x = jnp.asarray(rng.uniform(-1, 1, (2, 16, 24, 3)), jnp.float32)
    seconds, program, params = latency.compiled(network, x, "float32")
    expected = jax.jit(lambda p, x: models.apply_generator(p, x, SMALL))(network.params, x)
    assert float(jnp.abs(expected - x).max()) > 0.1
    np.testing.assert_allclose(program(params, x), expected, atol=5e-5)
    assert seconds > 0
    _, half, params = latency.compiled(network, x, "bfloat16")
    assert 1e-4 < float(jnp.abs(half(params, x) - expected).max()) < 0.3


def test_the_program_is_called_once_a_run_and_once_a_warmup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    class Program:
        def __call__(self, *arguments: object) -> tuple:
            calls.append(arguments)
            return arguments

        def memory_analysis(self) -> None:
            return None

    monkeypatch.setattr(latency, "compiled", lambda *_: latency.Compiled(1.5, Program(), "own"))
    monkeypatch.setattr(latency, "gigaflops", lambda *_: 3.0)
    network = make_network(SMALL)
    measures = latency.measure(network, height=30, width=18, batch=2, runs=5, warmups=3)
    assert len(calls) == 5 + 3 and len(measures["seconds"]) == measures["runs"] == 5
    params, x = calls[-1]
    assert params == "own"
    assert x.shape == (2, 32, 20, 3) and isinstance(x, jax.Array)  # placed before it is timed
    assert float(jnp.abs(x).max()) <= 1
    assert (measures["padded_height"], measures["padded_width"]) == (32, 20)
    assert (measures["height"], measures["width"]) == (30, 18)
    assert measures["compile_s"] == 1.5 and measures["peak_memory_mb"] is None
    assert measures["gflop_per_s"] == pytest.approx(3.0 / np.median(measures["seconds"]))
    assert measures["seconds_per_picture"] == pytest.approx(np.median(measures["seconds"]) / 2)


def test_the_trace_is_of_passes_after_the_timed_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[object] = []
    seen: list[int] = []

    def record(call: object, folder: Path) -> None:
        assert folder == tmp_path
        seen.append(len(calls))
        call()
        seen.append(len(calls))

    ready = latency.Compiled(1.0, lambda params, x: calls.append(x) or x, None)
    monkeypatch.setattr(latency, "compiled", lambda *_: ready)
    monkeypatch.setattr(latency, "gigaflops", lambda *_: 3.0)
    monkeypatch.setattr(machine, "program_memory_mb", lambda _: 1.0)
    monkeypatch.setattr(tracing, "record", record)
    options = {"height": 16, "width": 16, "runs": 4, "warmups": 1}
    network = make_network(SMALL)
    measures = latency.measure(network, **options, profile=tmp_path)
    assert seen == [5, 6] and measures["runs"] == 4
    calls.clear()
    latency.measure(network, **options)
    assert len(calls) == 5 and len(seen) == 2


def test_a_trace_s_folder_is_tried_before_the_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(latency, "measure", None)
    (tmp_path / "file").write_text("")
    assert latency.main(["--profile", str(tmp_path / "file")]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("file: a file is where a folder should be")


@pytest.mark.parametrize(("height", "batch"), [(16, 1), (20, 1), (16, 2)])
def test_only_the_paper_s_size_is_compared_with_the_paper(
    height: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = latency.Compiled(1.0, lambda params, x: x, None)
    monkeypatch.setattr(latency, "compiled", lambda *_: ready)
    monkeypatch.setattr(machine, "program_memory_mb", lambda _: 1.0)
    monkeypatch.setattr(latency, "PAPER_SIZE", (16, 16))
    measures = latency.measure(make_network(SMALL), height=height, width=16, batch=batch, runs=3)
    same = height == 16 and batch == 1
    expected = pytest.approx(0.85 / measures["median_s"]) if same else None
    assert measures["speedup_over_paper"] == expected
    assert ("times as fast" in latency.sentences(measures)) == same
    assert "the paper's 0.85 s" in latency.sentences(measures)


def test_memory_is_arguments_result_and_temporaries() -> None:
    a = np.ones((250, 1000), np.float32)  # 1 MB
    add = jax.jit(lambda a, b: a + b).lower(a, a).compile()
    assert machine.program_memory_mb(add) == pytest.approx(3.0)
    chain = jax.jit(lambda a: (a @ a.T) @ a).lower(a).compile()
    assert machine.program_memory_mb(chain) >= 2.0 + 0.25


def test_the_command_writes_every_key(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "deep" / "latency.json"
    arguments = [
        "--config",
        f"{config_path}:batch",
        "--height",
        "16",
        "--width",
        "20",
        "--runs",
        "3",
    ]
    assert latency.main([*arguments, "--batch", "2", "--json", str(target)]) == 0
    measures = json.loads(target.read_text())
    assert set(measures) >= CONTRACT | {"benchmark", "config", "weights", "versions", "date"}
    assert (measures["height"], measures["width"], measures["batch"]) == (16, 20, 2)
    assert measures["precision"] == "float32" and measures["generator"]["norm"] == "batch"
    assert measures["config"] == f"{config_path}:batch" and measures["weights"] is None
    assert measures["versions"]["jax"] == jax.__version__
    assert measures["parameters"] == parameter_count(4, 1, norm=True)
    assert 0 < measures["p10_s"] <= measures["median_s"] <= measures["p90_s"]
    assert measures["paper_s"] == 0.85 and measures["report_s"] == 0.97
    assert measures["peak_memory_mb"] > 2 * 2 * 16 * 20 * 3 * 4 / 1e6  # input and output at least
    assert [path.name for path in target.parent.iterdir()] == ["latency.json"]
    printed = capsys.readouterr().out
    assert "2 x 20x16" in printed and str(config_path) in printed and measures["device"] in printed


def test_weights_are_named_with_their_hash(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    params = random_values.generator(SMALL)
    registry.save(path, SMALL, params)
    network = networks.trained(str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert network.origin == {"config": None, "weights": {"name": "mine", "sha256": digest}}
    assert network.config == SMALL
    saved = np.asarray(params["tail"]["kernel"]).astype(np.float16)
    np.testing.assert_array_equal(network.params["tail"]["kernel"], saved)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--height", "0"], 2, "--height"),
        (["--runs", "many"], 2, "--runs"),
        (["--precision", "int8"], 2, "--precision"),
        (["--config", "a.py", "--weights", "b"], 2, "--weights"),
        (["--config", "no/such.py"], 2, "no/such.py"),
        (["--weights", "no-such-weights"], 1, "no-such-weights"),
        (["--json", "."], 2, "folder"),
        (["--no-such-option"], 2, "--no-such-option"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    arguments: list[str], code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert latency.main(arguments) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("python -m benchmarks.latency: ") and word in last


@pytest.mark.parametrize(
    "text", ["def get_config(:\n", "x = 1\n", "def get_config():\n    return {}\n", "import nope\n"]
)
def test_a_file_without_a_configuration_is_named(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    assert latency.main(["--config", str(path), "--json", str(tmp_path / "out.json")]) == 2
    assert f"{path} gives no configuration" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_a_size_beyond_the_memory_is_no_traceback(
    config_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def exhaust(*_: object) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.")

    monkeypatch.setattr(latency, "compiled", exhaust)
    arguments = ["--config", str(config_path), "--height", "16", "--width", "16"]
    assert latency.main(arguments) == 1
    assert "not enough memory" in capsys.readouterr().err


def test_programs_get_the_compiler_options(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def jit(function: object, *, dtype: object, **options: object) -> object:
        asked.append(dtype)
        return jax.jit(function, **options)

    monkeypatch.setattr(compiler, "jit", jit)
    for precision in ("float32", "bfloat16"):
        latency.compiled(make_network(SMALL), jnp.zeros((1, 16, 16, 3)), precision)
    assert asked == [jnp.float32, jnp.bfloat16]


def test_the_cache_on_disk_is_off_while_measuring() -> None:
    seen: list[bool] = []

    def benchmark(_: object) -> dict:
        seen.append(jax.config.jax_enable_compilation_cache)
        return {}

    assert command.run(latency._parser(), [], benchmark, lambda m: str(m["schema"])) == 0
    assert seen == [False]
