"""Numbers, disks and files that fail: what is left out, said and kept."""

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from configs import tiny
from deblur_jax.errors import UserError
from deblur_jax.models import CriticConfig, GeneratorConfig
from deblur_jax.training import feed, guards, health, loop, parallel, saving, steps, writers
from deblur_jax.training.state import Recipe, init_state
from deblur_jax.training.validation import Validation
from deblur_jax.weights import registry
from deblur_jax.weights.checkpoints import Checkpoints

BATCH = 8  # the tests' eight virtual devices share it
RECIPE = Recipe(
    generator=GeneratorConfig(width=4, blocks=1, norm="batch"),
    critic=CriticConfig(width=4),
    learning_rate=lambda step: jnp.float32(1e-3),
    pixel_weight=0.5,
    critic_steps=2,
    average_decay=0.9,
    most_left_out=2,
)


@pytest.fixture
def pairs(tmp_path: Path, rng: np.random.Generator) -> Path:
    for folder in ("blur", "sharp"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pairs" / folder / f"{number}.png")
    return tmp_path / "pairs"


@pytest.fixture(autouse=True)
def _no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_tensorboard", lambda workdir: None)  # TensorFlow takes long


def config_of(pairs: Path, **train: Any) -> Any:
    """Generator updates alone: one slice of eight samples a step."""
    config = tiny.get_config()
    config.data.pairs, config.data.crop = str(pairs), 32
    config.model.width, config.model.blocks = 4, 1
    config.loss.adversarial_weight = 0.0
    often = {"steps": 8, "batch_size": BATCH, "log_every": 1, "checkpoint_every": 2}
    config.train.update(often | {"images_every": 0} | train)
    return config


def lines(workdir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def with_nan(monkeypatch: pytest.MonkeyPatch, first: int, last: int) -> None:
    """The samples of these numbers have a pixel that is not a number."""
    real = feed.Feed._finish

    def finish(self: Any, pixels: Any, index: jax.Array) -> Any:
        crops = real(self, pixels, index)
        bad = jnp.asarray((index >= first) & (index <= last))[..., None, None, None]
        return crops | {"blurred": jnp.where(bad, jnp.nan, crops["blurred"])}

    monkeypatch.setattr(feed.Feed, "_finish", finish)


def test_a_bad_step_changes_nothing_but_its_number() -> None:
    rng = np.random.default_rng(1)
    draw = lambda: rng.uniform(-1, 1, (3, 2, 16, 16, 3)).astype(np.float32)  # noqa: E731
    index = np.arange(6, dtype=np.uint32).reshape(3, 2)
    good = {"blurred": draw(), "sharp": draw(), "index": index}
    step = jax.jit(partial(steps.train_step, recipe=RECIPE))
    state = init_state(jax.random.key(0), RECIPE)
    state, scalars = step(state, good)
    assert float(scalars[health.LEFT_OUT]) == 0 and np.isfinite(float(scalars["loss/critic"]))
    counts = []
    # A slice of the critic's alone, the generator's alone, and then data that are well again.
    for number, words in ((2, "critic's loss and the critic's gradient"), (0, "generator's loss")):
        bad = jax.tree.map(np.copy, good)
        bad["sharp"][number, 0, 3, 3] = np.nan
        after, scalars = step(state, bad)
        assert words in health.say(int(scalars[health.CAUSE]))
        same = after._replace(step=state.step, health=state.health)
        jax.tree.map(np.testing.assert_array_equal, same, state)
        assert int(after.step) == int(state.step) + 1
        state = after
        counts.append(int(scalars[health.IN_A_ROW]))
    assert counts == [1, 2]
    # Two in a row: nothing goes on any more, whatever the data.
    after, scalars = step(state, good)
    assert int(scalars[health.IN_A_ROW]) == 3
    jax.tree.map(np.testing.assert_array_equal, after.generator, state.generator)
    well = after._replace(health=health.healthy())
    after, scalars = step(well, good)
    assert int(scalars[health.IN_A_ROW]) == 0
    assert not np.array_equal(after.critic["score"]["kernel"], well.critic["score"]["kernel"])


def test_a_batch_with_a_nan_is_left_out_and_the_run_goes_on(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with_nan(monkeypatch, 3 * BATCH + 5, 3 * BATCH + 5)  # one sample of step 4
    assert loop.train(config_of(pairs), tmp_path / "run") == 0
    records = lines(tmp_path / "run")
    assert [r[health.IN_A_ROW] for r in records] == [0, 0, 0, 1, 0, 0, 0, 0]
    assert records[-1][health.LEFT_OUT] == 1
    assert all(np.isfinite(r["loss/generator"]) for r in records)
    assert records[3]["loss/generator"] == records[2]["loss/generator"]
    assert "step 4: the last 1 steps were left out, 1 in all" in capsys.readouterr().err
    # No checkpoint is made while a step is being left out: it would be one to go back to.
    steps_kept = Checkpoints(tmp_path / "run", read_only=True).steps()
    assert 4 not in steps_kept and steps_kept[-1] == 8


def test_many_bad_steps_lead_back_and_other_data_on(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    with_nan(monkeypatch, 3 * BATCH, 6 * BATCH - 1)  # steps 4 to 6
    config = config_of(pairs, most_left_out=3)
    assert loop.train(config, tmp_path / "run") == 0
    said = capsys.readouterr().err
    assert "steps 4 to 6 were left out, as the generator's loss" in said
    assert "going back to step 2, with the data that follow" in said
    records = lines(tmp_path / "run")
    assert [r["step"] for r in records] == list(range(1, 9))
    assert records[2][health.IN_A_ROW] == 0 and records[-1][health.LEFT_OUT] == 3
    # Step 3 was made anew from the seventh batch on, so eight steps used twelve of them.
    meta = Checkpoints(tmp_path / "run", read_only=True).meta(8)
    assert meta["data"]["sample"] == 12 * BATCH and meta["returns"] == 1
    assert meta["config"]["train"]["steps"] == 8 and "jax" in meta["versions"]


def test_after_a_few_returns_the_run_says_what_it_saw(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_nan(monkeypatch, 3 * BATCH, 1 << 30)
    config = config_of(pairs, most_left_out=2, most_returns=2)
    with pytest.raises(UserError) as caught:
        loop.train(config, tmp_path / "run")
    sentence = str(caught.value)
    assert "stopped at step 4: steps 3 to 4 were left out, as the generator's loss" in sentence
    assert "2 times; the latest checkpoint is of step 2" in sentence and "\n" not in sentence


def test_a_critic_that_explodes_is_said_at_once() -> None:
    watch = guards.Watch()
    line = {"loss/critic_wasserstein": -20000.0, "loss/critic": -19000.0}
    (said,) = watch.look(5, line)
    assert "loss/critic_wasserstein is -2e+04 (limit 1000" in said
    assert watch.look(6, line) == []
    assert watch.look(7, {"loss/critic": 3.0}) == [] and len(watch.look(8, line)) == 1


def test_a_disk_that_fills_stops_saving_and_not_training(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    real, full = Checkpoints.save, [True]

    def save(self: Checkpoints, step: int, *arguments: Any, **options: Any) -> None:
        if step in (4, 6) and full:
            full.append(True)
            raise UserError("cannot save a checkpoint in X: no space left on device")
        real(self, step, *arguments, **options)

    monkeypatch.setattr(Checkpoints, "save", save)
    assert loop.train(config_of(pairs, keep_checkpoints=9), tmp_path / "run") == 0
    said = capsys.readouterr().err.splitlines()
    assert len(full) == 3
    assert [s for s in said if "no space left on device; the training goes on" in s]
    assert said[-1] == "saving works again: step 8 is saved" and len(said) == 2
    assert "the newest checkpoint is of step 2" in said[0]
    assert Checkpoints(tmp_path / "run", read_only=True).steps() == [2, 8]


def test_a_last_step_that_cannot_be_saved_is_an_error(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(self: Checkpoints, *arguments: Any, **options: Any) -> None:
        raise UserError("no space left on device")

    monkeypatch.setattr(Checkpoints, "save", save)
    monkeypatch.setattr(saving, "LAST_PAUSE", 0.0)
    with pytest.raises(UserError, match=r"step 2 could not be saved in .*there is no checkpoint"):
        loop.train(config_of(pairs, steps=2), tmp_path / "run")


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_taken(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    workdir = tmp_path / "run"
    assert loop.train(config_of(pairs, steps=4), workdir) == 0
    assert loop.train(config_of(pairs, steps=6), tmp_path / "through") == 0
    for path in (workdir / "checkpoints" / "4" / "state").rglob("*"):
        if path.is_file() and path.stat().st_size > 1000:
            path.write_bytes(path.read_bytes()[:500])
    capsys.readouterr()
    assert loop.train(config_of(pairs, steps=6), workdir) == 0
    out, err = capsys.readouterr()
    assert "cannot read checkpoint 4" in err and "the one before it is taken" in err
    assert "resuming" in out and "at step 2" in out
    assert (workdir / "damaged_checkpoints" / "4").is_dir()
    assert registry.load(workdir).sha256 == registry.load(tmp_path / "through").sha256


def test_a_signal_breaks_validation_off_and_its_line_is_made_up_for(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    config = config_of(pairs, validate_every=2)
    config.data.validation = str(pairs)
    assert loop.train(config, tmp_path / "through") == 0
    real = Validation._pairs

    def interrupting(self: Validation) -> Any:
        for number, pair in enumerate(real(self)):
            if number == 1 and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
                asked.append(number)
                if len(asked) == 3:  # the first was asked for the blurred pictures' scores
                    os.kill(os.getpid(), signal.SIGTERM)
            yield pair

    asked: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(Validation, "_pairs", interrupting)
        assert loop.train(config, tmp_path / "run") == 143
    assert "SIGTERM: saved at step 4 of 8" in capsys.readouterr().out
    assert [r["step"] for r in lines(tmp_path / "run")] == [1, 2, 3]
    assert loop.train(config, tmp_path / "run") == 0
    timeless = [
        [{k: v for k, v in r.items() if not k.startswith("time/")} for r in lines(tmp_path / name)]
        for name in ("run", "through")
    ]
    assert timeless[0] == timeless[1] and "validation/psnr" in timeless[0][3]
    one, two = (registry.load(tmp_path / name) for name in ("run", "through"))
    assert one.sha256 == two.sha256


def test_a_signal_before_the_first_step_saves_nothing(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(
        loop.training_set, "gather", lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)
    )
    assert loop.train(config_of(pairs), tmp_path / "run") == 130
    assert "SIGINT: the run had not begun to step" in capsys.readouterr().out
    assert not (tmp_path / "run" / "config.json").exists()


def test_the_last_and_the_best_checkpoints_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2, keep_best=1)
    state = {"a": np.zeros(3)}
    scores = {1: 20.0, 2: 30.0, 3: 25.0, 4: None, 5: 21.0, 6: None, 7: None}
    for step, score in scores.items():
        checkpoints.save(step, state, {}, planned=step < 6, score=score)
    checkpoints.wait()
    # 4 and 5 are the last that were planned, 2 is the best, 7 the newest; 6 pushed nobody out.
    assert checkpoints.steps() == [2, 4, 5, 7]
    checkpoints.drop_after(4)
    assert checkpoints.steps() == [2, 4]
    checkpoints.save(4, {"a": np.ones(3)}, {"again": True})
    checkpoints.close()
    assert Checkpoints(tmp_path, read_only=True).meta(4) == {"again": True}


def test_a_step_under_a_checked_shard_map_leaves_out_the_same(rng: np.random.Generator) -> None:
    recipe = RECIPE._replace(adversarial_weight=0.0)
    pixels = rng.uniform(-1, 1, (8, 1, 1, 16, 16, 3)).astype(np.float32)
    batch = {
        "blurred": pixels,
        "sharp": pixels,
        "index": np.arange(8, dtype=np.uint32)[:, None, None],
    }
    batch["blurred"][5, 0, 0, 2, 2] = np.nan  # on one device of eight
    step = partial(steps.train_step, recipe=recipe, axis=parallel.AXIS)
    state = init_state(jax.random.key(0), recipe)
    after, _ = parallel.shard_map_step(step, (None, 0))(state, batch)
    jax.tree.map(np.testing.assert_array_equal, after.generator, state.generator)
    assert int(after.health["left_out"]) == 1
