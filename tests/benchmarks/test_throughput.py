"""What the throughput benchmark runs, counts and writes; never how long it takes."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from benchmarks import config_file, random_values, throughput, tracing
from deblur_jax import losses
from deblur_jax.models import CriticConfig, GeneratorConfig, apply_critic
from deblur_jax.training import steps
from deblur_jax.training.state import Recipe, init_state

CROP = 16
CONFIG = f"""
from configs import default

def get_config(changes=""):
    config = default.get_config()
    config.data.crop = {CROP}
    config.model.width = 2
    config.model.blocks = 0
    config.model.critic_width = 2
    config.model.critic_norm = "none"
    config.train.batch_size = {jax.device_count()}
    config.train.critic_steps = 1
    config.train.pretrain_generator_steps = 1000
    config.loss.perceptual_weight = 0.0
    if changes == "perceptual":
        config.loss.adversarial_weight = 0.0
        config.loss.perceptual_weight = 1.0
    if changes == "pixel":
        config.loss.adversarial_weight = 0.0
        config.loss.pixel_weight = 1.0
    return config
"""


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.py"
    path.write_text(CONFIG)
    return path


def test_the_command_writes_every_key(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "throughput.json"
    name = f"{config_path}:pixel"  # a critic's update takes long to compile
    arguments = ["--config", name, "--steps", "3", "--json", str(target)]
    assert throughput.main(arguments) == 0
    measures = json.loads(target.read_text())
    devices = jax.device_count()
    assert measures["perceptual"] is False and measures["vgg_source"] is None
    assert measures["device_count"] == devices and measures["batch"] == devices
    assert measures["critic_steps"] == 0 and measures["pairs_per_step"] == devices
    assert measures["runs"] == len(measures["seconds"]) == 3
    assert measures["median_s"] == pytest.approx(np.median(measures["seconds"]))
    rate = 1 / measures["median_s"]
    assert measures["steps_per_second"] == pytest.approx(rate)
    assert measures["images_per_second"] == pytest.approx(devices * rate)
    assert measures["images_per_second_per_device"] == pytest.approx(rate)
    assert measures["first_s"] >= measures["compile_s"] > 0
    assert measures["crop"] == CROP and measures["precision"] == "float32"
    assert measures["parts"] is None and measures["critic_parameters"] == 0
    assert measures["wait_share"] is None
    assert measures["config"] == name and measures["parameters"] > 0
    assert {"device", "versions", "date", "p10_s", "p90_s"} <= set(measures)
    printed = capsys.readouterr().out
    assert f"{devices} crops of 16x16" in printed and "without a perceptual loss" in printed


def test_steps_are_counted_and_chained() -> None:
    states: list[int] = []
    now = 0.0

    def step(state: Any) -> tuple[Any, dict]:
        nonlocal now
        now += 10.0 if not states else 0.5  # the first one compiles
        states.append(state)
        return state + 1, {}

    state, times = throughput.time_steps(step, 0, 4, clock=lambda: now)
    assert states == [0, 1, 2, 3, 4, 5] and state == 6  # compiled, warmed up, four timed
    assert times["seconds"] == [0.5] * 4
    assert times["first_s"] == 10.0 and times["compile_s"] == 9.5


def test_the_trace_is_of_steps_after_the_timed_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    states: list[int] = []

    def step(state: Any) -> tuple[Any, dict]:
        states.append(state)
        return state + 1, {}

    def record(call: Any, folder: Path, *, apart: bool) -> None:
        assert folder == tmp_path and len(states) == 6 and not apart
        call()

    monkeypatch.setattr(tracing, "record", record)
    state, times = throughput.time_steps(step, 0, 4, profile=tmp_path)
    assert states == list(range(7)) and state == 7  # each takes the state of the one before
    assert times["runs"] == 4


def test_a_trace_s_folder_is_tried_before_the_measuring(
    config_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(throughput, "measure", None)
    (tmp_path / "file").write_text("")
    arguments = ["--config", str(config_path), "--profile", str(tmp_path / "file")]
    assert throughput.main(arguments) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("file: a file is where a folder should be")


def test_each_part_is_its_own_update(monkeypatch: pytest.MonkeyPatch, config_path: Path) -> None:
    config = config_file.load(str(config_path))
    recipe, feed, packed = throughput.prepare(config)
    measured = []

    def time_steps(step: Any, state: Any, count: int) -> tuple[Any, dict]:
        measured.append(step)
        return state, {"median_s": float(count)}

    monkeypatch.setattr(throughput, "time_steps", time_steps)
    monkeypatch.setattr(throughput, "part_step", lambda c, r, p, update: update)
    parts = throughput.time_parts(feed, recipe, packed, None, 3)
    names = ("data_s", "generator_step_s", "critic_step_s", "penalty_s")
    assert parts == dict.fromkeys(names, 3.0)
    assert measured[1] is steps.generator_step and measured[3] is throughput.penalty_update
    for data, restored in (("fresh", None), ("same", "pictures")):
        given: dict = {}
        monkeypatch.setattr(steps, "critic_step", lambda s, b, given=given, **o: given.update(o))
        measured.clear()
        changed = recipe._replace(critic_data=data)
        throughput.time_parts(feed, changed, packed, None, 3)
        measured[2](None, {"blurred": "pictures"}, recipe=changed, axis="a")
        assert given == {"restored": restored, "recipe": changed, "axis": "a"}
    alone = recipe._replace(adversarial_weight=0.0)
    names = {"data_s", "generator_step_s"}
    assert set(throughput.time_parts(feed, alone, packed, None, 3)) == names
    seeing = alone._replace(features=lambda x: x)
    assert set(throughput.time_parts(feed, seeing, packed, None, 3)) == names | {"perceptual_s"}


def test_data_are_all_slices_of_a_step_and_leave_the_state_alone(config_path: Path) -> None:
    config = config_file.load(str(config_path))
    recipe, feed, packed = throughput.prepare(config)
    state = random_values.train_state(recipe)
    after, batch = throughput.data_step(feed, recipe, packed)(state)
    devices, share = jax.device_count(), config.train.batch_size // jax.device_count()
    assert after is state
    assert batch["sharp"].shape == (devices, 2, share, CROP, CROP, 3)
    whole = np.asarray(batch["index"]).swapaxes(0, 1).ravel()
    np.testing.assert_array_equal(np.sort(whole), np.arange(2 * config.train.batch_size))


def test_penalty_and_perceptual_loss_are_the_steps_own() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.uniform(-1, 1, (2, 2, CROP, CROP, 3)).astype(np.float32)
    batch = {"sharp": pictures[0], "blurred": pictures[1]}
    recipe = Recipe(
        generator=GeneratorConfig(width=2, blocks=0),
        critic=CriticConfig(width=2, norm="none"),
        learning_rate=lambda step: jnp.float32(1e-3),
        features=lambda x: 2 * x,
        perceptual_weight=3.0,
    )
    state = random_values.train_state(recipe)
    same, found = throughput.perceptual_update(state, batch, recipe=recipe, axis=None)
    difference = 2 * (batch["blurred"] - batch["sharp"])
    assert same is state
    assert float(found["value"]) == pytest.approx(np.square(difference).mean(), rel=1e-5)
    length = np.linalg.norm(4 * difference / difference.size)
    assert float(found["norm"]) == pytest.approx(length, rel=1e-5)

    _, found = throughput.penalty_update(state, batch, recipe=recipe, axis=None)
    score = lambda params, x: apply_critic(params, x, recipe.critic)  # noqa: E731
    penalty = lambda params: losses.gradient_penalty(  # noqa: E731
        lambda x: score(params, x), batch["sharp"], batch["blurred"], 0.5
    )
    value, gradients = jax.value_and_grad(penalty)(state.critic)
    assert float(found["value"]) == pytest.approx(float(value), rel=1e-4)
    assert float(found["norm"]) == pytest.approx(float(optax.global_norm(gradients)), rel=1e-3)


def test_a_part_updates_its_network_from_the_resident_pairs(config_path: Path) -> None:
    config = config_file.load(f"{config_path}:pixel")
    recipe, feed, packed = throughput.prepare(config)
    given: list[tuple[int, ...]] = []

    def update(state: Any, batch: steps.Batch, *, recipe: Any, axis: str) -> tuple[Any, dict]:
        given.append(batch["sharp"].shape)
        average = jax.lax.pmean(batch["sharp"].mean(), axis)
        last = jax.lax.pmax(batch["index"].max(), axis)
        return state._replace(step=state.step + 1), {"mean": average, "last": last}

    step = throughput.part_step(feed, recipe, packed, update)
    state, _ = step(random_values.train_state(recipe))
    state, scalars = step(state)
    devices = jax.device_count()
    assert int(state.step) == 2
    assert given and set(given) == {(config.train.batch_size // devices, CROP, CROP, 3)}
    # Uniform bytes have the mean 127.5; the second step's samples follow the first one's.
    assert abs(float(scalars["mean"])) < 0.05
    assert int(scalars["last"]) == 2 * config.train.batch_size - 1


def test_a_random_state_has_the_shapes_of_a_run_s(config_path: Path) -> None:
    recipe, _, _ = throughput.prepare(config_file.load(str(config_path)))
    state = random_values.train_state(recipe)
    wanted = jax.eval_shape(lambda: init_state(jax.random.key(0), recipe))
    assert jax.tree.structure(state) == jax.tree.structure(wanted)
    for leaf, shape in zip(jax.tree.leaves(state), jax.tree.leaves(wanted), strict=True):
        assert leaf.shape == shape.shape and leaf.dtype == shape.dtype
    # Second moments are under a root: they must not be negative.
    assert all(float(abs(leaf).max()) == 0 for leaf in jax.tree.leaves(state.critic_moments))
    assert float(abs(state.critic["conv_1"]["kernel"]).max()) > 0
    assert float(abs(state.generator["tail"]["kernel"]).max()) > 0


def test_random_pairs_hold_the_crop_and_differ() -> None:
    store, entries = throughput.random_pairs(24)
    assert len(entries) == len(store) == throughput.PAIRS
    assert store.boxes[2:].min() >= 24 and store.sharp.pixels.dtype == np.uint8
    assert np.mean(store.blurred.pixels != store.sharp.pixels) > 0.9


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--crop", "18"], 2, "multiple of 4"),
        (["--crop", "12"], 2, "at least 16"),
        (["--config", ":perceptual", "--vgg-weights", "no/such.npz"], 1, "no/such.npz"),
        (["--steps", "0"], 2, "--steps"),
        (["--config", "no/such.py"], 2, "no/such.py"),
        (["--json", "."], 2, "folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    arguments: list[str],
    code: int,
    word: str,
    config_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if arguments[1].startswith(":"):  # a variant of the configuration above
        arguments = ["--config", f"{config_path}{arguments[1]}", *arguments[2:]]
    elif arguments[0] != "--config":
        arguments = ["--config", str(config_path), *arguments]
    assert throughput.main(arguments) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("python -m benchmarks.throughput: ") and word in last


def test_a_batch_that_devices_cannot_share_is_an_error(
    config_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    devices = jax.device_count()
    if devices == 1:
        pytest.skip("needs several devices")
    assert throughput.main(["--config", str(config_path), "--batch", str(devices + 1)]) == 2
    assert f"train.batch_size is {devices + 1}" in capsys.readouterr().err


def test_measuring_leaves_the_configuration_as_it_was(
    config_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_file.load(str(config_path))
    before = config.to_json()
    times = {"median_s": 0.5, "runs": 1}
    phases = []

    def phase(feed: Any, start: int, stop: int, first: int, pretrain: bool) -> str:
        phases.append(pretrain)
        return "step"

    monkeypatch.setattr(throughput.Feed, "phase", phase)
    monkeypatch.setattr(throughput, "time_steps", lambda step, state, *_, **__: (state, times))
    measures = throughput.measure(config, name="small", count=1)
    assert config.to_json() == before
    assert measures["steps_per_second"] == 2.0
    # A slice for the generator and one for the critic's only update: pretraining is passed over.
    assert phases == [False] and measures["critic_steps"] == 1
    assert measures["pairs_per_step"] == 2 * config.train.batch_size
    assert measures["critic_parameters"] > 0
