"""Whole runs: what they leave, and that an interrupted one ends in the same bits."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from configs import small, tiny
from deblur_jax.data import training_set
from deblur_jax.errors import UsageError, UserError
from deblur_jax.training import feed, loop, resume
from deblur_jax.training.recipe import make_recipe
from deblur_jax.training.writers import Writers
from deblur_jax.weights import registry
from deblur_jax.weights.checkpoints import Checkpoints

BATCH = 8  # the tests' eight virtual devices share it


def tiny_config(pairs: Path, **train: Any) -> Any:
    config = tiny.get_config()
    config.data.pairs = str(pairs)
    config.data.crop = 32
    config.model.width = config.model.critic_width = 4
    config.model.blocks = 1
    short = {"steps": 6, "batch_size": BATCH, "critic_steps": 1, "pretrain_generator_steps": 2}
    often = {"log_every": 1, "checkpoint_every": 4, "images_every": 3}
    config.train.update(short | often | train)
    return config


@pytest.fixture
def pairs(tmp_path: Path, rng: np.random.Generator) -> Path:
    for folder in ("blur", "sharp"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        for number in range(5):
            pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pairs" / folder / f"{number}.png")
    return tmp_path / "pairs"


def lines(workdir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def timeless(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in r.items() if not k.startswith("time/")} for r in records]


def test_a_run_leaves_what_it_should_and_has_nothing_to_do_twice(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    workdir = tmp_path / "run"
    assert loop.train(tiny_config(pairs), workdir) == 0
    records = lines(workdir)
    assert [r["step"] for r in records] == [1, 2, 3, 4, 5, 6]
    losses = {name for name in records[0] if "loss" in name}
    assert {"loss/generator", "loss/pixel", "loss/critic", "loss/gradient_penalty"} <= losses
    for record in records:
        assert {name for name in record if "loss" in name} == losses
        assert all(isinstance(record[name], float) for name in losses)
    assert json.loads((workdir / "config.json").read_text())["train"]["steps"] == 6
    assert json.loads((workdir / "versions.json").read_text())["jax"] == jax.__version__
    assert list(workdir.glob("events.out.tfevents.*"))
    assert registry.load(workdir).name == "run@6"
    capsys.readouterr()
    assert loop.train(tiny_config(pairs), workdir) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert lines(workdir) == records


@pytest.mark.parametrize(
    ("placement", "optimizer"), [("device", "adam"), ("host", "adam"), ("device", "muon")]
)
def test_interrupted_and_resumed_ends_in_the_same_bits(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str, optimizer: str
) -> None:
    config = tiny_config(pairs, optimizer=optimizer)
    config.data.placement = placement
    assert loop.train(config, tmp_path / "through") == 0

    real = feed.Feed.phase

    def interrupting(self: feed.Feed, start: int, stop: int, first: int, pretrain: bool) -> Any:
        advance = real(self, start, stop, first, pretrain)
        done = [start]

        def wrapped(state: Any, count: int) -> Any:
            done[0] += count
            if done[0] == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return advance(state, count)

        return wrapped

    with monkeypatch.context() as patched:
        patched.setattr(feed.Feed, "phase", interrupting)
        assert loop.train(config, tmp_path / "halting") == 143
    assert registry.load(tmp_path / "halting").name.endswith("@3")
    assert loop.train(config, tmp_path / "halting") == 0
    assert timeless(lines(tmp_path / "halting")) == timeless(lines(tmp_path / "through"))
    one, two = (registry.load(tmp_path / name) for name in ("through", "halting"))
    assert one.sha256 == two.sha256


def test_small_trains_on_a_users_own_pairs_and_needs_nothing_else(
    pairs: Path, tmp_path: Path
) -> None:
    config = small.get_config()
    config.data.pairs, config.data.crop = str(pairs), 32
    config.model.width, config.model.blocks = 4, 1
    config.train.update({"steps": 2, "batch_size": BATCH, "validate_every": 1})
    assert loop.train(config, tmp_path / "run") == 0
    assert all("validation/psnr" not in record for record in lines(tmp_path / "run"))
    config.data.validation, config.train.steps = str(pairs), 3
    assert loop.train(config, tmp_path / "run") == 0
    assert lines(tmp_path / "run")[-1]["validation/psnr"] > 5


def test_host_and_device_placement_train_on_the_same_crops(pairs: Path, tmp_path: Path) -> None:
    for placement in ("device", "host"):
        config = tiny_config(pairs, steps=3)
        config.data.placement = placement
        loop.train(config, tmp_path / placement)
    for a, b in zip(lines(tmp_path / "device"), lines(tmp_path / "host"), strict=True):
        assert a["psnr/blurred"] == pytest.approx(b["psnr/blurred"], rel=1e-6)
        assert a["loss/pixel"] == pytest.approx(b["loss/pixel"], rel=1e-4)


def test_another_network_in_the_workdir_is_refused_by_field(pairs: Path, tmp_path: Path) -> None:
    config = tiny_config(pairs, steps=1, pretrain_generator_steps=0)
    loop.train(config, tmp_path / "run")
    before = (tmp_path / "run" / "config.json").read_text()
    config.model.width, config.train.steps = 6, 2
    with pytest.raises(UsageError, match=r"model\.width = 4, not 6"):
        loop.train(config, tmp_path / "run")
    config.model.width, config.train.optimizer = 4, "muon"
    with pytest.raises(UsageError, match=r"train\.optimizer = 'adam', whose state 'muon'"):
        loop.train(config, tmp_path / "run")
    assert (tmp_path / "run" / "config.json").read_text() == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data.pairs": "/nowhere/pairs"}, "/nowhere/pairs"),
        ({"data.crop": 64}, "0.png is 48x40 pixels, smaller than the crop of 64x64"),
        ({"data.protocol": "half"}, "24x20 pixels with data.protocol='half', smaller than"),
        ({"data.protocol": "quarter"}, "no protocol 'quarter'"),
        ({"data.rotation": 20.0}, "48x40 pixels, smaller than the 46x46 that a crop of 32 needs"),
        ({"data.rotation": 50.0}, "data.rotation is 50.0; it can be 0 to 45"),
        ({"data.scale": 0.5}, "data.scale is 0.5; it can be 1 to 4"),
        ({"data.split": "train_fit"}, "train"),
        ({"data.subset": "blur"}, "no subset 'blur'"),
        ({"data.placement": "disk"}, "data.placement is 'disk'"),
        ({"train.batch_size": 0}, "train.batch_size is 0"),
        ({"train.batch_size": 3}, "8 devices cannot share"),
        ({"train.precision": "float8"}, "train.precision is 'float8'"),
        ({"train.optimizer": "sgd"}, "train.optimizer is 'sgd'"),
        ({"loss.pixel": "ssim"}, "loss.pixel is 'ssim'"),
        ({"model.norm": "layer"}, "model.norm is 'layer'"),
        ({"loss.perceptual_weight": 1.0, "loss.vgg_source": "torchvision"}, "loss.vgg_weights"),
        ({"loss.vgg_tap": "relu5_1"}, "loss.vgg_tap is 'relu5_1'; it can be relu3_3, conv3_3"),
        ({"loss.perceptual": "cosine"}, "loss.perceptual is 'cosine'"),
        ({"train.critic_batches": "both"}, "train.critic_batches is 'both'"),
        ({"train.critic_dropout": "some"}, "train.critic_dropout is 'some'"),
        ({"train.decay_every": 0}, "train.decay_every is 0"),
        ({"evaluate.protocol": "third"}, "no protocol 'third'"),
        ({"evaluate.dropout": True, "model.dropout": 0.0}, "evaluate.dropout is True, and"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    pairs: Path, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    config = tiny_config(pairs)
    config.update_from_flattened_dict(change)
    with pytest.raises(UserError) as caught:
        loop.train(config, tmp_path / "run")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_loss_that_is_not_finite_stops_the_run(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = tiny_config(pairs, learning_rate=float("nan"), pretrain_generator_steps=0)
    config.train.update({"most_left_out": 2, "most_returns": 1})
    with pytest.raises(UserError) as caught:
        loop.train(config, tmp_path / "run")
    words = str(caught.value)
    assert "steps 1 to 2 were left out, as the critic's parameters after the update" in words
    assert "going back to a checkpoint 1 times; the latest checkpoint is of step 0" in words
    said = capsys.readouterr().err
    assert said.count("going back to step 0, with the data that follow") == 1


def test_a_torn_line_of_metrics_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"step": 3, "lo')
    Writers(tmp_path, resume_step=1).close()
    assert lines(tmp_path) == [{"step": 1}]


def test_a_run_that_never_saved_binds_nobody_to_its_network(pairs: Path, tmp_path: Path) -> None:
    workdir = tmp_path / "run"
    config = tiny_config(pairs, steps=1)
    workdir.mkdir()
    (workdir / "config.json").write_text('{"model": {"width": 99}}')
    assert loop.train(config, workdir) == 0
    assert json.loads((workdir / "config.json").read_text())["model"]["width"] == 4


@pytest.mark.parametrize("text", ["{", "[]", '{"model": 3}', "{}"])
def test_a_damaged_config_of_a_run_is_named(text: str, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"cannot read .*config\.json"):
        loop.check_workdir(tmp_path, tiny_config(pairs))


def test_a_checkpoint_of_another_version_is_refused_before_pairs_are_decoded(
    pairs: Path, tmp_path: Path
) -> None:
    workdir = tmp_path / "run"
    config = tiny_config(pairs, steps=1, average_decay=0.0)
    assert loop.train(config, workdir) == 0
    # With an average to keep, the run's state has what its checkpoint lacks.
    config.train.update({"steps": 2, "average_decay": 0.9})
    config.data.pairs = str(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"has no average/.*of another version"):
        loop.train(config, workdir)


def test_a_disk_that_is_full_is_one_sentence_and_no_end(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    class Full:
        def write_scalars(self, step: int, values: Any) -> None:
            raise RuntimeError("RESOURCE_EXHAUSTED: x; No space left on device\n\tand more")

    writers = Writers(tmp_path, resume_step=0)
    writers.close()
    writers._board = Full()
    for step in (1, 2):
        writers.scalars(step, {"loss/generator": 1.0})
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("no space left on device") and "events in" in said
    assert len(lines(tmp_path)) == 2


def test_a_resumed_run_goes_on_with_the_next_sample_whatever_the_batch(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    config = tiny_config(pairs, steps=4)
    assert loop.train(config, tmp_path / "run") == 0
    # Two steps of one slice, then two of one for the generator and one for the critic.
    used = 2 * BATCH + 2 * 2 * BATCH
    saved = Checkpoints(tmp_path / "run", read_only=True).meta(4)["data"]
    assert saved["sample"] == used and len(saved["fingerprint"]) == 64
    firsts: list[int] = []
    real = feed.Feed.phase

    def noting(self: feed.Feed, start: int, stop: int, first: int, pretrain: bool) -> Any:
        firsts.append(first)
        return real(self, start, stop, first, pretrain)

    monkeypatch.setattr(feed.Feed, "phase", noting)
    config = tiny_config(pairs, steps=5, batch_size=2 * BATCH)
    assert loop.train(config, tmp_path / "run") == 0
    assert firsts == [used]
    assert "the pairs are not those" not in capsys.readouterr().out
    (pairs / "blur" / "4.png").unlink()
    (pairs / "sharp" / "4.png").unlink()
    config.train.steps = 6
    assert loop.train(config, tmp_path / "run") == 0
    assert firsts == [used, used + 4 * BATCH]
    assert "the pairs are not those that the run had before step 5" in capsys.readouterr().out


def test_a_checkpoint_without_the_datas_state_goes_on_where_it_must_have_been(
    pairs: Path, tmp_path: Path
) -> None:
    config = tiny_config(pairs)
    recipe = make_recipe(config)
    data = training_set.gather(config.data, seed=0)
    number = resume.next_sample({}, data, config, feed.Feed(config, recipe, data), 5)
    assert number == 2 * BATCH + 3 * 2 * BATCH
    assert resume.next_sample({}, data, config, feed.Feed(config, recipe, data), 1) == BATCH


def test_a_preset_s_mixture_is_fed_from_the_host_too(pairs: Path, tmp_path: Path) -> None:
    for placement in ("device", "host"):
        config = tiny_config(Path(), steps=2, pretrain_generator_steps=2)
        config.data.pairs = ""
        config.data.root, config.data.mixture = str(pairs.parent), (("pairs", 3),)
        config.data.synthetic, config.data.synthetic_size = 2, 40
        config.data.placement = placement
        assert loop.train(config, tmp_path / placement) == 0
    device, host = (lines(tmp_path / name) for name in ("device", "host"))
    assert timeless(device) == timeless(host)


def test_pairs_that_do_not_fit_are_fed_from_the_host_with_a_sentence(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(feed, "_room", lambda: 1000)
    config = tiny_config(pairs, steps=1, pretrain_generator_steps=1)
    assert loop.train(config, tmp_path / "run") == 0
    assert "do not fit on the device, which has 0.0 GB free: they are fed from the host" in (
        capsys.readouterr().out
    )
